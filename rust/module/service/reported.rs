// SPDX-License-Identifier: GPL-2.0

//! What is known of a destination to the listeners of events.

use kernel::sync::atomic::{Atomic, AtomicFlag, Relaxed};
use rlvs_core::notice::Condition;

/// What was reported of a destination, and what is to be. Packets note, the periodic work reports.
pub(crate) struct Reported {
    /// The condition that was reported last.
    /// Guarded by: atomic; written under the config mutex.
    condition: Atomic<u32>,
    /// Connections that were given to others since that was reported last.
    /// Guarded by: atomic; added to by any packet, taken by the periodic work.
    retried: Atomic<u32>,
    /// A packet has found the destination's queue full.
    /// Guarded by: atomic; set by any packet, taken by the periodic work.
    full: AtomicFlag,
}

impl Reported {
    /// What holds without a report for a destination that is not a service's: it is given no
    /// connections.
    const ABSENT: Condition = Condition {
        down: false,
        draining: true,
        drained: true,
        overloaded: false,
    };

    /// Of a destination that is about to be added.
    pub(super) fn new() -> Self {
        Self {
            condition: Atomic::new(Self::ABSENT.to_bits()),
            retried: Atomic::new(0),
            full: AtomicFlag::new(false),
        }
    }

    /// Notes that a connection which could not be opened at the destination was given to another
    /// one. Any context.
    #[inline]
    pub(crate) fn note_retried(&self) {
        self.retried.add(1, Relaxed);
    }

    /// Notes that a packet has found the destination's queue full. Any context.
    #[inline]
    pub(crate) fn note_overload(&self) {
        // A store dirties the cache line for the other CPUs: not more often than it matters.
        if !self.full.load(Relaxed) {
            self.full.store(true, Relaxed);
        }
    }

    /// Returns the condition that was reported last, and has `now` be it.
    pub(crate) fn report(&self, now: Condition) -> Condition {
        Condition::from_bits(self.condition.xchg(now.to_bits(), Relaxed))
    }

    /// Returns how many connections were given to others since the last call.
    pub(crate) fn take_retried(&self) -> u32 {
        self.retried.xchg(0, Relaxed)
    }

    /// Returns `true` if a packet has found the queue full since the last call.
    pub(crate) fn take_overload(&self) -> bool {
        self.full.xchg(false, Relaxed)
    }

    /// Forgets what was reported and noted before there was a listener.
    pub(crate) fn forget(&self, is_deleted: bool) {
        let condition = if is_deleted {
            Self::ABSENT
        } else {
            Condition::default()
        };
        self.condition.store(condition.to_bits(), Relaxed);
        self.retried.store(0, Relaxed);
        self.full.store(false, Relaxed);
    }
}
