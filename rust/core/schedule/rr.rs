// SPDX-License-Identifier: GPL-2.0

//! Round robin: each destination in turn, whatever its weight, unless that is 0.

use super::{destinations::Destinations, least::Smallest, memory::Memory};
use crate::refusal::Refusal;

/// In [`Rr::last`] of a destination that the old scheduler did not have.
const NEVER: u64 = u64::MAX;

/// The round robin scheduler. A choice takes O(log n) steps for each destination that has changed
/// since the last one, as [`Smallest`] says, but a change that leaves it as full as it was takes
/// one.
///
/// The destination that was chosen the longest ago is chosen. So one that could not be chosen for a
/// while comes before those that were, once, and then in its turn.
pub struct Rr<M: Memory> {
    /// When each destination was last chosen.
    order: Smallest<M, u64>,
    last: M::Slice<u64>,
    /// Counts choices.
    now: u64,
}

impl<M: Memory> Rr<M> {
    /// Creates a scheduler for as many destinations, which begins with the first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Ok(Self {
            order: Smallest::new(destinations)?,
            last: M::filled(0, destinations.len()).ok_or(Refusal::NoMemory)?,
            now: 0,
        })
    }

    /// Returns the next destination that can be chosen.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        let last = &self.last;
        let index = self
            .order
            .pick(destinations, |index| last.get(index).copied())?;
        self.now = self.now.saturating_add(1);
        if let Some(last) = self.last.get_mut(index) {
            *last = self.now;
            self.order.set(index, self.now);
        }
        Some(index)
    }

    /// Looks at the destinations that have changed. Part of each choice.
    pub(super) fn look<D: Destinations>(&mut self, destinations: &D) {
        let last = &self.last;
        self.order
            .look(destinations, |index| last.get(index).copied());
    }

    /// Goes on where `old` is; see [`super::Exclusive::inherit_part`]. New destinations come after all
    /// others.
    pub(super) fn inherit(&mut self, old: &Self, kept: impl Iterator<Item = (usize, usize)>) {
        self.now = old.now.saturating_add(1);
        for (before, after) in kept {
            if let (Some(last), Some(place)) = (old.last.get(before), self.last.get_mut(after)) {
                *place = *last;
            }
        }
    }

    /// Prepares to inherit: nothing was inherited yet.
    pub(super) fn begin_to_inherit(&mut self) {
        self.last.fill(NEVER);
    }

    /// Ends inheriting: everything was inherited.
    pub(super) fn end_inheriting(&mut self) {
        for last in self.last.iter_mut().filter(|last| **last == NEVER) {
            *last = self.now;
        }
    }
}
