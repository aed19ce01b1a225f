// SPDX-License-Identifier: GPL-2.0

//! Drawing a destination at random, each with the probability that its weight gives it.

use super::{
    destinations::{eligible, Destinations},
    memory::Memory,
};
use crate::{
    heard::{Sample, MANY},
    refusal::Refusal,
};

/// How often a destination that cannot be chosen is drawn before the first one that can is taken.
const DRAWS: u32 = 8;

/// The sums of the weights up to and with each destination, as they were when this was made.
pub(super) struct Lottery<M: Memory>(M::Slice<u64>);

impl<M: Memory> Lottery<M> {
    pub(super) fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        let mut sums = M::filled(0, destinations.len()).ok_or(Refusal::NoMemory)?;
        let mut sum: u64 = 0;
        for (index, place) in sums.iter_mut().enumerate() {
            sum = sum.saturating_add(u64::from(destinations.weight(index)));
            *place = sum;
        }
        Ok(Self(sums))
    }

    /// Draws a destination that can be chosen and is not `other`; `None` when there is none.
    ///
    /// `random` is unpredictable. A search by halves; when what it finds cannot be chosen, up to
    /// seven more with numbers that are made from it, and then, as a last resort, a look at every
    /// destination; of more than [`MANY`], at as many from a random one on.
    pub(super) fn draw<D: Destinations>(
        &self,
        destinations: &D,
        other: Option<usize>,
        random: u32,
    ) -> Option<usize> {
        // The draw is among the others: as if `other` were not there.
        let before = other.map_or(0, |other| self.sum(other.checked_sub(1)));
        let weight = other.map_or(0, |other| self.sum(Some(other)).saturating_sub(before));
        let total = self.0.last().copied().unwrap_or(0).saturating_sub(weight);
        let can = |index: &usize| eligible(destinations, *index) && Some(*index) != other;
        let ticket = |draw| {
            let ticket = u64::from(mixed(random, draw)).saturating_mul(total) >> 32;
            if ticket < before {
                ticket
            } else {
                ticket.saturating_add(weight)
            }
        };
        let at = |ticket: u64| self.0.partition_point(|sum| *sum <= ticket);
        let mut drawn = (0..DRAWS).map(ticket).map(at);
        let len = destinations.len();
        let first = match len {
            0..=MANY => 0,
            _ => mixed(random, DRAWS),
        };
        let mut others = Sample::new(len, first).indices(|_| None);
        drawn.find(can).or_else(|| others.find(can))
    }

    /// Returns the sum up to and with a destination; 0 of none.
    fn sum(&self, index: Option<usize>) -> u64 {
        let sum = index.and_then(|index| self.0.get(index));
        sum.copied().unwrap_or(0)
    }
}

/// Returns the number itself, or others that look as if they had nothing to do with it: the steps
/// of Murmur3's final mix, each of which can be undone.
fn mixed(random: u32, draw: u32) -> u32 {
    if draw == 0 {
        return random;
    }
    let mut mixed = random.wrapping_add(draw.wrapping_mul(0x9e37_79b9));
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85eb_ca6b);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    mixed ^ (mixed >> 16)
}
