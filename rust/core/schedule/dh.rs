// SPDX-License-Identifier: GPL-2.0

//! Destination hashing: an address of the service always has the same destination.
//!
//! That means something for a service on the wildcard address; any other one gets one destination.
//! The choices are IPVS's, for the same destinations added in the same order.

use super::{
    destinations::{eligible, Destinations, Request},
    hash::{fold, hash_32},
};

/// IPVS's table has 2^8 slots, if its kernel has the default for `CONFIG_IP_VS_DH_TAB_BITS`.
const BITS: u32 = 8;

/// The destination hashing scheduler. A choice looks at one destination.
///
/// IPVS fills a table with the destinations in turn, the one that was added last first, whatever
/// their weights. What is in a slot then follows from its number: there is no table here.
#[derive(Clone, Debug, Default)]
pub struct Dh;

impl Dh {
    /// Returns the destination for the address that the client has sent the packet to. `None` when
    /// it is quiesced or unusable.
    pub fn pick<D: Destinations>(&self, destinations: &D, request: &Request) -> Option<usize> {
        let slot = hash_32(fold(&request.service.address), BITS);
        let turn = usize::try_from(slot)
            .ok()?
            .checked_rem(destinations.len())?;
        let index = destinations.len().checked_sub(turn)?.checked_sub(1)?;
        eligible(destinations, index).then_some(index)
    }
}
