// SPDX-License-Identifier: GPL-2.0

//! Failover: the heaviest destination gets everything, the next one only when that is taken out.

use core::cmp::Reverse;

use super::{destinations::Destinations, least::Smallest, memory::Memory};
use crate::refusal::Refusal;

/// The failover scheduler. A choice takes O(log n) steps for each destination that has changed
/// since the last one, as [`Smallest`] says, but a change that leaves it as heavy and as full as it
/// was takes one.
pub struct Fo<M: Memory>(Smallest<M, Reverse<u16>>);

impl<M: Memory> Fo<M> {
    /// Creates a scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Smallest::new(destinations).map(Self)
    }

    /// Returns the heaviest destination; of several with the same weight the first.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        self.0.pick(destinations, |index| {
            Some(Reverse(destinations.weight(index)))
        })
    }
}
