// SPDX-License-Identifier: GPL-2.0

//! Overflow: the heaviest destination gets everything until it has more active connections than its
//! weight says, then the next one. The weight is what a destination can bear.

use core::cmp::Reverse;

use super::{destinations::Destinations, least::Smallest, memory::Memory};
use crate::refusal::Refusal;

/// The overflow scheduler. A choice takes O(log n) steps for each destination that has changed
/// since the last one, as [`Smallest`] says, but a change that leaves it as heavy and as full as it
/// was takes one.
pub struct Ovf<M: Memory>(Smallest<M, Reverse<u16>>);

impl<M: Memory> Ovf<M> {
    /// Creates a scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Smallest::new(destinations).map(Self)
    }

    /// Returns the heaviest destination with at most as many active connections as its weight, so
    /// that each gets one more than that, as in IPVS; of equals the first. `None` when all are
    /// full.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        self.0.pick(destinations, |index| {
            let weight = destinations.weight(index);
            (destinations.active(index) <= u32::from(weight)).then_some(Reverse(weight))
        })
    }
}
