// SPDX-License-Identifier: GPL-2.0

//! Whether connection tracking is active in a namespace.
//!
//! Where it is, a packet that was given its destination is tracked at once, so that no rule of the
//! table nat gives it another one: the state of a destination is that of the process there, and
//! answers of anything else would not be recognised. The answer is remembered, so that a packet of
//! a connection does not pay for the look where nothing is tracked. First packets and the periodic
//! work look. In between, an established connection may meet connection tracking for up to a second
//! without this.

use kernel::sync::atomic::Atomic;
use rlvs_core::address;
use rlvs_kext::{net::Net, rwonce::Once};

use crate::family::IpFamily;

/// Whether packets are tracked, as far as known. Aligned so that it has its place in the state of
/// its namespace beside what each packet reads, and not beside numbers that packets change.
#[repr(align(8))]
pub(crate) struct Tracked {
    /// Guarded by: atomic; any packet and the periodic work, the last writer wins.
    v4: Atomic<bool>,
    /// Guarded by: atomic; any packet and the periodic work, the last writer wins.
    v6: Atomic<bool>,
}

impl Tracked {
    /// Makes the answer that nothing is tracked.
    pub(crate) fn new() -> Self {
        Self {
            v4: Atomic::new(false),
            v6: Atomic::new(false),
        }
    }

    /// Returns whether packets of a family are tracked, as far as known.
    #[inline]
    pub(crate) fn of<A: IpFamily>(&self) -> &Atomic<bool> {
        match A::FAMILY {
            address::Family::V4 => &self.v4,
            address::Family::V6 => &self.v6,
        }
    }

    /// Finds out whether the packets of a family are tracked, and remembers the answer. Any
    /// context.
    pub(crate) fn look<A: IpFamily>(&self, net: &Net) {
        let (remembered, is_tracking) = (self.of::<A>(), net.is_tracking(A::HOOKS));
        // Written only when it changes: packets of other CPUs read it.
        if remembered.read_once() != is_tracking {
            remembered.write_once(is_tracking);
        }
    }
}
