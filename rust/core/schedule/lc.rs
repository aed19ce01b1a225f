// SPDX-License-Identifier: GPL-2.0

//! Least connections: the destination with the fewest connections, whatever its weight.

use super::{
    destinations::Destinations,
    least::{overhead, Smallest},
    memory::Memory,
};
use crate::refusal::Refusal;

/// The least connections scheduler. A choice takes O(log n) steps for each destination that has
/// changed since the last one, as [`Smallest`] says.
pub struct Lc<M: Memory>(Smallest<M, u64>);

impl<M: Memory> Lc<M> {
    /// Creates a scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Smallest::new(destinations).map(Self)
    }

    /// Returns the destination with the fewest connections; of several with the same load the
    /// first.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        self.0
            .pick(destinations, |index| Some(overhead(destinations, index)))
    }
}
