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
    ConnMax,
}

const COUNT: usize = Setting::ConnMax as usize + 1;

/// The most connections that a namespace can be allowed: what fits into one family's table, whose
/// buckets the kernel must be able to allocate.
const MOST_CONNECTIONS: i32 = 1 << 27;

static SPECS: [Spec; COUNT] = [
    Spec::new(c_str!("csum_complete"), 0, 1),
    Spec::capped(c_str!("conn_max"), 0, MOST_CONNECTIONS),
];

const DEFAULTS: [i32; COUNT] = [0, 1 << 22];

/// The settings of a namespace.
pub(crate) struct Sysctls(sysctl::Sysctls<COUNT>);

impl Sysctls {
    /// Settings with their defaults. May sleep.
    pub(crate) fn new(net: &Net) -> Result<Self> {
        let path = c_str!("net/ipv4/vs");
        Ok(Self(sysctl::Sysctls::new(net, path, &SPECS, DEFAULTS)?))
    }

    /// How many connection entries the namespace may have, of both families together.
    #[inline]
    pub(crate) fn conn_max(&self) -> u32 {
        self.number(Setting::ConnMax)
    }

    /// Whether checksums that would be left to the device are computed before a packet leaves.
    #[inline]
    pub(crate) fn csum_complete(&self) -> bool {
        self.0.get(Setting::CsumComplete as usize) != 0
    }

    /// A setting that is never negative.
    #[inline]
    fn number(&self, setting: Setting) -> u32 {
        u32::try_from(self.0.get(setting as usize)).unwrap_or(0)
    }
}
