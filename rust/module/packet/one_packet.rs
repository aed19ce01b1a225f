// SPDX-License-Identifier: GPL-2.0

//! One-packet scheduling: each packet of a client goes to a destination by itself, without an
//! entry. The destination's end shows which service an answer is from.

use kernel::sync::Arc;
use rlvs_core::{
    address::{Endpoint, Protocol},
    connection::tuple::Side,
    packet::{
        rewrite::{Rewrite, Which},
        Packet,
    },
    schedule::choice::Choice,
};
use rlvs_kext::{flow_table::Digest, netfilter::Verdict, skbuff::Skb};

use super::{
    offer::{Delivery, Offer},
    passage::{backend_end, Passage},
};
use crate::{
    service::{Destination, Pool},
    state::InState,
    stats::Event,
};

impl<'a, A: InState> Passage<'a, A> {
    /// Schedules a client's packet and sends it on its way.
    pub(super) fn send_once(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        pool: &Pool,
    ) -> Result<Verdict, Event> {
        if self.state.drop_packet.takes_next(&self.state.sysctls) {
            return Err(Event::DropPacket);
        }
        let picked = self.pick_once(skb, packet, digest, pool);
        let (destination, to) = picked.ok_or(Event::NoDestination)?;
        let rewrite = Rewrite {
            side: Which::Destination,
            from: packet.destination,
            to,
        };
        let bytes = skb.length();
        if !self.rewrite(skb, packet, &rewrite) {
            return Ok(Verdict::Drop);
        }
        self.count_connection(destination);
        self.count_traffic(destination, Side::Inbound, bytes);
        self.track(skb);
        Ok(self.route_again(skb, &rewrite))
    }

    /// Returns the first destination of the choice whose answer will not be taken for that of a
    /// connection, and its end.
    fn pick_once<'p>(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        pool: &'p Pool,
    ) -> Option<(&'p Arc<Destination>, Endpoint<A>)> {
        let by = self.context.routing(skb);
        let offer = Offer::new(self, packet, pool, by, Delivery::Translated(digest));
        let mut choice = Choice::default();
        while let Some(destination) = offer.next(&mut choice) {
            let end = destination.end(packet.destination.address);
            let reply = Self::reply_key(packet, digest, &end);
            let is_free = || {
                self.connections
                    .find(&reply, self.context.rcu)
                    .is_none_or(|entry| self.give_way(entry))
            };
            if end != packet.source && is_free() {
                self.count_avoided(&choice, destination);
                return Some((destination, end));
            }
        }
        None
    }

    /// Returns the destination that has this end and belongs to a service which schedules each
    /// packet by itself, and the service's end.
    pub(super) fn one_packet(
        &self,
        skb: &Skb<'_>,
        protocol: Protocol,
        end: &Endpoint<A>,
    ) -> Option<(&'a Destination, Endpoint<A>)> {
        let backends = self.state.backends.read(self.context.rcu);
        let is_local = || self.is_own(skb, protocol, end);
        let destination = backends.find_one_packet(backend_end(protocol, end), is_local)?;
        Some((destination, destination.service_end(end.address)))
    }

    /// Gives a destination's answer the service's end as its source.
    pub(super) fn answer_once(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        destination: &Destination,
        service: Endpoint<A>,
    ) -> Verdict {
        let rewrite = Rewrite {
            side: Which::Source,
            from: packet.source,
            to: service,
        };
        let bytes = skb.length();
        if !self.rewrite(skb, packet, &rewrite) {
            return Verdict::Drop;
        }
        self.count_traffic(destination, Side::Reply, bytes);
        self.route_again(skb, &rewrite)
    }
}
