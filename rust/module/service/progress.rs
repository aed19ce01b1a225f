// SPDX-License-Identifier: GPL-2.0

//! What the periodic walks find of the connections of a destination while it drains.

use kernel::sync::atomic::{Atomic, AtomicFlag, Relaxed};

/// No walk has counted yet.
const UNKNOWN: u32 = u32::MAX;

/// How many connections of a destination have ended by their packets, but not for its process.
pub(crate) struct DrainProgress {
    /// Of the walk in course.
    /// Guarded by: atomic; added to by the walk of the periodic work.
    counting: Atomic<u32>,
    /// Of the last walk, if all of that was while the destination was draining.
    /// Guarded by: atomic; written under the config mutex.
    found: Atomic<u32>,
    /// The destination has been draining since before the walk in course.
    /// Guarded by: atomic; written under the config mutex.
    whole: AtomicFlag,
}

impl DrainProgress {
    /// Of a destination that does not drain.
    pub(super) fn new() -> Self {
        Self {
            counting: Atomic::new(0),
            found: Atomic::new(UNKNOWN),
            whole: AtomicFlag::new(false),
        }
    }

    /// Forgets what is known, as the destination begins to drain, or stops draining. Must be called
    /// with the configuration's mutex held.
    pub(super) fn forget(&self) {
        self.whole.store(false, Relaxed);
        self.found.store(UNKNOWN, Relaxed);
    }

    /// The number that the last walk has counted; `None` if that was not all while the destination
    /// was draining.
    pub(crate) fn found(&self) -> Option<u32> {
        Some(self.found.load(Relaxed)).filter(|found| *found != UNKNOWN)
    }

    /// Counts a connection that has ended by its packets and not for its process. Part of the
    /// periodic walk.
    pub(crate) fn count(&self) {
        self.counting.add(1, Relaxed);
    }

    /// Ends a walk, which has seen every entry if it is `complete`. Must be called with the
    /// configuration's mutex held.
    pub(crate) fn walked(&self, complete: bool) {
        let counted = self.counting.xchg(0, Relaxed);
        let is_whole = complete && self.whole.load(Relaxed);
        let found = if is_whole { counted } else { UNKNOWN };
        self.found.store(found, Relaxed);
        self.whole.store(true, Relaxed);
    }
}
