// SPDX-License-Identifier: GPL-2.0

//! Which destinations of a service have changed since its scheduler last looked at them.
//!
//! Packets and the periodic work change the counts of destinations on any CPU. They mark what they
//! change, and who picks looks at the marked destinations only.

use core::iter::once;
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Full, Relaxed},
        Arc,
    },
};
use rlvs_core::{
    changed::{self, Changed, Places, Taker},
    lifecycle::Observer,
    refusal::Refusal,
};

use rlvs_kext::{barrier, memory::KEPT, once::Once};

use crate::services::KernelMemory;

/// The kernel's atomics for [`Changed`].
struct Bits(Atomic<u64>);

impl changed::Bits for Bits {
    fn new() -> Self {
        Self(Atomic::new(0))
    }

    #[inline]
    fn load(&self) -> u64 {
        self.0.read_once()
    }

    #[inline]
    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        self.0.cmpxchg(old, new, Full).map(|_| ())
    }

    #[inline]
    fn take(&self) -> u64 {
        self.0.xchg(0, Full)
    }
}

/// The marks of a service's destinations.
pub(crate) struct Changes {
    marks: Changed<Bits>,
    /// The number that the next destination gets.
    next: Atomic<u32>,
}

impl Changes {
    /// Marks for a service without destinations. May sleep.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let changes = Self {
            marks: Changed::new(),
            next: Atomic::new(0),
        };
        Ok(Arc::new(changes, KEPT)?)
    }
}

/// A destination's mark, for all of its life.
pub(crate) struct Mark {
    changes: Arc<Changes>,
    number: u32,
}

impl Mark {
    /// The mark of a new destination.
    pub(crate) fn new(changes: &Arc<Changes>) -> Self {
        Self {
            changes: changes.clone(),
            number: changes.next.fetch_add(1, Relaxed),
        }
    }

    /// A number that no other destination of the service has.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The marks of all destinations of the service.
    pub(crate) fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Marks the destination after something of it was set. Any context.
    pub(crate) fn set(&self) {
        Self::set_all(once(self));
    }

    /// Marks destinations after something of each was set. Any context.
    pub(crate) fn set_all<'a>(marks: impl Iterator<Item = &'a Self>) {
        // What was set must be seen by who takes a mark that is found to be set already.
        barrier::full();
        marks.for_each(Observer::changed);
    }
}

impl Observer for Mark {
    #[inline]
    fn changed(&self) {
        self.changes.marks.mark(self.number);
    }
}

/// The destinations of a pool by their marks.
pub(crate) struct Marked {
    changes: Arc<Changes>,
    taker: Taker<Bits>,
    places: Places<KernelMemory>,
}

impl Marked {
    /// For a pool of so many destinations of a service, whose marks `mark` knows; `None` for one
    /// without destinations. May sleep.
    pub(crate) fn new<'a>(
        len: usize,
        mark: impl Fn(usize) -> Option<&'a Mark>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(first) = mark(0) else {
            return Ok(None);
        };
        let number = |index| mark(index).map_or(0, |mark| mark.number);
        Ok(Some(Self {
            changes: first.changes.clone(),
            taker: Taker::new(),
            places: Places::new(len, number)?,
        }))
    }

    /// Takes all marks of the service, and calls `each` with the index of each destination that may
    /// have one.
    pub(crate) fn take(&self, mut each: impl FnMut(usize)) {
        self.taker.take(&self.changes.marks, |mark| {
            self.places.of(mark).for_each(&mut each);
        });
    }

    /// The marks are another pool's from now on, which can be found after this, and whose
    /// destinations are all marked after that.
    pub(crate) fn end(&self) {
        self.taker.end();
    }
}
