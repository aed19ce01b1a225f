// SPDX-License-Identifier: GPL-2.0

//! Power of two choices on connections in flight: of two different destinations drawn by weight
//! the one that would have the fewest active connections for its weight with this one more, where
//! those that wait to be accepted count twice. IPVS
//! has no such scheduler; its `twos` may draw one destination twice and counts those that have
//! ended as well.
//!
//! (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE Transactions on
//! Parallel and Distributed Systems 12(10), 2001.)

use super::{
    destinations::{Destinations, Request},
    least::{least_of, Load},
    lottery::Lottery,
    memory::Memory,
};
use crate::refusal::Refusal;

/// The power of two choices scheduler. A choice is two searches by halves among the destinations,
/// and CPUs that choose at the same time do not all choose the same one, as they would with `wlc`.
pub struct P2c<M: Memory>(Lottery<M>);

impl<M: Memory> P2c<M> {
    /// Creates a scheduler for the weights that the destinations have.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Lottery::new(destinations).map(Self)
    }

    /// Draws two and returns the better one; of two that are equal, the first drawn.
    pub fn pick<D: Destinations>(&self, destinations: &D, request: &Request) -> Option<usize> {
        let [first, second] = request.random;
        let first = self.0.draw(destinations, None, first)?;
        let second = self.0.draw(destinations, Some(first), second);
        let drawn = [Some(first), second].into_iter().flatten();
        least_of(destinations, drawn, |index| {
            let active = u64::from(destinations.active(index));
            let queue = u64::from(destinations.queue(index).unwrap_or(0));
            let load = active.saturating_add(queue).saturating_add(1);
            Load::new(load, destinations.weight(index))
        })
    }
}
