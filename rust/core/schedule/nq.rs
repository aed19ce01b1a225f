// SPDX-License-Identifier: GPL-2.0

//! Never queue: an idle destination if there is one, however slow it is, and else the one with the
//! shortest expected delay.

use super::{
    destinations::Destinations,
    least::{Load, Smallest},
    memory::Memory,
};
use crate::refusal::Refusal;

/// The never queue scheduler. A choice takes O(log n) steps for each destination that has changed
/// since the last one, as [`Smallest`] says.
///
/// UDP flows count as active, which they never do in IPVS: there every destination always looks
/// idle, and one gets all of them.
pub struct Nq<M: Memory>(Smallest<M, Queue>);

/// What a connection would find at a destination; the smaller the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    /// No active connection.
    Idle,
    /// The delay, as [`super::sed::Sed`] expects it.
    Delay(Load),
}

impl<M: Memory> Nq<M> {
    /// Creates a scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Smallest::new(destinations).map(Self)
    }

    /// Returns the first destination without active connections, or else what [`super::sed::Sed`]
    /// chooses.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        self.0.pick(destinations, |index| {
            if destinations.active(index) == 0 {
                Some(Queue::Idle)
            } else {
                Load::expected(destinations, index).map(Queue::Delay)
            }
        })
    }
}
