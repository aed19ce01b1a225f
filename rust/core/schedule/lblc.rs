// SPDX-License-Identifier: GPL-2.0

//! Locality-based least connections: an address of the service keeps its destination, a cache for
//! example, until that has too much to do.
//!
//! That means something for a service on the wildcard address; any other one has one address.

use super::{
    locality::{can_stay, least_loaded, Addresses},
    Destinations, Memory, Request,
};
use crate::refusal::Refusal;

/// The locality-based least connections scheduler. A choice looks at one destination as long as it
/// stays, and at all to choose another one.
///
/// [`super::locality::CAPACITY`] addresses are remembered, for a day after their last use. When
/// there are more, those not used for long are chosen for anew. IPVS chooses for all new ones anew
/// when it has 24576.
pub struct Lblc<M: Memory>(Addresses<M, u32>);

impl<M: Memory> Lblc<M> {
    /// A scheduler that knows no address.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new() -> Result<Self, Refusal> {
        Addresses::new(0).map(Self)
    }

    /// The destination that the address has had, or else that with the fewest connections for its
    /// weight, which is remembered.
    pub fn pick<D: Destinations>(&mut self, destinations: &D, request: &Request) -> Option<usize> {
        let address = &request.service.address;
        let kept = self.0.find(address, request.now);
        let kept = kept.and_then(|index| usize::try_from(*index).ok());
        if let Some(index) = kept.filter(|index| can_stay(destinations, *index)) {
            return Some(index);
        }
        let index = least_loaded(destinations, 0..destinations.len())?;
        let number = u32::try_from(index).ok()?;
        self.0.remember(address, request.now, number);
        Some(index)
    }
}
