// SPDX-License-Identifier: GPL-2.0

//! The kernel's atomics for [`rlvs_core::connection`].

use kernel::sync::atomic::{Atomic, Full, Relaxed};
use rlvs_core::connection;
use rlvs_kext::rwonce::Once;

/// An atomic word; no operation but the addition orders anything.
pub(crate) struct Word(Atomic<u32>);

impl connection::Word for Word {
    #[inline]
    fn new(value: u32) -> Self {
        Self(Atomic::new(value))
    }

    #[inline]
    fn load(&self) -> u32 {
        self.0.read_once()
    }

    #[inline]
    fn store(&self, value: u32) {
        self.0.write_once(value);
    }

    #[inline]
    fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
        self.0.cmpxchg(old, new, Relaxed).map(|_| ())
    }

    #[inline]
    fn add(&self, value: u32) {
        self.0.fetch_add(value, Full);
    }
}
