// SPDX-License-Identifier: GPL-2.0

//! Locality: whether an address is the host's, when a packet without an entry comes.
//!
//! An address may come and go: a floating one with VRRP, one of IPv6 when duplicate address
//! detection is done. A packet to an address that the host only forwards to is left alone. The
//! routes are asked last of all, when it is known that something would be done.

use rlvs_core::{
    address::{Endpoint, Protocol},
    packet::Packet,
};
use rlvs_kext::{local::Routing, skbuff::Skb};

use super::passage::Passage;
use crate::{service::Service, state::InState};

impl<A: InState> Passage<'_, A> {
    /// Returns `true` if a packet goes to the host itself. `is_named`: its address is configured as
    /// a service's or a destination's, not matched by a wildcard. Then it is enough that a routing
    /// rule for marks could deliver it here, as it may be given a mark after this hook.
    pub(super) fn is_here(&self, skb: &Skb<'_>, packet: &Packet<A>, is_named: bool) -> bool {
        let by = || self.context.routing(skb);
        let is_here = self.context.is_routed_here(skb);
        is_here.unwrap_or_else(|| self.leads_here(&by(), packet, &packet.destination))
            || is_named && self.may_be_here(&by(), packet)
    }

    /// Returns `true` if a packet to a service goes to the host itself.
    pub(super) fn is_for(&self, skb: &Skb<'_>, packet: &Packet<A>, service: &Service) -> bool {
        self.is_here(skb, packet, !service.key.is_wildcard())
    }

    /// Returns `true` if a packet would be delivered on this host if it went to `end`.
    pub(super) fn leads_here(&self, by: &Routing, packet: &Packet<A>, end: &Endpoint<A>) -> bool {
        let ends = A::ends(end, &packet.source);
        let net = self.context.net();
        net.routes_here(by, &ends, packet.protocol.number())
    }

    /// Returns `true` if a packet would be delivered on this host with another mark.
    #[cold]
    fn may_be_here(&self, by: &Routing, packet: &Packet<A>) -> bool {
        let ends = A::ends(&packet.destination, &packet.source);
        let net = self.context.net();
        net.routes_here_marked(by, &ends, packet.protocol.number())
    }

    /// Returns `true` if the source of a packet that this host sends is an address of its own: raw
    /// sockets and transparent proxies send from others.
    pub(super) fn is_own(&self, skb: &Skb<'_>, protocol: Protocol, source: &Endpoint<A>) -> bool {
        let unspecified = Endpoint {
            address: A::UNSPECIFIED,
            port: 0,
        };
        let (net, by) = (self.context.net(), self.context.routing(skb));
        net.routes_here(&by, &A::ends(source, &unspecified), protocol.number())
    }
}
