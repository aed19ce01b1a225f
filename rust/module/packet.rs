// SPDX-License-Identifier: GPL-2.0

//! Packets.
//!
//! A client's packet is rewritten before connection tracking sees it, an answer after connection
//! tracking and the filter have seen it, so that those see one consistent flow between the client
//! and the destination. A packet that this host sends to itself passes both directions' hooks at
//! `LOCAL_OUT` and none at `PRE_ROUTING`.
//!
//! Connections of clients with the same address are kept apart by their *zone*, which is a part of
//! each key: the link of a client with a link-local address, or the VRF that the packet comes in by,
//! or goes out by if it is an answer. Any other client is in zone 0.

use rlvs_core::{
    address::{Endpoint, Protocol},
    config::backends::End,
    connection::{
        state::{self, Segment},
        tuple::{Side, Tuple},
    },
    packet::{
        self,
        rewrite::{self, Delta, Rewrite, Sums, TooShort, Which},
        Bytes, Packet, Ports, Signal, Unhandled,
    },
    persistence::Bond,
    schedule::{choice::Choice, flags::Flags, Request},
};
use rlvs_kext::{
    clock,
    flow_table::{Hashed, Refused},
    netfilter::{self, Context, Hook, LocalOut, PreRouting, Verdict},
    random,
    rwonce::Once,
    skbuff::{self, Skb},
};

use core::marker::PhantomData;
use kernel::{prelude::*, sync::Arc};

use crate::{
    family::Family,
    primitives::Word,
    service::{Destination, Pool, Service},
    state::State,
    stats::{Event, Stats},
    table::{
        connection::{self, Connection, Entry, Table},
        key::{self, Digest},
        steered,
        template::{self, Place},
        unanswered::Refusers,
    },
};

use offer::{Delivery, Offer};

pub(crate) mod forward;
mod icmp;
mod local;
mod offer;
mod one_packet;
mod private;
mod retry;
mod tracking;
mod udp;

/// After the raw table (-300), before connection tracking (`NF_IP_PRI_CONNTRACK`, -200).
const BEFORE_CONNTRACK: i32 = -201;
/// After every other hook, the filter (0) and security (50) among them.
const LAST: i32 = i32::MAX;

/// A packet that has come in.
pub(crate) struct Incoming<A>(PhantomData<A>);

impl<A: Family> Hook<State> for Incoming<A> {
    const FAMILY: netfilter::Family = A::HOOKS;
    type At = PreRouting;
    const PRIORITY: i32 = BEFORE_CONNTRACK;

    #[inline]
    fn wants(state: &State, skb: &Skb<'_>) -> bool {
        may_be::<A>(skb, |ports| state.watched_ports.contains(ports.destination))
    }

    fn packet(state: &State, context: &Context<'_, PreRouting>, skb: &mut Skb<'_>) -> Verdict {
        // What this host sends to itself was seen when it was sent, and a packet of a VRF when it
        // came in by the VRF's port.
        if !context.concerns(skb) {
            if A::tracked(state).read_once() {
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

/// A packet that this host sends, if it is a client's.
pub(crate) struct LocalClient<A>(PhantomData<A>);

impl<A: Family> Hook<State> for LocalClient<A> {
    const FAMILY: netfilter::Family = A::HOOKS;
    type At = LocalOut;
    const PRIORITY: i32 = BEFORE_CONNTRACK;

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

/// A packet that this host sends, if it is a destination's answer, or ends a connection that was
/// steered.
pub(crate) struct Answer<A>(PhantomData<A>);

impl<A: Family> Hook<State> for Answer<A> {
    const FAMILY: netfilter::Family = A::HOOKS;
    type At = LocalOut;
    const PRIORITY: i32 = LAST;

    #[inline]
    fn wants(state: &State, skb: &Skb<'_>) -> bool {
        may_be::<A>(skb, |ports| {
            state.destination_ports.contains(ports.source)
                || state.steered_ports.contains(ports.source)
                    && packet::ends_tcp::<A>(skb.linear())
                    && !A::steered(state).is_empty()
        })
    }

    fn packet(state: &State, context: &Context<'_, LocalOut>, skb: &mut Skb<'_>) -> Verdict {
        if !context.concerns(skb) {
            return Verdict::Accept;
        }
        let passage = Passage::<A>::new(state, context, Some(context));
        let parsed = parse(skb);
        let packet = match &parsed {
            Ok(packet) => packet,
            Err(why) => return passage.unhandled(skb, *why, Side::Reply),
        };
        if state::ends(packet.signal) && state.steered_ports.contains(packet.source.port) {
            let (client, service) = (passage.peer(skb, packet), packet.source);
            let zone = passage.zone(skb, &client);
            steered::close(A::steered(state), (client, service), zone, context.rcu);
        }
        if !state.destination_ports.contains(packet.source.port) {
            return Verdict::Accept;
        }
        let tuple = Tuple::reply(packet.protocol, packet.source, packet.destination);
        let sent = match passage.lookup(skb, tuple) {
            Some(entry) if entry.is_unanswered() && passage.tries_again(skb, packet, entry) => {
                return Verdict::Sent;
            }
            Some(entry) => passage.forward(skb, packet, entry, Side::Reply),
            None => match passage.one_packet(skb, packet.protocol, &packet.source) {
                Some((destination, service)) => {
                    passage.answer_once(skb, packet, destination, service)
                }
                None => return passage.without_entry(skb, packet),
            },
        };
        match sent {
            Verdict::Accept => passage.complete(context, skb),
            other => other,
        }
    }
}

/// What the functions here need to handle one packet.
struct Passage<'a, A: Family> {
    state: &'a State,
    context: &'a Context<'a>,
    connections: &'a Table<A>,
    /// Of a packet that this host sends, and that has been routed: the hook, which can do it anew.
    routed: Option<&'a Context<'a, LocalOut>>,
    now: u32,
    /// Of an ICMP error for which an entry is opened: the sequence number of the answer that it
    /// quotes.
    quoted: Option<u32>,
    /// Of a first packet that comes again: who has refused it. It is counted for the service already.
    refusers: Option<&'a Refusers>,
}

/// A packet's bytes, for the parser. Headers are nearly always in the linear part.
struct SkbBytes<'a, 'b> {
    linear: &'a [u8],
    all: &'a Skb<'b>,
}

impl<'a, 'b> SkbBytes<'a, 'b> {
    #[inline]
    fn of(skb: &'a Skb<'b>) -> Self {
        Self {
            linear: skb.linear(),
            all: skb,
        }
    }
}

impl Bytes for SkbBytes<'_, '_> {
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        self.linear.copy_to(offset, into) || self.all.copy_to(offset, into)
    }
}

/// Reads a packet's headers, which nearly always are in its linear part.
#[inline(always)]
fn parse<A: Family>(skb: &Skb<'_>) -> Result<Packet<A>, Unhandled> {
    match packet::parse(skb.linear()) {
        Err(Unhandled::Truncated) => parse_all(skb),
        parsed => parsed,
    }
}

/// The same for a packet that may have some of them elsewhere. Out of the way of other packets.
#[cold]
#[inline(never)]
fn parse_all<A: Family>(skb: &Skb<'_>) -> Result<Packet<A>, Unhandled> {
    packet::parse(&SkbBytes::of(skb))
}

/// Whether a packet is worth more than a glance: its ports are interesting, or not seen at once.
#[inline]
fn may_be<A: Family>(skb: &Skb<'_>, is_interesting: impl FnOnce(Ports) -> bool) -> bool {
    packet::ports::<A>(skb.linear()).is_none_or(is_interesting)
}

/// A packet to a service, or one that only might be.
fn from_client<A: Family>(passage: &Passage<'_, A>, skb: &mut Skb<'_>) -> Verdict {
    // By reference: moving it out would copy it in pieces that are not those it was written in.
    let parsed = parse(skb);
    let packet = match &parsed {
        Ok(packet) => packet,
        Err(why) => return passage.unhandled(skb, *why, Side::Inbound),
    };
    let tuple = Tuple::inbound(packet.protocol, packet.source, packet.destination);
    match passage.lookup(skb, tuple) {
        Some(entry) if !passage.begins_again(packet, entry) => {
            passage.forward(skb, packet, entry, Side::Inbound)
        }
        _ => passage.without_connection(skb, packet),
    }
}

/// What came of an attempt to give a connection to a destination.
enum Attempt<'a, A: Family> {
    /// An entry is there, of this packet or of one just before it.
    Entry(&'a Entry<A>),
    /// The connection would be mixed up with another one there.
    Conflict,
    NoMemory,
}

impl<'a, A: Family> Passage<'a, A> {
    #[inline]
    fn new(
        state: &'a State,
        context: &'a Context<'a>,
        routed: Option<&'a Context<'a, LocalOut>>,
    ) -> Self {
        Self {
            state,
            context,
            connections: A::connections(state),
            routed,
            now: clock::seconds(),
            quoted: None,
            refusers: None,
        }
    }

    /// A packet that is no connection's. One that is an error about a connection's packet goes on
    /// as such, any other as it is. `side` is the direction that the hook is for.
    #[cold]
    fn unhandled(&self, skb: &mut Skb<'_>, why: Unhandled, side: Side) -> Verdict {
        let why = match why {
            Unhandled::Icmp => match packet::icmp::parse(&SkbBytes::of(skb)) {
                Ok(error) => return self.forward_error(skb, &error, side),
                Err(why) => why,
            },
            other => other,
        };
        if why == Unhandled::OtherProtocol {
            return Verdict::Accept;
        }
        if side == Side::Inbound && self.odd(skb) != Verdict::Accept {
            return Verdict::Drop;
        }
        let event = match why {
            Unhandled::OtherProtocol | Unhandled::SourceRouted | Unhandled::Icmp => {
                return Verdict::Accept;
            }
            Unhandled::Truncated => Event::Truncated,
            Unhandled::Malformed => Event::Malformed,
            Unhandled::Fragment => Event::Fragment,
        };
        self.state.events.count(self.context.bh, event);
        Verdict::Accept
    }

    /// Whether a packet opens a new connection in the place of one that has ended, whose entry has
    /// gone: a client that uses its port again has it scheduled anew.
    fn begins_again(&self, packet: &Packet<A>, entry: &Entry<A>) -> bool {
        state::reopens(entry.state(), packet.signal)
            && self.state.sysctls.reschedules()
            && self.give_way(entry)
    }

    /// A packet from outside that has no entry. It may be nobody's, if a glance did not show its
    /// ports.
    #[inline(never)]
    fn without_connection(&self, skb: &mut Skb<'_>, packet: &Packet<A>) -> Verdict {
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
                self.open(skb, packet, service)
            }
            Some(_) => Verdict::Accept,
            None => self.straight(skb, packet),
        }
    }

    #[inline(always)]
    fn lookup(&self, skb: &Skb<'_>, tuple: Tuple<A>) -> Option<&'a Entry<A>> {
        let client = match tuple.side() {
            Side::Inbound => tuple.source(),
            Side::Reply => tuple.destination(),
        };
        let key = key::hashed(self.connections, &tuple, self.zone(skb, &client));
        self.connections.find(&key, self.context.rcu)
    }

    /// The zone of the client that the packet is from, or goes to.
    #[inline(always)]
    fn zone(&self, skb: &Skb<'_>, client: &Endpoint<A>) -> u32 {
        if client.address.is_link_local() {
            return self.context.link(skb);
        }
        self.context.vrf()
    }

    /// The hash of a packet's client, for both keys of its connection.
    fn digest(&self, skb: &Skb<'_>, packet: &Packet<A>) -> Digest<'a> {
        let tuple = Tuple::inbound(packet.protocol, packet.source, packet.destination);
        key::digest(self.connections, &tuple, self.zone(skb, &packet.source))
    }

    /// The service that a packet to this end is for, if it is for the host at all:
    /// [`Passage::is_for`].
    fn service(&self, protocol: Protocol, end: &Endpoint<A>) -> Option<&'a Arc<Service>> {
        let services = self.state.services.read(self.context.rcu);
        services.find(protocol, end.address.to_address(), end.port)
    }

    /// Returns `true` if a packet without an entry may open one: the first of a connection, or one
    /// in mid-stream, if the service's flag or the sysctl for its protocol says so. What belongs to
    /// a socket of the host's own may not: see [`Self::is_hosts_own`]. Nor has a service entries
    /// that steers.
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
    /// older than the service, or a client's whose port is the service's; its packets are not
    /// balanced. Of SCTP that cannot be asked without the module sctp.
    fn is_hosts_own(&self, packet: &Packet<A>) -> bool {
        let (net, device) = (self.context.net(), self.context.input_device());
        let (local, remote) = (&packet.destination, &packet.source);
        match packet.protocol {
            Protocol::Tcp => connection::window(net, local, remote, device).is_some(),
            Protocol::Udp => net.udp_connected(&A::ends(local, remote), device),
            Protocol::Sctp => false,
        }
    }

    /// Whether a packet to a destination's own port can go there without being mixed up with a
    /// balanced connection of the same client address and port. An entry whose connection has
    /// ended gives way.
    fn keeps_apart(&self, skb: &Skb<'_>, packet: &Packet<A>) -> bool {
        let tuple = Tuple::reply(packet.protocol, packet.destination, packet.source);
        match self.lookup(skb, tuple) {
            None => true,
            Some(entry) => self.give_way(entry),
        }
    }

    /// Removes an entry whose connection has ended; false when it has not. A reset that a stranger
    /// sent ends the entry's state only: the process is asked whether it still has the connection.
    #[inline(never)]
    fn give_way(&self, entry: &Entry<A>) -> bool {
        if !entry.state().is_finished() || connection::is_alive(self.context.net(), entry) {
            return false;
        }
        connection::remove(self.connections, entry, self.context.bh);
        true
    }

    /// Schedules a new connection and sends its first packet on its way.
    fn open(&self, skb: &mut Skb<'_>, packet: &Packet<A>, service: &Service) -> Verdict {
        let bh = self.context.bh;
        let pool = service.pool(self.context.rcu);
        self.look_for_tracking();
        let sent = if pool.flags().has(Flags::ONE_PACKET) {
            self.send_once(skb, packet, pool)
        } else {
            self.begin(skb, packet, service)
        };
        let event = match sent {
            Ok(verdict) => return verdict,
            Err(event) => event,
        };
        self.state.events.count(bh, event);
        // A client that is told at once can try elsewhere; one that ran into a shortage of ours
        // sends the packet again.
        if !matches!(event, Event::NoDestination) {
            return Verdict::Drop;
        }
        self.state.events.count(bh, Event::Rejected);
        self.reject(skb, packet);
        Verdict::Refuse
    }

    /// What becomes of a packet that this host sends and that no service has asked for: a
    /// destination is told so, if the operator wants that. A reset is let through, as it ends what
    /// there may be.
    fn without_entry(&self, skb: &mut Skb<'_>, packet: &Packet<A>) -> Verdict {
        if !self.state.sysctls.refuses_without_entry() || !state::continues(packet.signal) {
            return Verdict::Accept;
        }
        if self.backend(skb, packet.protocol, &packet.source).is_none() {
            return Verdict::Accept;
        }
        self.state.events.count(self.context.bh, Event::NoEntry);
        self.context.port_unreachable(skb, &self.state.refusals);
        Verdict::Refuse
    }

    /// The destination that has this end, of any service that there is.
    fn backend(
        &self,
        skb: &Skb<'_>,
        protocol: Protocol,
        end: &Endpoint<A>,
    ) -> Option<&'a Arc<Destination>> {
        let backends = self.state.backends.read(self.context.rcu);
        let is_local = || self.is_own(skb, protocol, end);
        backends.find(backend_end(protocol, end), is_local)
    }

    /// Makes the entry of a new connection, if there may be another one.
    fn admit(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        service: &Service,
    ) -> Result<&'a Entry<A>, Event> {
        if !self.has_room(packet.protocol) {
            return Err(Event::TableFull);
        }
        if !self.udp_has_room(packet.protocol) {
            return Err(Event::UdpFull);
        }
        if !self.is_below_ceiling() {
            return Err(Event::TotalFull);
        }
        if self.state.drop_packet.takes_next(&self.state.sysctls) {
            return Err(Event::DropPacket);
        }
        self.schedule(skb, packet, service)
    }

    /// Whether the namespace may have another connection, of this protocol. The first that may not be
    /// is logged, and then one in a minute at most: an operator has to learn why clients do not get
    /// through.
    fn has_room(&self, protocol: Protocol) -> bool {
        let most = self.state.sysctls.conn_max();
        if self.state.used() < most || self.make_room(protocol, most) {
            return true;
        }
        if self.state.full_message.passes(self.context.net(), self.now) {
            let inode = self.context.net().inode();
            pr_warn!(
                "net:[{inode}]: new connections are refused: there are {most}, as many as \
                 net.ipv4.vs.conn_max allows\n"
            );
        }
        false
    }

    /// Whether all namespaces together may have another one.
    fn is_below_ceiling(&self) -> bool {
        self.state.ceiling.has_room(self.context.net(), self.now)
    }

    /// Tells the client that nobody serves it, in the way of its protocol. An SCTP client ignores
    /// an ICMP port unreachable (RFC 9260 section 10), and would try again for a minute.
    fn reject(&self, skb: &mut Skb<'_>, packet: &Packet<A>) {
        match packet.protocol {
            Protocol::Tcp => self.context.reset(skb, &self.state.refusals),
            Protocol::Udp => self.context.port_unreachable(skb, &self.state.refusals),
            Protocol::Sctp => {
                if let Some(abort) = packet::sctp::abort(&SkbBytes::of(skb), packet) {
                    let (number, mark) = (packet.protocol.number(), &self.state.refusals);
                    self.context.answer(skb, number, &abort, mark);
                }
            }
        }
    }

    /// Makes the entry of a new connection, at the first destination that can take it.
    fn schedule(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        service: &Service,
    ) -> Result<&'a Entry<A>, Event> {
        let pool = service.pool(self.context.rcu);
        let digest = self.digest(skb, packet);
        let by = self.context.routing(skb);
        let offer = Offer::new(self, packet, pool, by, Delivery::Translated(digest));
        let mut choice = Choice::default();
        if pool.persistence().seconds() != 0 {
            if let Some(entry) = self.persist(skb, packet, digest, &offer, &mut choice)? {
                return Ok(entry);
            }
        }
        while let Some(destination) = offer.next(&mut choice) {
            match self.attempt(skb, packet, digest, destination, None) {
                Attempt::Entry(entry) => {
                    self.count_avoided(&choice, entry.destination());
                    return Ok(entry);
                }
                Attempt::NoMemory => return Err(Event::NoMemory),
                Attempt::Conflict => {}
            }
        }
        Err(Event::NoDestination)
    }

    /// Counts a connection that went where it is served instead of where it would not have been.
    fn count_avoided(&self, choice: &Choice, destination: &Destination) {
        if choice.has_avoided() {
            destination.stats.avoided(self.context.bh);
            destination.service_stats.avoided(self.context.bh);
        }
    }

    /// What a scheduler is asked for a packet.
    fn request(&self, packet: &Packet<A>, pool: &Pool) -> Request {
        Request {
            client: packet.source.to_any(),
            service: packet.destination.to_any(),
            now: self.now,
            random: if pool.is_random() {
                [random::u32(), random::u32()]
            } else {
                [0; 2]
            },
        }
    }

    /// Makes the entry of a new connection at the destination that the client's template leads to,
    /// which is made if there is none. None when the connection cannot go there, or nobody would
    /// take it there: it goes elsewhere, and the next ones go there.
    fn persist(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        offer: &Offer<'_, '_, '_, A>,
        choice: &mut Choice,
    ) -> Result<Option<&'a Entry<A>>, Event> {
        let (rcu, bh, now) = (self.context.rcu, self.context.bh, self.now);
        let table: &'a template::Table<A> = A::templates(self.state);
        let prefix = offer.pool.persistence().prefix(A::FAMILY);
        let ends = (packet.source, packet.destination);
        let place = Place::new(packet.protocol, ends, prefix, self.zone(skb, &ends.0));
        let to_quiesced = !self.state.sysctls.expires_quiescent_templates();
        let template = match place.find(table, now, to_quiesced, rcu, bh) {
            Some(template) => {
                let readiness = offer.readiness_of(template.destination());
                if choice.passes_over(readiness) {
                    return Ok(None);
                }
                template
            }
            None => {
                let destination = offer.next(choice).ok_or(Event::NoDestination)?;
                place
                    .make(table, destination, now, rcu, bh)
                    .ok_or(Event::NoMemory)?
            }
        };
        let (destination, bond) = (template.destination(), template.bond());
        match self.attempt(skb, packet, digest, destination, Some(bond)) {
            Attempt::Entry(entry) => {
                template.bond().open(now);
                self.count_avoided(choice, entry.destination());
                Ok(Some(entry))
            }
            Attempt::NoMemory => Err(Event::NoMemory),
            Attempt::Conflict => Ok(None),
        }
    }

    /// Tries to give the packet's connection to `destination`. `digest` is the packet's,
    /// [`Passage::digest`]; `bond` is that of the template that led it there.
    fn attempt(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        destination: &Arc<Destination>,
        bond: Option<&Arc<Bond<Word>>>,
    ) -> Attempt<'a, A> {
        let end = destination.end(packet.destination.address);
        if end == packet.source {
            return Attempt::Conflict;
        }

        let Context { bh, rcu, .. } = *self.context;
        let inbound = Tuple::inbound(packet.protocol, packet.source, packet.destination);
        let key = key::with_digest(digest, &inbound);
        let reply = Self::reply_key(packet, digest, &end);
        if !self.is_free(skb, packet, &end) {
            return match self.connections.find(&key, rcu) {
                Some(entry) => Attempt::Entry(entry),
                None => Attempt::Conflict,
            };
        }
        let first = state::initial(packet.protocol);
        // Once more if what was in the way has ended.
        for _ in 0..2 {
            let connection = Connection::new(destination.clone(), bond.cloned(), first, self.now);
            // Before it can be found: a packet equal to this one may be answered at once.
            connection.set_unanswered(self.quoted.is_none() && state::opens(packet.signal));
            let other = match self.connections.insert(key, reply, connection, rcu, bh) {
                Ok(entry) => {
                    connection::begin(entry);
                    destination.is_full();
                    self.state.events.count(bh, Event::Connection);
                    self.count_connection(destination);
                    return Attempt::Entry(entry);
                }
                // Another CPU may have had the same packet, or the next one, just before.
                Err(Refused::Exists(entry)) => return Attempt::Entry(entry),
                Err(Refused::Conflict(other)) => other,
                Err(Refused::NoMemory) => return Attempt::NoMemory,
            };
            if other.inbound_key() == inbound.as_words() {
                return Attempt::Entry(other);
            }
            if !self.give_way(other) {
                break;
            }
        }
        Attempt::Conflict
    }

    /// The key of the answers that a packet's connection would have from a destination's `end`.
    fn reply_key(packet: &Packet<A>, digest: Digest<'_>, end: &Endpoint<A>) -> Hashed<A::Words> {
        let tuple = Tuple::reply(packet.protocol, *end, packet.source);
        key::with_digest(digest, &tuple)
    }

    /// Has the processor fetch what an entry of the packet's connection at a destination needs.
    fn prefetch_reply(&self, packet: &Packet<A>, digest: Digest<'_>, destination: &Destination) {
        let key = Self::reply_key(packet, digest, &destination.end(packet.destination.address));
        self.connections.prefetch(&key, self.context.rcu);
    }

    /// Counts a connection made, for its destination; for its service, at the first try.
    fn count_connection(&self, destination: &Destination) {
        destination.stats.connection(self.context.bh);
        if self.refusers.is_none() {
            destination.service_stats.connection(self.context.bh);
        }
    }

    /// Whether a new entry can lead to `end`: the client may have a TCP connection straight to it
    /// from the same port. One that a segment in mid-stream fits, or an error about an answer, is the
    /// one that has lost its entry.
    fn is_free(&self, skb: &Skb<'_>, packet: &Packet<A>, end: &Endpoint<A>) -> bool {
        if packet.protocol != Protocol::Tcp {
            return true;
        }
        if let Some(sequence) = self.quoted {
            let (net, device) = (self.context.net(), self.context.input_device());
            return connection::window(net, end, &packet.source, device)
                .is_none_or(|window| window.is_in_flight(sequence));
        }
        if !state::opens(packet.signal) {
            return self.fits(skb, packet, end).unwrap_or(true);
        }
        let device = Some(self.context.input_device());
        !connection::has_socket(self.context.net(), end, &packet.source, device)
    }

    /// Rewrites a packet of a connection and lets it go on.
    fn forward(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        entry: &Entry<A>,
        side: Side,
    ) -> Verdict {
        let (which, from) = match side {
            Side::Inbound => (Which::Destination, packet.destination),
            Side::Reply => (Which::Source, packet.source),
        };
        let rewrite = Rewrite {
            side: which,
            from,
            to: far_end(entry, side),
        };
        let bytes = skb.length();
        if !self.rewrite(skb, packet, &rewrite) {
            return Verdict::Drop;
        }

        entry.touch(self.now);
        if entry.may_move(side, packet.signal) {
            self.advance(skb, packet, entry, side);
        }
        self.count_traffic(entry.destination(), side, bytes);
        if side == Side::Inbound {
            self.track(skb);
        }
        self.route_again(skb, &rewrite)
    }

    /// Moves a connection's state by a packet, if that is credible.
    #[inline(never)]
    fn advance(&self, skb: &Skb<'_>, packet: &Packet<A>, entry: &Entry<A>, side: Side) {
        if self.is_credible(skb, packet, entry, side) {
            entry.advance(side, packet.signal, self.state.sysctls.tcp_rules());
        }
    }

    /// Rewrites a packet; false when it cannot be written to, which is counted.
    fn rewrite(&self, skb: &mut Skb<'_>, packet: &Packet<A>, rewrite: &Rewrite<A>) -> bool {
        let len = rewrite::writable_len(packet);
        let written = rewrite.from == rewrite.to
            || rewrite_packet(skb, packet.l4_offset, len, |header, sums| {
                rewrite::apply(header, packet, sums, rewrite)
            });
        if !written {
            self.state.events.count(self.context.bh, Event::Unwritable);
        }
        written
    }

    /// Counts a packet of so many bytes for its destination; for its service, when it first comes.
    fn count_traffic(&self, destination: &Destination, side: Side, bytes: u32) {
        let bh = self.context.bh;
        let count = |stats: &Stats| match side {
            Side::Inbound => stats.inbound(bh, bytes),
            Side::Reply => stats.reply(bh, bytes),
        };
        count(&destination.stats);
        if self.refusers.is_none() {
            count(&destination.service_stats);
        }
    }

    /// Whether a packet of a connection may move its state. A reset or FIN that comes in may be a
    /// stranger's who has seen nothing of the connection: the process, if it has the connection
    /// still, would not take it. What a destination sends is this host's own.
    fn is_credible(&self, skb: &Skb<'_>, packet: &Packet<A>, entry: &Entry<A>, side: Side) -> bool {
        if side == Side::Reply || !state::ends(packet.signal) {
            return true;
        }
        self.fits(skb, packet, &connection::destination(entry))
            .unwrap_or(true)
    }

    /// Whether a TCP segment fits the connection that the host has between `local` and the
    /// segment's source; none when it has no such connection.
    fn fits(&self, skb: &Skb<'_>, packet: &Packet<A>, local: &Endpoint<A>) -> Option<bool> {
        let Signal::Tcp(flags) = packet.signal else {
            return None;
        };
        let net = self.context.net();
        let device = self.context.input_device();
        let window = connection::window(net, local, &packet.source, device)?;
        let segment = Segment::read(&SkbBytes::of(skb), packet.l4_offset, flags);
        Some(segment.is_some_and(|segment| {
            let shifted = || self.shifted(packet, local, &segment);
            window.takes(&segment) || shifted().is_some_and(|segment| window.takes(&segment))
        }))
    }

    /// Lets a rewritten packet go on. Routes are chosen by address: with the same one the route
    /// stays right.
    fn route_again(&self, skb: &mut Skb<'_>, rewrite: &Rewrite<A>) -> Verdict {
        let fails = |context: &Context<'_, LocalOut>| {
            rewrite.from.address != rewrite.to.address && context.reroute(skb).is_err()
        };
        if self.routed.is_some_and(fails) {
            self.state.events.count(self.context.bh, Event::RouteFailed);
            return Verdict::Drop;
        }
        Verdict::Accept
    }

    /// Computes what the device would have to compute of a packet that is on its way out, if the
    /// operator does not trust the device with it.
    fn complete(&self, context: &Context<'_, LocalOut>, skb: &mut Skb<'_>) -> Verdict {
        if !self.state.sysctls.csum_complete() {
            return Verdict::Accept;
        }
        let (done, verdict) = if skb.is_gso() {
            (context.send_segments(skb), Verdict::Sent)
        } else {
            (skb.complete_checksum(), Verdict::Accept)
        };
        if done.is_err() {
            self.state.events.count(self.context.bh, Event::Unwritable);
            return Verdict::Drop;
        }
        verdict
    }
}

/// The end of a packet as destinations are looked up by it.
fn backend_end<A: Family>(protocol: Protocol, end: &Endpoint<A>) -> End {
    End {
        protocol,
        port: end.port,
        address: end.address.to_address(),
    }
}

/// What a packet that came in for `side` has in place of the end that is rewritten: the
/// destination's end in the client's direction, the service's in the other.
fn far_end<A: Family>(entry: &Entry<A>, side: Side) -> Endpoint<A> {
    match side {
        Side::Inbound => connection::destination(entry),
        Side::Reply => connection::inbound(entry).2,
    }
}

/// Makes the first `len` bytes writable and has them written, with the checksum of the header at
/// `offset` as it is; false when the packet cannot be written to.
fn rewrite_packet(
    skb: &mut Skb<'_>,
    offset: usize,
    len: usize,
    write: impl FnOnce(&mut [u8], Sums) -> Result<Delta, TooShort>,
) -> bool {
    let Some((header, sums)) = skb.writable(len, offset) else {
        return false;
    };
    let sums = match sums {
        skbuff::Sums::Partial => Sums::Partial,
        skbuff::Sums::Complete => Sums::Complete,
        skbuff::Sums::Other => Sums::Other,
    };
    let Ok(delta) = write(header, sums) else {
        return false;
    };
    if sums == Sums::Complete {
        skb.adjust_complete(delta.0);
    }
    true
}
