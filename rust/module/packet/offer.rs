// SPDX-License-Identifier: GPL-2.0

//! What a scheduler and the choice need of the host's sockets to find a destination for a new
//! connection.

use core::cell::Cell;

use rlvs_core::{
    address::{Endpoint, Protocol},
    connection::state,
    packet::Packet,
    schedule::{
        choice::{Choice, Listening, Offers, Readiness, Tried},
        Request,
    },
};
use rlvs_kext::{
    flow_table::Digest,
    local::Routing,
    netfilter::{Context, LocalIn},
    random,
    sk_assign::{Syn, Target, Way},
    sock::{Device, Ends, Listener},
};

use kernel::sync::Arc;

use super::passage::Passage;
use crate::{
    family::IpFamily,
    service::{refused::RefusedBy, Destination, Pool},
    state::InState,
};

/// How a packet gets to a destination's process, which decides the socket to look up.
#[derive(Clone, Copy)]
pub(super) enum Delivery<'w> {
    /// With the process's address and port. The hash of the client's end is that of the table of
    /// connections.
    Translated(Digest<'w>),
    /// As it is, with these ends, from this device.
    Steered(&'w Context<'w, LocalIn>, &'w Ends<'w>, Device),
}

/// The destinations of a pool, for one packet.
pub(super) struct Offer<'o, 'p, 'a, A: InState> {
    passage: &'o Passage<'a, A>,
    packet: &'o Packet<A>,
    pub(super) pool: &'p Pool,
    request: Request,
    /// What the packet is routed by, besides its ends.
    by: Routing,
    delivery: Delivery<'o>,
    /// The age of the oldest process, once a new one was met: [`Pool::oldest`].
    oldest: Cell<Option<u32>>,
    /// The socket that was looked up last for a steered packet, and the number of its destination.
    asked: Cell<Option<(u32, Target<'o>)>>,
    /// The address that was routed last, and whether it is the host's.
    routed: Cell<Option<(A, bool)>>,
}

/// Returns what a scheduler goes by for a packet. `now` is in seconds since boot.
fn request<A: IpFamily>(packet: &Packet<A>, pool: &Pool, now: u32) -> Request {
    Request {
        client: packet.source.to_any(),
        service: packet.destination.to_any(),
        now,
        random: if pool.is_random() {
            [random::u32(), random::u32()]
        } else {
            [0; 2]
        },
    }
}

impl<'o, 'p, 'a, A: InState> Offer<'o, 'p, 'a, A> {
    pub(super) fn new(
        passage: &'o Passage<'a, A>,
        packet: &'o Packet<A>,
        pool: &'p Pool,
        by: Routing,
        delivery: Delivery<'o>,
    ) -> Self {
        Self {
            passage,
            packet,
            pool,
            request: request(packet, pool, passage.now),
            by,
            delivery,
            oldest: Cell::new(None),
            asked: Cell::new(None),
            routed: Cell::new(None),
        }
    }

    /// Returns the next destination of the choice.
    pub(super) fn next(&self, choice: &mut Choice) -> Option<&'p Arc<Destination>> {
        self.pool.get(choice.next(self)?)
    }

    /// Returns the socket for a packet that is steered to a destination.
    pub(super) fn target(&self, destination: &Destination) -> Option<Target<'o>> {
        let number = destination.counts.observer().number();
        match self.asked.get() {
            Some((of, target)) if of == number => Some(target),
            _ => self.look(destination),
        }
    }

    /// Looks the socket up; none for a packet that is not steered.
    pub(super) fn look(&self, destination: &Destination) -> Option<Target<'o>> {
        let Delivery::Steered(context, ends, device) = self.delivery else {
            return None;
        };
        let end = destination.end(self.packet.destination.address);
        let at = &A::ends(&end, &self.packet.source);
        let way = Way { ends, at, device };
        let found = context.steer_target(&way);
        let target = found.filter(|target| destination.is_meant(&target.queue));
        let number = destination.counts.observer().number();
        self.asked.set(target.map(|target| (number, target)));
        target
    }

    /// Returns `true` if a destination's address is the host's. The packet's own is, as was found
    /// out before.
    fn is_here(&self, destination: &Destination) -> bool {
        let end = destination.end(self.packet.destination.address);
        if end.address == self.packet.destination.address {
            return true;
        }
        match self.routed.get() {
            Some((address, is_here)) if address == end.address => is_here,
            _ => {
                let is_here = self.leads_here(&end);
                self.routed.set(Some((end.address, is_here)));
                is_here
            }
        }
    }

    /// Returns `true` if the packet can get to an end on this host. One that is steered is not
    /// routed again, and gets to a loopback address even inside of a VRF.
    fn leads_here(&self, end: &Endpoint<A>) -> bool {
        let Self { passage, by, .. } = self;
        passage.leads_here(by, self.packet, end)
            || matches!(self.delivery, Delivery::Steered(..))
                && end.address.is_local(passage.context.net())
    }

    /// Looks up the socket that waits for the packet at a destination. At an address that is not
    /// the host's there is none, even if one listens on the wildcard address. Unknown for SCTP,
    /// whose sockets only the module sctp can look up, and for a packet in mid-stream, which needs
    /// its connection, not a listener.
    fn listening(&self, destination: &Destination) -> Listening {
        if !self.is_here(destination) {
            return Listening::NotListening;
        }
        if !state::opens(self.packet.signal) || self.passage.quoted.is_some() {
            return Listening::Unknown;
        }
        if let Delivery::Steered(..) = self.delivery {
            return self
                .look(destination)
                .map_or(Listening::NotListening, |target| match target.syn {
                    Syn::Dropped => Listening::Full,
                    Syn::Remembered | Syn::Cookie => queue(target.queue),
                });
        }
        let context = self.passage.context;
        let net = context.net();
        let end = destination.end(self.packet.destination.address);
        let at = A::ends(&end, &self.packet.source);
        let device = context.input_device();
        let udp = match self.packet.protocol {
            Protocol::Tcp => false,
            Protocol::Udp => true,
            Protocol::Sctp => return Listening::Unknown,
        };
        let found = net.queue(&at, device, udp);
        let meant = found.filter(|listener| destination.is_meant(listener));
        meant.map_or(Listening::NotListening, queue)
    }

    /// Returns whether a destination can take the packet's connection. One that has refused it
    /// before can not.
    pub(super) fn readiness_of(&self, destination: &Destination) -> Readiness {
        let refused = |refusers: &RefusedBy| refusers.contains(destination);
        if self.passage.refusers.is_some_and(refused) {
            return Readiness::NotListening;
        }
        if let Delivery::Translated(digest) = self.delivery {
            // Prefetches what the entry needs if the destination takes the connection.
            self.passage
                .prefetch_reply(self.packet, digest, destination);
        }
        let listening = self.listening(destination);
        let readiness = listening.readiness();
        if listening == Listening::Unknown {
            return readiness;
        }
        let now = self.passage.now;
        destination.note_listening(readiness != Readiness::NotListening, now);
        if let Readiness::Busy(_) = readiness {
            destination.reported.note_overload();
        }
        if readiness == Readiness::Ready && self.starts_slowly(destination) {
            return Readiness::Warming;
        }
        readiness
    }

    /// Returns `true` if slow start keeps this connection away from a new process.
    fn starts_slowly(&self, destination: &Destination) -> bool {
        let slow_start = self.pool.slow_start();
        let now = self.passage.now;
        let age = destination.age(now);
        if age >= slow_start.seconds() {
            return false;
        }
        let look = || self.pool.oldest(now, random::u32());
        let oldest = self.oldest.get().unwrap_or_else(look);
        self.oldest.set(Some(oldest));
        slow_start.holds_back(age, oldest, random::u32())
    }
}

impl<A: InState> Offers for Offer<'_, '_, '_, A> {
    fn len(&self) -> usize {
        self.pool.len()
    }

    fn pick(&self, tried: &Tried) -> Option<usize> {
        let queue = |destination: &Destination| self.listening(destination).waiting();
        self.pool
            .pick(&self.request, tried, queue, self.passage.context.bh)
    }

    fn takes_new(&self, index: usize) -> bool {
        self.pool
            .get(index)
            .is_some_and(|destination| destination.takes_new())
    }

    fn readiness(&self, index: usize) -> Readiness {
        match self.pool.get(index) {
            Some(destination) => {
                let readiness = self.readiness_of(destination);
                self.pool.hear(index, readiness != Readiness::NotListening);
                readiness
            }
            None => Readiness::NotListening,
        }
    }

    fn random(&self) -> u32 {
        random::u32()
    }

    fn heard(&self, place: usize) -> Option<usize> {
        self.pool.heard(place)
    }

    fn may_give_up(&self) -> bool {
        self.pool.may_give_up()
    }

    fn missed(&self) {
        self.pool.look_for_listeners();
    }
}

/// Returns the queue of a socket as the choice needs it.
pub(super) fn queue(listener: Listener) -> Listening {
    Listening::Queue {
        queued: listener.queued,
        handshakes: listener.handshakes,
        limit: listener.limit,
    }
}
