// SPDX-License-Identifier: GPL-2.0

//! Forwarding by rewriting (nat): the destination's address and port replace the service's in
//! requests, and the service's replace the destination's in answers.

use rlvs_core::{
    address::Endpoint,
    connection::{
        state::{self, Segment},
        tuple::Side,
    },
    packet::{
        rewrite::{self, Delta, IpSummed, Rewrite, TooShort, Which},
        Packet, Signal,
    },
};
use rlvs_kext::{
    netfilter::{Context, LocalOut, Verdict},
    skbuff::{self, Skb},
};

use crate::{
    family::IpFamily,
    packet::{passage::Passage, read::SkbBytes},
    service::Destination,
    state::InState,
    stats::{Event, Stats},
    table::{
        connection::{self, Entry},
        socket,
    },
};

impl<'a, A: InState> Passage<'a, A> {
    /// Rewrites a packet of a connection and lets it go on.
    pub(in crate::packet) fn forward(
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

    /// Moves a connection's state by a packet, if the packet may do so.
    #[inline(never)]
    fn advance(&self, skb: &Skb<'_>, packet: &Packet<A>, entry: &Entry<A>, side: Side) {
        if self.is_credible(skb, packet, entry, side) {
            entry.advance(side, packet.signal, self.state.sysctls.tcp_rules());
        }
    }

    /// Rewrites a packet. Returns `false` if it cannot be written to, which is counted.
    pub(in crate::packet) fn rewrite(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        rewrite: &Rewrite<A>,
    ) -> bool {
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

    /// Counts a packet of `bytes` for its destination, and for its service unless it comes again.
    pub(in crate::packet) fn count_traffic(
        &self,
        destination: &Destination,
        side: Side,
        bytes: u32,
    ) {
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

    /// Returns `true` if a packet of a connection may move its state. A reset or FIN that comes in
    /// may be forged by a sender that has seen nothing of the connection: it counts only if the
    /// process's socket would take it. What a destination sends is this host's own.
    fn is_credible(&self, skb: &Skb<'_>, packet: &Packet<A>, entry: &Entry<A>, side: Side) -> bool {
        if side == Side::Reply || !state::ends(packet.signal) {
            return true;
        }
        self.fits(skb, packet, &connection::destination(entry))
            .unwrap_or(true)
    }

    /// Returns `true` if a TCP segment is in the window of the connection that the host has between
    /// `local` and the segment's source; none if it has no such connection.
    pub(in crate::packet) fn fits(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        local: &Endpoint<A>,
    ) -> Option<bool> {
        let Signal::Tcp(flags) = packet.signal else {
            return None;
        };
        let net = self.context.net();
        let device = self.context.input_device();
        let window = socket::window(net, local, &packet.source, device)?;
        let segment = Segment::read(&SkbBytes::of(skb), packet.l4_offset, flags);
        Some(segment.is_some_and(|segment| {
            let shifted = || self.shifted(packet, local, &segment);
            window.takes(&segment) || shifted().is_some_and(|segment| window.takes(&segment))
        }))
    }

    /// Lets a rewritten packet go on. Routes it again if its address has changed.
    pub(in crate::packet) fn route_again(
        &self,
        skb: &mut Skb<'_>,
        rewrite: &Rewrite<A>,
    ) -> Verdict {
        let fails = |context: &Context<'_, LocalOut>| {
            rewrite.from.address != rewrite.to.address && context.reroute(skb).is_err()
        };
        if self.routed.is_some_and(fails) {
            self.state.events.count(self.context.bh, Event::RouteFailed);
            return Verdict::Drop;
        }
        Verdict::Accept
    }
}

/// Returns what replaces the end that is rewritten: the destination's end in the client's
/// direction, the service's in the other.
pub(in crate::packet) fn far_end<A: IpFamily>(entry: &Entry<A>, side: Side) -> Endpoint<A> {
    match side {
        Side::Inbound => connection::destination(entry),
        Side::Reply => connection::inbound(entry).2,
    }
}

/// Makes the first `len` bytes writable and applies `write` to them, with the state of the checksum
/// of the header at `offset`. Returns `false` if the packet cannot be written to.
pub(in crate::packet) fn rewrite_packet(
    skb: &mut Skb<'_>,
    offset: usize,
    len: usize,
    write: impl FnOnce(&mut [u8], IpSummed) -> Result<Delta, TooShort>,
) -> bool {
    let Some((header, sums)) = skb.writable(len, offset) else {
        return false;
    };
    let sums = match sums {
        skbuff::IpSummed::Partial => IpSummed::Partial,
        skbuff::IpSummed::Complete => IpSummed::Complete,
        skbuff::IpSummed::Other => IpSummed::Other,
    };
    let Ok(delta) = write(header, sums) else {
        return false;
    };
    if sums == IpSummed::Complete {
        skb.adjust_complete(delta.0);
    }
    true
}
