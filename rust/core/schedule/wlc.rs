// SPDX-License-Identifier: GPL-2.0

//! Weighted least connections: the destination with the fewest connections for its weight.

use super::{
    destinations::Destinations,
    least::{Load, Smallest},
    memory::Memory,
};
use crate::refusal::Refusal;

/// The weighted least connections scheduler. A choice takes O(log n) steps for each destination
/// that has changed since the last one, as [`Smallest`] says.
pub struct Wlc<M: Memory>(Smallest<M, Load>);

impl<M: Memory> Wlc<M> {
    /// Creates a scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Smallest::new(destinations).map(Self)
    }

    /// Returns the destination with the least load for its weight; of several with the same load
    /// the first.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        self.0
            .pick(destinations, |index| Load::overhead(destinations, index))
    }
}
