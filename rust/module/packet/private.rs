// SPDX-License-Identifier: GPL-2.0

//! Private destinations: from outside of the host only services lead there.
//!
//! What the host would deliver must not get there by being odd: what [`packet::parse`] refuses is read
//! once more as laxly as any stack might, and dropped if it could be for a private destination.

use rlvs_core::{
    address::{Address, Family, Ip, Protocol},
    config::backends::BackendKey,
    connection::state,
    heard::MANY,
    packet::{self, lax, sctp::Chunk, Packet, Signal},
};
use rlvs_kext::{net, netfilter::Verdict, skbuff::Skb, sock::Ends};

use super::{
    passage::{backend_end, Passage},
    read::SkbBytes,
};
use crate::{service::Destination, state::InState, stats::Event, table::socket};

/// How many destinations on a packet's own end are looked at, and how many on its port in each family;
/// of those that are private, a socket is looked for of [`MANY`].
const MOST_ON_PORT: usize = 1024;

// What the kernel delivers is read.
const _: () = assert!(packet::MAX_EXTENSIONS >= net::MAX_EXTENSION_HEADERS as usize);

impl<A: InState> Passage<'_, A> {
    /// Handles a packet to an end that no service has: one that would open a connection to a
    /// private destination is refused, unless this host sends it.
    pub(super) fn straight(&self, skb: &mut Skb<'_>, packet: &Packet<A>) -> Verdict {
        if !self.is_barred(skb, packet) {
            return Verdict::Accept;
        }
        self.state.events.count(self.context.bh, Event::Private);
        self.reject(skb, packet);
        Verdict::Refuse
    }

    /// Drops a packet that could not be read, or that came in a group frame, if it may be for a
    /// private destination.
    #[cold]
    pub(super) fn odd(&self, skb: &Skb<'_>) -> Verdict {
        let Some(packet) = lax::parse::<A>(&SkbBytes::of(skb)) else {
            return Verdict::Accept;
        };
        if !self.is_barred(skb, &packet) {
            return Verdict::Accept;
        }
        self.state.events.count(self.context.bh, Event::Private);
        Verdict::Drop
    }

    /// Returns `true` if a packet comes from outside, would open a connection straight to a private
    /// destination, and is delivered on this host.
    #[inline(never)]
    fn is_barred(&self, skb: &Skb<'_>, packet: &Packet<A>) -> bool {
        if self.routed.is_some()
            || !self.state.watched_ports.contains(packet.destination.port)
            || !self.would_open(skb, packet)
        {
            return false;
        }
        let mut packet = *packet;
        if let Some(last) = lax::last_stop(&SkbBytes::of(skb), packet.l4_offset) {
            packet.destination.address = last;
        }
        let packet = &packet;
        let Some(private) = self.private(packet) else {
            return false;
        };
        let is_named = private.key.address == packet.destination.address.to_address();
        !self.has_straight(packet)
            && (self.is_here(skb, packet, is_named) || self.is_group(skb, packet))
    }

    /// Returns `true` if a packet opens a connection where a process listens: its first one, or one
    /// that returns a cookie, which the process may have sent to it through a service.
    fn would_open(&self, skb: &Skb<'_>, packet: &Packet<A>) -> bool {
        match packet.signal {
            Signal::Tcp(flags) if flags.ack() && !flags.syn() => {
                self.context.is_cookie(skb, packet.l4_offset)
            }
            Signal::Sctp(Chunk::CookieEcho) => true,
            signal => state::opens(signal),
        }
    }

    /// Returns the private destination whose process a packet may be for.
    fn private(&self, packet: &Packet<A>) -> Option<&Destination> {
        let end = backend_end(packet.protocol, &packet.destination);
        // A socket of IPv6 may get packets of both families.
        let other = BackendKey {
            address: Address::unspecified(match A::FAMILY {
                Family::V4 => Family::V6,
                Family::V6 => Family::V4,
            }),
            ..end
        };
        let backends = self.state.backends.read(self.context.rcu);
        let at_end = backends.on_end(end).take(MOST_ON_PORT);
        let on_port = [end, other].map(|end| backends.on_port(end).take(MOST_ON_PORT));
        let mut left = MANY;
        let mut is_for = |destination: &Destination| {
            // Destinations beyond the limit count as a match: better refused than let through.
            let asks = left != 0;
            left = left.saturating_sub(1);
            !asks || self.leads_to(packet, destination)
        };
        at_end
            .chain(on_port.into_iter().flatten())
            .find(|d| d.is_private() && is_for(d))
            .map(|d| &**d)
    }

    /// Returns `true` if a packet to the port of a destination is for its process: it goes to its
    /// address, or to another one of the host that the process listens on as well. For SCTP only
    /// the address is compared.
    fn leads_to(&self, packet: &Packet<A>, destination: &Destination) -> bool {
        let address = packet.destination.address.to_address();
        let at = &destination.key.address;
        if *at == address || at.family() == A::FAMILY && at.is_unspecified() {
            return true;
        }
        let (net, device) = (self.context.net(), self.context.input_device());
        let straight = A::ends(&packet.destination, &packet.source);
        let balanced = listening_at(at, packet);
        match packet.protocol {
            Protocol::Tcp => net.share_socket(&straight, &balanced, device, false),
            Protocol::Udp => net.share_socket(&straight, &balanced, device, true),
            Protocol::Sctp => false,
        }
    }

    /// Returns `true` if the process has a connection with the packet's sender already, which may
    /// be older than the destination, or one that the process has opened. SCTP associations cannot
    /// be looked up; only what opens one is refused.
    fn has_straight(&self, packet: &Packet<A>) -> bool {
        let (net, device) = (self.context.net(), self.context.input_device());
        let (local, remote) = (&packet.destination, &packet.source);
        match packet.protocol {
            Protocol::Tcp => socket::has_socket(net, local, remote, Some(device)),
            Protocol::Udp => net.udp_connected(&A::ends(local, remote), device),
            Protocol::Sctp => false,
        }
    }

    /// Returns `true` if a packet goes to many hosts, of which this may be one.
    fn is_group(&self, skb: &Skb<'_>, packet: &Packet<A>) -> bool {
        let ends = A::ends(&packet.destination, &packet.source);
        self.context.is_to_group(skb, &ends)
    }
}

/// Returns the ends to look up the socket by that listens at an address on the port of a packet.
/// The remote end is the packet's sender if that is of the same family.
fn listening_at<'a, A: Ip>(at: &'a Address, packet: &'a Packet<A>) -> Ends<'a> {
    let (port, remote) = (packet.destination.port, packet.source);
    match at {
        Address::V4(local) => {
            let octets = packet.source.address.octets();
            let octets = <&[u8; 4]>::try_from(octets).unwrap_or(&[0; 4]);
            Ends::v4((local, port), (octets, remote.port))
        }
        Address::V6(local) => {
            let octets = packet.source.address.octets();
            let octets = <&[u8; 16]>::try_from(octets).unwrap_or(&[0; 16]);
            Ends::v6((local, port), (octets, remote.port))
        }
    }
}
