// SPDX-License-Identifier: GPL-2.0

//! Private destinations: from outside of the host only services lead there.

use rlvs_core::{address::Protocol, flow, wire::Packet};
use rlvs_kext::{netfilter::Verdict, skbuff::Skb};

use super::{backend_end, Passage};
use crate::{connections, family::Family, services::Destination, stats::Event};

impl<A: Family> Passage<'_, A> {
    /// What becomes of a packet that goes straight to an end that no service has: one that would
    /// open a connection to a private destination is refused, unless this host sends it.
    pub(super) fn straight(&self, skb: &mut Skb<'_>, packet: &Packet<A>) -> Verdict {
        if self.routed || !flow::opens(packet.signal) {
            return Verdict::Accept;
        }
        let end = backend_end(packet.protocol, &packet.destination);
        let backends = self.state.backends.read(self.context.rcu);
        let mut on_port = backends.on_port(end);
        let Some(private) = on_port.find(|d| d.is_private() && self.leads_to(packet, d)) else {
            return Verdict::Accept;
        };
        let is_named = private.key.address == packet.destination.address.to_address();
        if self.has_straight(packet) || !self.is_here(skb, packet, is_named) {
            return Verdict::Accept;
        }
        self.state.events.count(self.context.bh, Event::Private);
        self.reject(skb, packet);
        Verdict::Refuse
    }

    /// Whether a packet to the port of a destination is for its process: it goes to its address, or
    /// to another one of the host that the process listens on as well. Of SCTP that is not known.
    fn leads_to(&self, packet: &Packet<A>, destination: &Destination) -> bool {
        let address = packet.destination.address;
        let end = destination.end(address);
        if end.address == address {
            return true;
        }
        let (net, device) = (self.context.net(), self.context.input_device());
        let straight = A::ends(&packet.destination, &packet.source);
        let balanced = A::ends(&end, &packet.source);
        match packet.protocol {
            Protocol::Tcp => net.share_socket(&straight, &balanced, device, false),
            Protocol::Udp => net.share_socket(&straight, &balanced, device, true),
            Protocol::Sctp => false,
        }
    }

    /// Whether the process has a connection with the packet's sender already, which may be older
    /// than the destination, or one that the process has opened. An SCTP association is not known;
    /// only an INIT is refused.
    fn has_straight(&self, packet: &Packet<A>) -> bool {
        let (net, device) = (self.context.net(), self.context.input_device());
        let (local, remote) = (&packet.destination, &packet.source);
        match packet.protocol {
            Protocol::Tcp => connections::has_socket(net, local, remote, Some(device)),
            Protocol::Udp => net.udp_connected(&A::ends(local, remote), device),
            Protocol::Sctp => false,
        }
    }
}
