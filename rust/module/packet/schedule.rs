// SPDX-License-Identifier: GPL-2.0

//! Giving a new connection to a destination.

use kernel::sync::Arc;
use rlvs_core::{
    address::{Endpoint, Protocol},
    connection::{state, tuple::Tuple},
    packet::Packet,
    persistence::TemplateRef,
    schedule::choice::Choice,
};
use rlvs_kext::{
    flow_table::{Digest, Hashed, Refused},
    netfilter::Context,
    skbuff::Skb,
};

use super::{
    offer::{Delivery, Offer},
    passage::Passage,
};
use crate::{
    primitives::Word,
    service::{Destination, Service},
    state::InState,
    stats::Event,
    table::{
        connection::{self, Connection, Entry},
        key, socket,
        template::{self, Place},
    },
};

/// Result of an attempt to give a connection to a destination.
enum Attempt<'a, A: InState> {
    /// An entry is there, of this packet or of one just before it.
    Entry(&'a Entry<A>),
    /// The connection would be mixed up with another one there.
    Conflict,
    NoMemory,
}

impl<'a, A: InState> Passage<'a, A> {
    /// Makes the entry of a new connection, at the first destination that can take it.
    pub(super) fn schedule(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        service: &Service,
    ) -> Result<&'a Entry<A>, Event> {
        let pool = service.pool(self.context.rcu);
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

    /// Makes the entry of a new connection at the destination of the client's template, which is
    /// made if there is none. Returns none if the connection cannot go there, or no process would
    /// take it there: it goes elsewhere, while the next ones go by the template.
    fn persist(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        offer: &Offer<'_, '_, '_, A>,
        choice: &mut Choice,
    ) -> Result<Option<&'a Entry<A>>, Event> {
        let (rcu, bh, now) = (self.context.rcu, self.context.bh, self.now);
        let table: &'a template::TemplateTable<A> = &A::tables(self.state).templates;
        let prefix = offer.pool.persistence().prefix(A::FAMILY);
        let ends = (packet.source, packet.destination);
        let zone = self.zone(skb, packet.source.address);
        let place = Place::new(packet.protocol, ends, prefix, zone);
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
        let (destination, template_ref) = (template.destination(), template.template_ref());
        match self.attempt(skb, packet, digest, destination, Some(template_ref)) {
            Attempt::Entry(entry) => {
                template.template_ref().open(now);
                self.count_avoided(choice, entry.destination());
                Ok(Some(entry))
            }
            Attempt::NoMemory => Err(Event::NoMemory),
            Attempt::Conflict => Ok(None),
        }
    }

    /// Tries to give the packet's connection to `destination`. `digest` is the packet's,
    /// [`Passage::digest`]; `template_ref` is that of the template that led it there.
    fn attempt(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        destination: &Arc<Destination>,
        template_ref: Option<&Arc<TemplateRef<Word>>>,
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
        let first = (state::initial(packet.protocol), self.now);
        // Known before it can be found: a packet equal to this one may be answered at once.
        let unanswered = self.quoted.is_none() && state::opens(packet.signal);
        // Once more if what was in the way has ended.
        for _ in 0..2 {
            let connection = Connection::new(
                destination.clone(),
                template_ref.cloned(),
                first,
                unanswered,
            );
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

    /// Returns the key of the answers that a packet's connection would have from a destination's
    /// `end`.
    pub(super) fn reply_key(
        packet: &Packet<A>,
        digest: Digest<'_>,
        end: &Endpoint<A>,
    ) -> Hashed<A::Words> {
        let tuple = Tuple::reply(packet.protocol, *end, packet.source);
        key::with_digest(digest, &tuple)
    }

    /// Prefetches the bucket that an entry of the packet's connection at a destination needs.
    pub(super) fn prefetch_reply(
        &self,
        packet: &Packet<A>,
        digest: Digest<'_>,
        destination: &Destination,
    ) {
        let key = Self::reply_key(packet, digest, &destination.end(packet.destination.address));
        self.connections.prefetch(&key, self.context.rcu);
    }

    /// Returns `true` if a new entry can lead to `end`: `false` if the client has a TCP connection
    /// straight to it from the same port. If a segment in mid-stream or an error about an answer
    /// fits that connection, it is the one that has lost its entry.
    pub(super) fn is_free(&self, skb: &Skb<'_>, packet: &Packet<A>, end: &Endpoint<A>) -> bool {
        if packet.protocol != Protocol::Tcp {
            return true;
        }
        if let Some(sequence) = self.quoted {
            let (net, device) = (self.context.net(), self.context.input_device());
            return socket::window(net, end, &packet.source, device)
                .is_none_or(|window| window.is_in_flight(sequence));
        }
        if !state::opens(packet.signal) {
            return self.fits(skb, packet, end).unwrap_or(true);
        }
        let device = Some(self.context.input_device());
        !socket::has_socket(self.context.net(), end, &packet.source, device)
    }
}
