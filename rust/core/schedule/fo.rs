// SPDX-License-Identifier: GPL-2.0

//! Failover: the heaviest destination gets everything, the next one only when that is taken out.

use super::{order::ByWeight, Destinations, Memory};
use crate::refusal::Refusal;

/// The failover scheduler. A choice looks at one destination, and at one more for each that cannot
/// be used.
pub struct Fo<M: Memory>(ByWeight<M>);

impl<M: Memory> Fo<M> {
    /// A scheduler for the weights that the destinations have.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        ByWeight::new(destinations).map(Self)
    }

    /// Of several destinations with the same weight, the first is chosen.
    pub fn pick<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        self.0.first(destinations, |_| true)
    }
}
