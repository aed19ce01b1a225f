// SPDX-License-Identifier: GPL-2.0

//! Whether connection tracking is active in a namespace.
//!
//! Where it is, a packet that was given its destination is tracked at once, so that no rule of the
//! table nat gives it another one: what the list says of a destination is about the process there,
//! and answers of anything else would not be recognised. A packet of a connection must not pay for
//! the question where nothing is tracked, so the answer is remembered. First packets and the
//! periodic work ask. In between, an established connection may meet connection tracking for up to
//! a second without this.

use kernel::sync::atomic::Atomic;
use rlvs_core::address;
use rlvs_kext::{net::Net, rwonce::Once};

use crate::family::Family;

/// What is remembered. Aligned so that it has its place in the state of its namespace beside what each packet reads,
/// and not beside numbers that packets change.
#[repr(align(8))]
pub(crate) struct Tracked {
    v4: Atomic<bool>,
    v6: Atomic<bool>,
}

impl Tracked {
    /// Nothing was seen yet that tracks.
    pub(crate) fn new() -> Self {
        Self {
            v4: Atomic::new(false),
            v6: Atomic::new(false),
        }
    }

    /// Returns what is remembered for a family.
    #[inline]
    pub(crate) fn of<A: Family>(&self) -> &Atomic<bool> {
        match A::FAMILY {
            address::Family::V4 => &self.v4,
            address::Family::V6 => &self.v6,
        }
    }

    /// Asks whether the packets of a family are tracked, and remembers the answer. Any context.
    pub(crate) fn look<A: Family>(&self, net: &Net) {
        let (remembered, is_tracking) = (self.of::<A>(), net.is_tracking(A::HOOKS));
        // Packets of other CPUs read it.
        if remembered.read_once() != is_tracking {
            remembered.write_once(is_tracking);
        }
    }
}
