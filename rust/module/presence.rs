// SPDX-License-Identifier: GPL-2.0

//! Whether the address of a service or destination is the host's, for the configuration, listings
//! and events. Packets use their own routes: [`crate::packet`].

use rlvs_core::address::Address;
use rlvs_kext::{local::Routing, net::Net, sock::Ends};

/// Returns whether an address is the host's at the moment, in a VRF or not; `None` for the
/// wildcard. If it is a service's own (`is_service`), it is enough that it may be for packets with
/// a mark. Any context but hard interrupt.
pub(crate) fn is_here(net: &Net, address: &Address, is_service: bool) -> Option<bool> {
    if address.is_unspecified() {
        return None;
    }
    let (has, ends) = match address {
        Address::V4(octets) => (
            net.is_local4(octets) || net.is_vrf_local4(octets),
            Ends::v4((octets, 0), (&[0; 4], 0)),
        ),
        Address::V6(octets) => (
            net.is_local6(octets) || net.is_vrf_local6(octets),
            Ends::v6((octets, 0), (&[0; 16], 0)),
        ),
    };
    Some(has || is_service && net.routes_here_marked(&Routing::PLAIN, &ends, 0))
}
