// SPDX-License-Identifier: GPL-2.0

//! Which destinations of a service have changed since its scheduler last looked at them.
//!
//! Packets and the periodic work change the counts of destinations on any CPU. They mark what they
//! change, and a choice looks at the marked destinations only.

use core::iter::once;
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};
use rlvs_core::{
    connection::Observer,
    heard::MANY,
    refusal::Refusal,
    schedule::marks::{Changed, Places, Taker},
};
use rlvs_kext::{barrier, memory::KEPT, rwonce::Once};

use crate::primitives::{Bits, KernelMemory};

/// The marks of a service's destinations.
pub(crate) struct Marks {
    changed: Changed<Bits>,
    /// The number that the next destination gets.
    /// Guarded by: atomic; written under the config mutex.
    next: Atomic<u32>,
}

impl Marks {
    /// Makes the marks of a service without destinations. May sleep.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let marks = Self {
            changed: Changed::new(),
            next: Atomic::new(0),
        };
        Ok(Arc::new(marks, KEPT)?)
    }
}

/// A destination's mark, for all of its life.
pub(crate) struct Mark {
    marks: Arc<Marks>,
    number: u32,
}

impl Mark {
    /// Makes the mark of a new destination.
    pub(crate) fn new(marks: &Arc<Marks>) -> Self {
        Self {
            marks: marks.clone(),
            number: marks.next.fetch_add(1, Relaxed),
        }
    }

    /// Returns a number that no other destination of the service has.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Returns the marks of all destinations of the service.
    pub(crate) fn all(&self) -> &Arc<Marks> {
        &self.marks
    }

    /// Marks the destination after something of it was set. Any context.
    pub(crate) fn set(&self) {
        Self::set_all(once(self));
    }

    /// Marks destinations after something of each was set. Any context.
    pub(crate) fn set_all<'a>(marks: impl Iterator<Item = &'a Self>) {
        // What was set must be visible to the CPU that takes a mark which is found to be set
        // already.
        barrier::full();
        marks.for_each(Observer::changed);
    }
}

impl Observer for Mark {
    #[inline]
    fn changed(&self) {
        self.marks.changed.mark(self.number);
    }
}

/// How many marks a choice takes at most: there are more only if most are of deleted destinations,
/// or if there are more destinations than that.
const MOST_MARKS: usize = 1024;

/// The value of [`MarkReader::rest`] if there is none.
const NOTHING: u32 = u32::MAX;

/// The destinations of a pool by their marks.
pub(crate) struct MarkReader {
    marks: Arc<Marks>,
    taker: Taker<Bits>,
    places: Places<KernelMemory>,
    /// The first destination of a mark that was taken and not yet looked at. Changed under the lock
    /// of the scheduler.
    /// Guarded by: atomic; written under the picker lock.
    rest: Atomic<u32>,
}

impl MarkReader {
    /// Makes a reader for a pool of `len` destinations of a service, whose marks `mark` returns;
    /// `None` for one without destinations. May sleep.
    pub(crate) fn new<'a>(
        len: usize,
        mark: impl Fn(usize) -> Option<&'a Mark>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(first) = mark(0) else {
            return Ok(None);
        };
        let number = |index| mark(index).map_or(0, |mark| mark.number);
        Ok(Some(Self {
            marks: first.marks.clone(),
            taker: Taker::new(),
            places: Places::new(len, number)?,
            rest: Atomic::new(NOTHING),
        }))
    }

    /// Takes marks of the service, and calls `each` with the index of each destination that may be
    /// marked:
    /// [`MANY`] at most, the others when it is called again. Must be called with the lock of the
    /// scheduler held.
    pub(crate) fn take(&self, mut each: impl FnMut(usize)) {
        let mut left = MANY;
        let mut marks = MOST_MARKS;
        if let Some(rest) = self.rest() {
            self.set_rest(self.places.each(rest, None, &mut left, &mut each));
        }
        if left == 0 {
            return;
        }
        self.taker.take(&self.marks.changed, |mark| {
            let start = self.places.start(mark);
            let rest = self.places.each(start, Some(mark), &mut left, &mut each);
            if rest.is_some() {
                self.set_rest(rest);
            }
            marks = marks.saturating_sub(1);
            left != 0 && marks != 0
        });
    }

    /// Returns `true` if there is more to look at.
    pub(crate) fn is_behind(&self) -> bool {
        self.rest().is_some() || !self.marks.changed.is_empty()
    }

    fn rest(&self) -> Option<usize> {
        let rest = self.rest.read_once();
        usize::try_from(rest).ok().filter(|_| rest != NOTHING)
    }

    fn set_rest(&self, rest: Option<usize>) {
        let rest = rest.and_then(|rest| u32::try_from(rest).ok());
        self.rest.store(rest.unwrap_or(NOTHING), Relaxed);
    }

    /// Takes no marks any more: they are those of another pool, which is published after this, and
    /// whose destinations are all marked after that.
    pub(crate) fn end(&self) {
        self.taker.end();
    }
}
