// SPDX-License-Identifier: GPL-2.0

//! The name of ip_vs's family.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! Upstream: none.

use crate::bindings;
use kernel::{error::to_result, prelude::*};

/// The family of ip_vs, registered: the two modules are never loaded together. Its requests are
/// answered while there is a [`Registration`], and refused before and after.
pub struct IpvsName(());

impl IpvsName {
    /// Takes the name; `EEXIST` while ip_vs is there. May sleep.
    pub fn take() -> Result<Self> {
        // SAFETY: An FFI call that may sleep, which this function's context allows.
        to_result(unsafe { bindings::rlvs_ipvs_register() })?;
        Ok(Self(()))
    }
}

impl Drop for IpvsName {
    fn drop(&mut self) {
        // SAFETY: The value exists because registering succeeded, and it is unregistered once.
        unsafe { bindings::rlvs_ipvs_unregister() };
    }
}
