// SPDX-License-Identifier: GPL-2.0

//! Shortest expected delay: the destination that would have the fewest active connections for its
//! weight with this one more.

use super::{
    destinations::Destinations,
    least::{Load, Smallest},
    memory::Memory,
};
use crate::refusal::Refusal;

/// The shortest expected delay scheduler. A choice takes O(log n) steps for each destination that
/// has changed since the last one, as [`Smallest`] says.
///
/// UDP flows count as active, which they never do in IPVS: there the heaviest destination gets all
/// of them.
pub struct Sed<M: Memory>(Smallest<M, Load>);

impl<M: Memory> Sed<M> {
    /// Creates a scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Smallest::new(destinations).map(Self)
    }

    /// Returns the destination with the shortest delay; of several with the same delay the first.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        self.0
            .pick(destinations, |index| Load::expected(destinations, index))
    }
}
