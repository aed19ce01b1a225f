// SPDX-License-Identifier: GPL-2.0

//! The destination with the least load for its weight.

use core::{cmp::Ordering, num::NonZeroU16};

use super::{
    destinations::{eligible, takes_new, Destinations},
    memory::Memory,
    tournament::Tournament,
};
use crate::refusal::Refusal;

/// The load of a destination that has a weight. Of two the one with less for its weight is the
/// smaller; two are equal when they have the same for theirs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Below 2^48.
    load: u64,
    weight: NonZeroU16,
}

impl Load {
    /// A load of half the weight.
    pub(super) const HALF: Self = Self {
        load: 1,
        weight: NonZeroU16::MIN.saturating_add(1),
    };

    /// Creates the load for the weight, if that is not 0.
    pub(super) fn new(load: u64, weight: u16) -> Option<Self> {
        let weight = NonZeroU16::new(weight)?;
        Some(Self { load, weight })
    }

    /// Returns what a destination's connections cost for its weight.
    pub(super) fn overhead<D: Destinations>(destinations: &D, index: usize) -> Option<Self> {
        Self::new(overhead(destinations, index), destinations.weight(index))
    }

    /// Returns the active connections that a destination would have with one more, for its weight.
    pub(super) fn expected<D: Destinations>(destinations: &D, index: usize) -> Option<Self> {
        let active = u64::from(destinations.active(index));
        Self::new(active.saturating_add(1), destinations.weight(index))
    }
}

impl Ord for Load {
    /// Compares without a division: a load below 2^48 times a weight fits.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let own = self.load.saturating_mul(u64::from(other.weight.get()));
        let others = other.load.saturating_mul(u64::from(self.weight.get()));
        own.cmp(&others)
    }
}

impl PartialOrd for Load {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Load {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Load {}

/// Returns what a destination's connections cost: an active one 257, because it is one of all as
/// well, another one 1. IPVS weighs them the same way. Below 2^41.
#[inline]
pub(super) fn overhead<D: Destinations>(destinations: &D, index: usize) -> u64 {
    let active = u64::from(destinations.active(index));
    let inactive = u64::from(destinations.inactive(index));
    active.saturating_mul(257).saturating_add(inactive)
}

/// Returns the candidate that can be chosen and has the least `load`; of equals the first one.
/// Looks at each once: for few candidates.
pub(super) fn least_of<D: Destinations>(
    destinations: &D,
    candidates: impl Iterator<Item = usize>,
    load: impl Fn(usize) -> Option<Load>,
) -> Option<usize> {
    let can = candidates.filter(|index| eligible(destinations, *index));
    let loads = can.filter_map(|index| Some((load(index)?, index)));
    let least = loads.min_by(|(a, _), (b, _)| a.cmp(b))?;
    Some(least.1)
}

/// The destinations in an order that follows what they do: the smallest value is found without
/// looking at the others.
///
/// A choice takes about 2 log n steps for each destination that has changed since the last one
/// ([`Destinations::take_changed`]) and for each that the packet has tried. A connection changes its
/// destination when it is made, when its state begins or ends to count as active, and when it ends:
/// four times, over all of its life. Only the first look is at every destination: it is to be made
/// before packets come ([`super::Exclusive::look`]).
pub(super) struct Smallest<M: Memory, V: Copy> {
    tree: Tournament<M, V>,
    /// No value has been looked at yet.
    fresh: bool,
}

impl<M: Memory, V: Copy + Ord> Smallest<M, V> {
    /// Creates an order of as many destinations. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub(super) fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Ok(Self {
            tree: Tournament::new(destinations.len())?,
            fresh: true,
        })
    }

    /// Returns the destination with the smallest value, of equals the first. One for which `value`
    /// has none, or that can take no connection, is not chosen; nor is one that this was not made
    /// for.
    pub(super) fn pick<D: Destinations>(
        &mut self,
        destinations: &D,
        value: impl Fn(usize) -> Option<V>,
    ) -> Option<usize> {
        self.look(destinations, value);
        self.tree.first(|index| eligible(destinations, index))
    }

    /// Looks at the destinations that have changed. Part of each choice.
    pub(super) fn look<D: Destinations>(
        &mut self,
        destinations: &D,
        value: impl Fn(usize) -> Option<V>,
    ) {
        let now = |index| takes_new(destinations, index).then(|| value(index))?;
        if core::mem::take(&mut self.fresh) {
            self.tree.fill(now);
        } else {
            destinations.take_changed(|index| self.tree.set(index, now(index)));
        }
    }

    /// Sets the value of a destination that was picked, if it has changed by that.
    pub(super) fn set(&mut self, index: usize, value: V) {
        self.tree.set(index, Some(value));
    }
}
