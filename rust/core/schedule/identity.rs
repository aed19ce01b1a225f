// SPDX-License-Identifier: GPL-2.0

//! Which destinations are the same ones after others came or went.

use core::ops::Range;

use super::{destinations::Destinations, memory::Memory, sort::sort_by_key};
use crate::refusal::Refusal;

/// How far a scheduler has come that goes on where another one is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// How much of what the old one remembers was looked at.
    done: usize,
    /// The number of the next destination that may be the same one after.
    next: usize,
}

impl Progress {
    /// How much is looked at in one part.
    pub(super) const PART: usize = 256;

    /// Returns `true` if not all of `len` were looked at.
    pub(super) fn is_before(self, len: usize) -> bool {
        self.done < len
    }

    /// Returns the numbers of the next part, of `len`.
    pub(super) fn part(&mut self, len: usize) -> Range<usize> {
        let start = self.done;
        self.done = start.saturating_add(Self::PART).min(len);
        start..self.done
    }
}

/// Returns the numbers before and after of the destinations that stay, which stay in their order:
/// of the next part. One step for each destination.
pub(super) fn kept<'a, A: Destinations, B: Destinations>(
    before: &'a A,
    after: &'a B,
    progress: &'a mut Progress,
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let part = progress.part(before.len());
    let next = &mut progress.next;
    part.filter_map(move |index| {
        let place = *next;
        let same = place < after.len() && before.id(index) == after.id(place);
        *next = place.saturating_add(usize::from(same));
        same.then_some((index, place))
    })
}

/// The numbers of destinations by their identities.
pub(super) struct Identities<M: Memory>(M::Slice<(u32, u32)>);

impl<M: Memory> Identities<M> {
    /// Creates the map of these destinations. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub(super) fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        let mut pairs = M::filled((0, 0), destinations.len()).ok_or(Refusal::NoMemory)?;
        for (index, (id, number)) in pairs.iter_mut().enumerate() {
            *id = destinations.id(index);
            *number = u32::try_from(index).map_err(|_| Refusal::NoMemory)?;
        }
        sort_by_key(&mut pairs, |pair| *pair);
        Ok(Self(pairs))
    }

    /// Returns the number of the destination with this identity, if it is there. A search by
    /// halves.
    pub(super) fn number(&self, id: u32) -> Option<usize> {
        let place = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (_, number) = self.0.get(place)?;
        usize::try_from(*number).ok()
    }
}
