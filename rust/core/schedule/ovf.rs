// SPDX-License-Identifier: GPL-2.0

//! Overflow: the heaviest destination gets everything until it has more active connections than its
//! weight says, then the next one. The weight is what a destination can bear.

use super::{order::ByWeight, Destinations, Memory};
use crate::refusal::Refusal;

/// The overflow scheduler. A choice looks at one destination, and at one more for each that is
/// full or cannot be used.
pub struct Ovf<M: Memory>(ByWeight<M>);

impl<M: Memory> Ovf<M> {
    /// A scheduler for the weights that the destinations have.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        ByWeight::new(destinations).map(Self)
    }

    /// The heaviest destination with at most as many active connections as its weight, so that each
    /// gets one more than that, as in IPVS. `None` when all are full.
    pub fn pick<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        self.0.first(destinations, |index| {
            destinations.active(index) <= u32::from(destinations.weight(index))
        })
    }
}
