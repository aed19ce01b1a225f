// SPDX-License-Identifier: GPL-2.0
// error: E0624

//! Sysctls cannot be made for a namespace that only is alive at the moment: their files would outlast
//! it. They are made with its state, and end with that.

use kernel::prelude::*;
use rlvs_kext::{
    net::Net,
    sysctl::{Spec, Sysctls},
};

static SPECS: [Spec; 1] = [Spec::any(c"any", 0)];

/// Makes sysctls that may be kept anywhere.
pub fn make(net: &Net) -> Result<Sysctls<1>> {
    Sysctls::new(net, c"net/ipv4/any", &SPECS)
}
