// SPDX-License-Identifier: GPL-2.0

//! What is checked against the host: whether an address is its own, and which families the kernel
//! has.

use rlvs_core::{
    address::{Address, Family},
    config::{self, Presence},
    refusal::Refusal,
};
use rlvs_kext::net;

use super::Transaction;
use crate::presence::is_here;

impl Transaction<'_> {
    /// Returns whether an address is the host's, or may be expected to become it.
    pub(crate) fn presence(&self, address: &Address) -> Presence {
        let net = self.ns.net();
        let is_tentative = || matches!(address, Address::V6(octets) if net.has_address6(octets));
        let mut services = self.config.services.iter();
        if is_here(net, address, false) != Some(false) {
            Presence::Here
        } else if services.any(|c| c.service.key.address == *address) || is_tentative() {
            Presence::Expected
        } else {
            Presence::Elsewhere
        }
    }
}

/// Returns `Ok` if this kernel has the family of an address that a request names. Must be called
/// before anything else is asked about the address.
pub(crate) fn check_family(family: Family) -> Result<(), Refusal> {
    config::check_family(family, net::has_ipv6())
}
