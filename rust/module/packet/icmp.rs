// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about packets of connections.

use rlvs_core::{
    address::{Endpoint, Protocol},
    connection::tuple::{Side, Tuple},
    packet::{
        icmp::{IcmpError, Quoted},
        rewrite::{self, Rewrite, Which},
    },
    schedule::flags::Flags,
};
use rlvs_kext::{netfilter::Verdict, skbuff::Skb};

use super::{
    forward::nat::{far_end, rewrite_packet},
    passage::Passage,
};
use crate::{
    state::InState,
    stats::Event,
    table::connection::{self, Entry},
};

impl<A: InState> Passage<'_, A> {
    /// Rewrites an ICMP error that is about a packet of a connection. An error that goes to the
    /// destination quotes a packet to the client, and one that goes to the client a packet to the
    /// destination.
    pub(super) fn forward_error(
        &self,
        skb: &mut Skb<'_>,
        error: &IcmpError<A>,
        side: Side,
    ) -> Verdict {
        let quoted = &error.quoted;
        let (tuple, which, from) = match side {
            // An error goes to the sender of the packet that it quotes; anything else is forged.
            Side::Inbound if error.destination != quoted.source.address => return Verdict::Accept,
            Side::Inbound => (
                Tuple::inbound(quoted.protocol, quoted.destination, quoted.source),
                Which::Source,
                quoted.source,
            ),
            Side::Reply => (
                Tuple::reply(quoted.protocol, quoted.destination, quoted.source),
                Which::Destination,
                quoted.destination,
            ),
        };
        let to = match self.lookup(skb, tuple) {
            Some(entry)
                if side == Side::Reply
                    && entry.is_unanswered()
                    && self.tries_again_after(skb, error, entry) =>
            {
                return Verdict::Sent;
            }
            Some(entry) => {
                if side == Side::Reply {
                    self.end_refused(error, entry);
                }
                far_end(entry, side)
            }
            None => match self.end_without_entry(skb, quoted, side) {
                Ok(Some(end)) => end,
                Ok(None) => return Verdict::Accept,
                Err(event) => {
                    self.state.events.count(self.context.bh, event);
                    return Verdict::Drop;
                }
            },
        };
        let rewrite = Rewrite {
            side: which,
            from,
            to,
        };
        let len = rewrite::writable_len_of_error(error);
        let written = rewrite_packet(skb, error.offset, len, |header, sums| {
            rewrite::apply_to_error(header, error, sums, &rewrite)
        });
        if !written {
            self.state.events.count(self.context.bh, Event::Unwritable);
            return Verdict::Drop;
        }
        self.state.events.count(self.context.bh, Event::IcmpError);
        self.route_again(skb, &rewrite)
    }

    /// Removes the entry of a UDP flow when this host sends the client an error because the
    /// destination's process has gone: the client's next datagram is scheduled anew. Otherwise a
    /// client that goes on sending would be refused as long as it does, while another destination
    /// could serve it.
    fn end_refused(&self, error: &IcmpError<A>, entry: &Entry<A>) {
        if error.is_port_unreachable && error.quoted.protocol == Protocol::Udp {
            connection::remove(self.connections, entry, self.context.bh);
        }
    }

    /// Returns the end to write in place of the quoted packet's end when there is no entry.
    fn end_without_entry(
        &self,
        skb: &Skb<'_>,
        quoted: &Quoted<A>,
        side: Side,
    ) -> Result<Option<Endpoint<A>>, Event> {
        match side {
            Side::Inbound => self.open_for(skb, quoted),
            Side::Reply => {
                let service = self.one_packet(skb, quoted.protocol, &quoted.destination);
                Ok(service.map(|(_, end)| end))
            }
        }
    }

    /// Opens the entry that the client's packet, which `quoted` answers, would have opened, and
    /// returns the destination's end; only with `schedule_icmp`. None for a service that schedules
    /// each packet by itself: which destination has answered is not known there.
    fn open_for(&self, skb: &Skb<'_>, quoted: &Quoted<A>) -> Result<Option<Endpoint<A>>, Event> {
        let state = self.state;
        if self.routed.is_some()
            || !state.sysctls.schedules_errors()
            || !state.service_ports.contains(quoted.source.port)
        {
            return Ok(None);
        }
        let Some(service) = self.service(quoted.protocol, &quoted.source) else {
            return Ok(None);
        };
        let pool = service.pool(self.context.rcu);
        let packet = quoted.answered();
        let has_entries = !pool.flags().has(Flags::ONE_PACKET) && !pool.steers();
        if !has_entries || self.is_hosts_own(&packet) || !self.is_for(skb, &packet, service) {
            return Ok(None);
        }
        let passage = Passage {
            quoted: Some(quoted.sequence),
            ..*self
        };
        let tuple = Tuple::inbound(packet.protocol, packet.source, packet.destination);
        let digest = passage.digest(skb, &tuple);
        let entry = passage.admit(skb, &packet, digest, service)?;
        Ok(Some(connection::destination(entry)))
    }
}
