// SPDX-License-Identifier: GPL-2.0

//! Locality-based least connections: an address of the service keeps its destination, a cache for
//! example, until that has too much to do.
//!
//! That means something for a service on the wildcard address; any other one has one address.

use super::{
    destinations::{Destinations, Request},
    identity::{Identities, Progress},
    locality::{Addresses, Loads},
    memory::Memory,
};
use crate::refusal::Refusal;

/// The locality-based least connections scheduler. A choice takes O(log n) steps for each
/// destination that has changed since the last one, as [`super::least::Smallest`] says.
///
/// [`super::locality::CAPACITY`] addresses are remembered, for a day after their last use. When
/// there are more, those not used for long are chosen for anew. IPVS chooses for all new ones anew
/// when it has 24576.
pub struct Lblc<M: Memory> {
    /// The identity of each address's destination.
    addresses: Addresses<M, u32>,
    identities: Identities<M>,
    loads: Loads<M>,
}

impl<M: Memory> Lblc<M> {
    /// Creates a scheduler that knows no address.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Ok(Self {
            addresses: Addresses::new(0)?,
            identities: Identities::new(destinations)?,
            loads: Loads::new(destinations)?,
        })
    }

    /// Returns the destination that the address has had, or else that with the fewest connections
    /// for its weight, which is remembered.
    pub fn pick<D: Destinations>(&mut self, destinations: &D, request: &Request) -> Option<usize> {
        let address = &request.service.address;
        self.loads.look(destinations);
        let kept = self.addresses.find(address, request.now);
        let kept = kept.and_then(|id| self.identities.number(*id));
        if let Some(index) = kept.filter(|index| self.loads.can_stay(destinations, *index)) {
            return Some(index);
        }
        let index = self.loads.least(destinations)?;
        self.addresses
            .remember(address, request.now, destinations.id(index));
        Some(index)
    }

    /// Looks at the destinations that have changed. Part of each choice.
    pub(super) fn look<D: Destinations>(&mut self, destinations: &D) {
        self.loads.look(destinations);
    }

    /// Remembers the addresses that `old` does: see [`super::Exclusive::inherit_part`].
    pub(super) fn inherit(&mut self, old: &Self, progress: &mut Progress) -> bool {
        self.addresses.copy_from(&old.addresses, progress)
    }
}
