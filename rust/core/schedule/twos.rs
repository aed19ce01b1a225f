// SPDX-License-Identifier: GPL-2.0

//! Weighted random choice of two: the less loaded of two destinations drawn by weight. (M.
//! Mitzenmacher, A. W. Richa, R. Sitaraman, "The Power of Two Random Choices: A Survey of
//! Techniques and Results", 2001.)

use super::{
    destinations::{Destinations, Request},
    least::{least_of, Load},
    lottery::Lottery,
    memory::Memory,
};
use crate::refusal::Refusal;

/// The scheduler `twos` of IPVS. A choice is two searches by halves among the destinations.
pub struct Twos<M: Memory>(Lottery<M>);

impl<M: Memory> Twos<M> {
    /// Creates a scheduler for the weights that the destinations have.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Lottery::new(destinations).map(Self)
    }

    /// Draws twice, the same one perhaps, and takes the one with the fewest connections for its
    /// weight, as [`super::wlc::Wlc`] counts them; of equals the first drawn.
    pub fn pick<D: Destinations>(&self, destinations: &D, request: &Request) -> Option<usize> {
        let draws = request.random.into_iter();
        let drawn = draws.filter_map(|random| self.0.draw(destinations, None, random));
        least_of(destinations, drawn, |index| {
            Load::overhead(destinations, index)
        })
    }
}
