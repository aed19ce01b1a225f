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
use rlvs_kext::{net::Net, rwonce::Once};

use crate::{family::Family, state::State};

/// What is remembered. Aligned so that it has its place in [`State`] beside what each packet reads,
/// and not beside numbers that packets change.
#[repr(align(8))]
pub(crate) struct Tracked {
    pub(crate) v4: Atomic<bool>,
    pub(crate) v6: Atomic<bool>,
}

impl Tracked {
    /// Nothing was seen yet that tracks.
    pub(crate) fn new() -> Self {
        Self {
            v4: Atomic::new(false),
            v6: Atomic::new(false),
        }
    }
}

/// Asks, and remembers the answer. Any context.
pub(crate) fn look<A: Family>(state: &State, net: &Net) {
    let (remembered, is_tracking) = (A::tracked(state), net.is_tracking(A::HOOKS));
    // Packets of other CPUs read it.
    if remembered.read_once() != is_tracking {
        remembered.write_once(is_tracking);
    }
}
