// SPDX-License-Identifier: GPL-2.0

//! Packets to a service: those that come in, and those that this host sends.

use core::marker::PhantomData;
use rlvs_core::{
    address::Protocol,
    connection::{
        state,
        tuple::{Side, Tuple},
    },
    packet::Packet,
    schedule::flags::Flags,
};
use rlvs_kext::{
    flow_table::Digest,
    netfilter::{self, Context, Hook, LocalOut, PreRouting, Verdict},
    rwonce::Once,
    skbuff::Skb,
};

use super::{
    passage::Passage,
    read::{may_be, parse},
};
use crate::{
    service::Service,
    state::{InState, State},
    stats::Event,
    table::{connection::Entry, socket},
};

/// The hook for packets that have come in.
pub(crate) struct Incoming<A>(PhantomData<A>);

impl<A: InState> Hook<State> for Incoming<A> {
    const FAMILY: netfilter::NfProto = A::HOOKS;
    type At = PreRouting;
    const PRIORITY: i32 = netfilter::BEFORE_CONNTRACK;

    #[inline]
    fn wants(state: &State, skb: &Skb<'_>) -> bool {
        may_be::<A>(skb, |ports| state.watched_ports.contains(ports.destination))
    }

    fn packet(state: &State, context: &Context<'_, PreRouting>, skb: &mut Skb<'_>) -> Verdict {
        // What this host sends to itself was seen when it was sent, and a packet of a VRF when it
        // came in by the VRF's port.
        if !context.concerns(skb) {
            if state.tracked.of::<A>().read_once() {
                Passage::<A>::new(state, context, None).track_late(skb);
            }
            if context.is_in_group_frame(skb) {
                return Passage::<A>::new(state, context, None).odd(skb);
            }
            return Verdict::Accept;
        }
        from_client(&Passage::<A>::new(state, context, None), skb)
    }
}

/// The hook for packets that a local client sends.
pub(crate) struct LocalClient<A>(PhantomData<A>);

impl<A: InState> Hook<State> for LocalClient<A> {
    const FAMILY: netfilter::NfProto = A::HOOKS;
    type At = LocalOut;
    const PRIORITY: i32 = netfilter::BEFORE_CONNTRACK;

    #[inline]
    fn wants(state: &State, skb: &Skb<'_>) -> bool {
        state.refusals.is_on(skb)
            || may_be::<A>(skb, |ports| state.watched_ports.contains(ports.destination))
    }

    fn packet(state: &State, context: &Context<'_, LocalOut>, skb: &mut Skb<'_>) -> Verdict {
        if state.refusals.take_off(skb, context) || !context.concerns(skb) {
            return Verdict::Accept;
        }
        from_client(&Passage::<A>::new(state, context, Some(context)), skb)
    }
}

/// Handles a packet whose destination port is a service's or a destination's, or not known yet.
fn from_client<A: InState>(passage: &Passage<'_, A>, skb: &mut Skb<'_>) -> Verdict {
    // By reference: moving it out would copy it in pieces that are not those it was written in.
    let parsed = parse(skb);
    let packet = match &parsed {
        Ok(packet) => packet,
        Err(why) => return passage.unhandled(skb, *why, Side::Inbound),
    };
    let tuple = Tuple::inbound(packet.protocol, packet.source, packet.destination);
    let digest = passage.digest(skb, &tuple);
    match passage.find(digest, &tuple) {
        Some(entry) if !passage.begins_again(packet, entry) => {
            passage.forward(skb, packet, entry, Side::Inbound)
        }
        _ => passage.without_connection(skb, packet, digest),
    }
}

impl<'a, A: InState> Passage<'a, A> {
    /// Handles a packet without an entry. It may be to no service at all, if its ports were not in
    /// the linear header. `digest` is the packet's, [`Passage::digest`], here and for what follows.
    #[inline(never)]
    fn without_connection(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
    ) -> Verdict {
        let state = self.state;
        let port = packet.destination.port;
        let to_service = state.service_ports.contains(port);
        let to_destination = state.destination_ports.contains(port);
        if self.routed.is_none() && skb.has_receiver() {
            return Verdict::Accept;
        }
        if let Some(entry) = self.proxied(skb, packet) {
            entry.touch(self.now);
            self.track(skb);
            return Verdict::Accept;
        }
        if to_destination && !self.keeps_apart(skb, packet) && self.is_here(skb, packet, true) {
            state.events.count(self.context.bh, Event::Conflict);
            return Verdict::Drop;
        }
        if !state::continues(packet.signal) {
            return Verdict::Accept;
        }
        if !to_service {
            return self.straight(skb, packet);
        }
        match self.service(packet.protocol, &packet.destination) {
            Some(service)
                if self.may_open(packet, service) && self.is_for(skb, packet, service) =>
            {
                self.open(skb, packet, digest, service)
            }
            Some(_) => Verdict::Accept,
            None => self.straight(skb, packet),
        }
    }

    /// Returns `true` if a packet opens a new connection in place of one that has ended, and
    /// removes the entry of that: a client port that is used again is scheduled anew.
    fn begins_again(&self, packet: &Packet<A>, entry: &Entry<A>) -> bool {
        state::reopens(entry.state(), packet.signal)
            && self.state.sysctls.reschedules()
            && self.give_way(entry)
    }

    /// Returns `true` if a packet without an entry may open one: the first of a connection, or one
    /// in mid-stream, if the service's flag or the sysctl for its protocol says so. What belongs to
    /// a socket of the host's own may not: see [`Self::is_hosts_own`]. A service that steers has no
    /// entries.
    fn may_open(&self, packet: &Packet<A>, service: &Service) -> bool {
        let pool = service.pool(self.context.rcu);
        if pool.steers() {
            return false;
        }
        let flags = pool.flags();
        let is_first = state::opens(packet.signal);
        // A SYN or an INIT is no packet of a connection that there is.
        if is_first && packet.protocol != Protocol::Udp {
            return true;
        }
        (is_first || flags.has(Flags::SLOPPY) || self.state.sysctls.is_sloppy(packet.protocol))
            && !self.is_hosts_own(packet)
    }

    /// Returns `true` if the host has a socket with the very ends of a packet to a service: a TCP
    /// connection, or a UDP socket that is connected to the packet's sender. The socket may be
    /// older than the service, or belong to a client with the service's port; its packets are not
    /// balanced. Always `false` for SCTP, whose sockets only the module sctp can look up.
    pub(super) fn is_hosts_own(&self, packet: &Packet<A>) -> bool {
        let (net, device) = (self.context.net(), self.context.input_device());
        let (local, remote) = (&packet.destination, &packet.source);
        match packet.protocol {
            Protocol::Tcp => socket::window(net, local, remote, device).is_some(),
            Protocol::Udp => net.udp_connected(&A::ends(local, remote), device),
            Protocol::Sctp => false,
        }
    }

    /// Returns `true` if a packet to a destination's own port is not mistaken there for one of a
    /// balanced connection with the same client address and port. An entry whose connection has
    /// ended gives way.
    fn keeps_apart(&self, skb: &Skb<'_>, packet: &Packet<A>) -> bool {
        let tuple = Tuple::reply(packet.protocol, packet.destination, packet.source);
        match self.lookup(skb, tuple) {
            None => true,
            Some(entry) => self.give_way(entry),
        }
    }

    /// Schedules a new connection and sends its first packet on its way.
    fn open(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        service: &Service,
    ) -> Verdict {
        let bh = self.context.bh;
        let pool = service.pool(self.context.rcu);
        self.look_for_tracking();
        let sent = if pool.flags().has(Flags::ONE_PACKET) {
            self.send_once(skb, packet, digest, pool)
        } else {
            self.begin(skb, packet, digest, service)
        };
        let event = match sent {
            Ok(verdict) => return verdict,
            Err(event) => event,
        };
        self.state.events.count(bh, event);
        // A client that is refused at once can try elsewhere; after a shortage of memory or room it
        // sends the packet again.
        if !matches!(event, Event::NoDestination) {
            return Verdict::Drop;
        }
        self.state.events.count(bh, Event::Rejected);
        self.reject(skb, packet);
        Verdict::Refuse
    }
}
