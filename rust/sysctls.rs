// SPDX-License-Identifier: GPL-2.0

//! The settings under `net.ipv4.vs`, for both address families, one set for each namespace.
//! Documentation/usage.rst tells what they mean.

use kernel::{c_str, prelude::*};
use rlvs_kext::{
    inet::Net,
    sysctl::{self, Spec},
};

/// The index of each in [`SPECS`].
#[derive(Clone, Copy)]
enum Setting {
    CsumComplete,
}

const COUNT: usize = Setting::CsumComplete as usize + 1;

static SPECS: [Spec; COUNT] = [Spec::new(c_str!("csum_complete"), 0, 1)];

const DEFAULTS: [i32; COUNT] = [0];

/// The settings of a namespace.
pub(crate) struct Sysctls(sysctl::Sysctls<COUNT>);

impl Sysctls {
    /// Settings with their defaults. May sleep.
    pub(crate) fn new(net: &Net) -> Result<Self> {
        let path = c_str!("net/ipv4/vs");
        Ok(Self(sysctl::Sysctls::new(net, path, &SPECS, DEFAULTS)?))
    }

    /// Whether checksums that would be left to the device are computed before a packet leaves.
    #[inline]
    pub(crate) fn csum_complete(&self) -> bool {
        self.0.get(Setting::CsumComplete as usize) != 0
    }
}
