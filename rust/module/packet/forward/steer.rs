// SPDX-License-Identifier: GPL-2.0

//! Steering: a client's SYN to a service is handed to the socket of a destination that listens, and
//! the host makes the connection between the client and the service by itself.
//!
//! Everything after the SYN finds its own socket: a packet that has one leaves at the first test.
//! Besides SYNs this is about the segment that returns a SYN cookie, for which no socket is there
//! yet.

use core::marker::PhantomData;
use kernel::sync::Arc;
use rlvs_core::{
    address::Protocol,
    heard::{Sample, MANY},
    packet::{Packet, Signal},
    schedule::choice::{Choice, Offers, Readiness, Tried},
};
use rlvs_kext::{
    flow_table::Hashed,
    netfilter::{self, Context, Hook, LocalIn, Verdict},
    random,
    sk_assign::{Socket, Syn, Target},
    skbuff::Skb,
    sock::{Device, Ends},
};

use crate::{
    packet::{
        offer::{self, Delivery, Offer},
        passage::Passage,
        read::{may_be, parse},
    },
    service::{Destination, Pool, Service},
    state::{InState, State},
    stats::Event,
    table::steered,
};

/// The hook for packets to this host that open a connection which is steered.
pub(crate) struct Steering<A>(PhantomData<A>);

impl<A: InState> Hook<State> for Steering<A> {
    const FAMILY: netfilter::NfProto = A::HOOKS;
    type At = LocalIn;
    /// After the filter: what that drops is not scheduled.
    const PRIORITY: i32 = netfilter::LAST;

    #[inline]
    fn wants(state: &State, skb: &Skb<'_>) -> bool {
        // Nearly all packets of connections leave here.
        !state.steered_ports.is_empty()
            && skb.socket() != Socket::Other
            && may_be::<A>(skb, |ports| state.steered_ports.contains(ports.destination))
    }

    fn packet(state: &State, context: &Context<'_, LocalIn>, skb: &mut Skb<'_>) -> Verdict {
        // What cannot be read was counted when it came in.
        let parsed = parse(skb);
        let Ok(packet) = &parsed else {
            return Verdict::Accept;
        };
        let Signal::Tcp(flags) = packet.signal else {
            return Verdict::Accept;
        };
        if !state.steered_ports.contains(packet.destination.port) || !context.is_for_host(skb) {
            return Verdict::Accept;
        }
        let passage = Passage::<A>::new(state, context, None);
        let arrival = Arrival::new(&passage, context, skb, packet);
        if flags.opens() {
            arrival.open(skb)
        } else if flags.ack() && !flags.syn() && !flags.rst() {
            arrival.take_cookie(skb)
        } else {
            Verdict::Accept
        }
    }
}

/// A packet to a port of a service that steers.
struct Arrival<'a, A: InState> {
    passage: &'a Passage<'a, A>,
    context: &'a Context<'a, LocalIn>,
    packet: &'a Packet<A>,
    ends: Ends<'a>,
    device: Device,
}

/// The destinations that may get a segment which returns a SYN cookie: those that have sent cookies
/// lately, which is all that a listening socket asks for itself.
///
/// Which of them has sent this one is not known.
struct Returned<'o, 'p, 'a, A: InState> {
    offer: Offer<'o, 'p, 'a, A>,
}

impl<A: InState> Offers for Returned<'_, '_, '_, A> {
    fn len(&self) -> usize {
        self.offer.len()
    }

    /// The SYN has taken its turn already: a scheduler that goes by turns is passed over, and a
    /// destination is drawn by weight.
    fn pick(&self, tried: &Tried) -> Option<usize> {
        if !self.offer.pool.takes_turns() {
            return self.offer.pick(tried);
        }
        let weight = |index: usize| match tried.contains(index) || !self.takes_new(index) {
            true => 0,
            false => self
                .offer
                .pool
                .get(index)
                .map_or(0, |d| u32::from(d.weight())),
        };
        // With more destinations, among some from a random one on.
        let first = match self.len() {
            0..=MANY => 0,
            _ => random::u32(),
        };
        let mut candidates = Sample::new(self.len(), first).indices(|_| None);
        let place = drawn(candidates.clone().map(weight), random::u32())?;
        candidates.nth(place)
    }

    fn takes_new(&self, index: usize) -> bool {
        self.offer.takes_new(index)
    }

    fn readiness(&self, index: usize) -> Readiness {
        let target = self.offer.pool.get(index).and_then(|d| self.offer.look(d));
        match target.filter(Target::has_sent_cookies) {
            Some(target) => offer::queue(target.queue).readiness(),
            None => Readiness::NotListening,
        }
    }

    fn random(&self) -> u32 {
        self.offer.random()
    }

    fn heard(&self, place: usize) -> Option<usize> {
        self.offer.heard(place)
    }

    fn may_give_up(&self) -> bool {
        self.offer.may_give_up()
    }

    /// The client sends its next segment, too; and which sockets have sent cookies is not what is
    /// remembered.
    fn missed(&self) {}
}

/// Returns the place of the weight that a random number draws; none if all are 0.
fn drawn(weights: impl Iterator<Item = u32> + Clone, random: u32) -> Option<usize> {
    let total = weights.clone().fold(0_u32, u32::saturating_add);
    let mut left = random.checked_rem(total)?;
    for (index, weight) in weights.enumerate() {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return Some(index),
        }
    }
    // A weight has changed meanwhile.
    Some(0)
}

impl<'a, A: InState> Arrival<'a, A> {
    fn new(
        passage: &'a Passage<'a, A>,
        context: &'a Context<'a, LocalIn>,
        skb: &Skb<'_>,
        packet: &'a Packet<A>,
    ) -> Self {
        Self {
            passage,
            context,
            packet,
            ends: A::ends(&packet.destination, &packet.source),
            device: context.delivery_device(skb),
        }
    }

    /// Returns the service that the packet is for, if it steers.
    fn service(&self, skb: &Skb<'_>) -> Option<&'a Arc<Service>> {
        let Self {
            passage, packet, ..
        } = self;
        let service = passage.service(packet.protocol, &packet.destination)?;
        let steers = service.steers() && passage.is_for(skb, packet, service);
        steers.then_some(service)
    }

    /// Returns the socket that the packet has, or looks up the one that it is for: TCP's early
    /// demultiplexing gives packets of a loopback device none, and none at all with
    /// `tcp_early_demux` off.
    fn socket(&self, skb: &mut Skb<'_>) -> Socket {
        let context = self.context;
        match skb.socket() {
            Socket::None => context.demux(skb, &self.ends, self.device),
            found => found,
        }
    }

    /// Hands a SYN to a listening destination.
    fn open(&self, skb: &mut Skb<'_>) -> Verdict {
        let context = self.context;
        let Some(service) = self.service(skb) else {
            return Verdict::Accept;
        };
        let offset = self.packet.l4_offset;
        match self.socket(skb) {
            Socket::Other => return Verdict::Accept,
            // A packet that TCP is going to drop must have no effect.
            _ if !context.has_tcp_checksum(skb, offset) => return Verdict::Accept,
            Socket::TimeWait if !context.reopens(skb, offset) => return Verdict::Accept,
            Socket::TimeWait | Socket::None => {}
        }
        let state = self.passage.state;
        if state.drop_packet.takes_next(&state.sysctls) {
            state.events.count(context.bh, Event::DropPacket);
            return Verdict::Drop;
        }
        let offer = self.offer(skb, service);
        let key = self.key(skb, offer.pool);
        let mut choice = Choice::default();
        while let Some(destination) = offer.next(&mut choice) {
            let Some(target) = offer.target(destination) else {
                continue;
            };
            context.steer(skb, &target);
            // After a cookie it is the client's next segment that makes the connection.
            if target.syn == Syn::Remembered {
                self.count(destination, key);
                self.passage.count_avoided(&choice, destination);
            }
            return Verdict::Accept;
        }
        self.refuse(skb)
    }

    /// Hands a segment that returns a SYN cookie to a destination that would take it. Any other
    /// segment without a socket is left to the host, which answers with a reset.
    fn take_cookie(&self, skb: &mut Skb<'_>) -> Verdict {
        let context = self.context;
        let Some(service) = self.service(skb) else {
            return Verdict::Accept;
        };
        let offset = self.packet.l4_offset;
        let is_new = self.socket(skb) == Socket::None;
        // TCP is going to drop what has a wrong checksum.
        if !is_new || !context.is_cookie(skb, offset) || !context.has_tcp_checksum(skb, offset) {
            return Verdict::Accept;
        }
        let offer = self.offer(skb, service);
        let pool = offer.pool;
        let returned = Returned { offer };
        let mut choice = Choice::default();
        while let Some(index) = choice.next(&returned) {
            let Some(destination) = pool.get(index) else {
                continue;
            };
            if let Some(target) = returned.offer.target(destination) {
                context.steer(skb, &target);
                self.count(destination, self.key(skb, pool));
                break;
            }
        }
        Verdict::Accept
    }

    /// Returns the destinations of a service, for the packet.
    fn offer(&self, skb: &Skb<'_>, service: &'a Service) -> Offer<'_, 'a, 'a, A> {
        let pool = service.pool(self.passage.context.rcu);
        let delivery = Delivery::Steered(self.context, &self.ends, self.device);
        let by = self.passage.context.routing(skb);
        Offer::new(self.passage, self.packet, pool, by, delivery)
    }

    /// Returns the key of the connection's record; none for a service that is uncounted.
    fn key(&self, skb: &Skb<'_>, pool: &Pool) -> Option<Hashed<A::Words>> {
        if pool.is_uncounted() {
            return None;
        }
        let Packet {
            source,
            destination,
            ..
        } = *self.packet;
        let table = &A::tables(self.passage.state).steered;
        let rcu = self.passage.context.rcu;
        let zone = self.passage.zone(skb, source.address);
        Some(steered::key(table, (source, destination), zone, rcu))
    }

    /// Counts a new connection, and for its destination as long as it lasts, by a record with the
    /// `key`, if there is one. The connection is made in any case.
    fn count(&self, destination: &Arc<Destination>, key: Option<Hashed<A::Words>>) {
        let passage = self.passage;
        passage.count_connection(destination);
        let events = &passage.state.events;
        events.count(passage.context.bh, Event::Steered);
        let Some(key) = key else {
            return;
        };
        let Passage {
            state,
            context,
            now,
            ..
        } = self.passage;
        let table = &A::tables(state).steered;
        let counted = self.passage.has_room(Protocol::Tcp)
            && self.passage.is_below_ceiling()
            && steered::count(table, key, destination, *now, context.rcu, context.bh).is_some();
        if !counted {
            state.events.count(context.bh, Event::Uncounted);
        }
    }

    /// Refuses the client's SYN with a reset.
    fn refuse(&self, skb: &mut Skb<'_>) -> Verdict {
        let passage = self.passage;
        let events = &passage.state.events;
        events.count(passage.context.bh, Event::NoDestination);
        events.count(passage.context.bh, Event::Rejected);
        passage.reject(skb, self.packet);
        Verdict::Drop
    }
}
