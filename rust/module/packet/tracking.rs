// SPDX-License-Identifier: GPL-2.0

//! Connection tracking and address translation of the host, as far as packets of services meet
//! them.

use rlvs_core::{
    address::Endpoint,
    connection::{state::Segment, tuple::Tuple},
    packet::Packet,
};
use rlvs_kext::{rwonce::Once, skbuff::Skb};

use super::{passage::Passage, read::parse};
use crate::{state::InState, table::connection::Entry};

impl<'a, A: InState> Passage<'a, A> {
    /// Finds out whether connection tracking is active here. For first packets.
    pub(super) fn look_for_tracking(&self) {
        self.state.tracked.look::<A>(self.context.net());
    }

    /// Tracks a packet that was given its destination, where connection tracking is active.
    #[inline]
    pub(super) fn track(&self, skb: &mut Skb<'_>) {
        if self.state.tracked.of::<A>().read_once() {
            self.context.track(skb);
        }
    }

    /// Tracks a packet that was given its destination in `LOCAL_OUT` but was not tracked there.
    /// Where connection tracking is active.
    #[inline(never)]
    pub(super) fn track_late(&self, skb: &mut Skb<'_>) {
        if !self.context.begins_late(skb) {
            return;
        }
        let parsed = parse(skb);
        let Ok(packet) = &parsed else {
            return;
        };
        let tuple = Tuple::reply(packet.protocol, packet.destination, packet.source);
        if self.lookup(skb, tuple).is_some() {
            self.context.track(skb);
        }
    }

    /// Returns the entry whose connection SYNPROXY opens by this packet: it has answered the
    /// client's handshake in place of the destination, and sends that the client's SYN now.
    pub(super) fn proxied(&self, skb: &Skb<'_>, packet: &Packet<A>) -> Option<&'a Entry<A>> {
        if self.routed.is_none() || !self.context.is_synproxy(skb) {
            return None;
        }
        let tuple = Tuple::reply(packet.protocol, packet.destination, packet.source);
        self.lookup(skb, tuple)
    }

    /// Notes in an entry, by an answer, that its process has another peer than the client.
    pub(super) fn look_at_peer(&self, skb: &Skb<'_>, entry: &Entry<A>) {
        if self.state.tracked.of::<A>().read_once() && self.context.other_peer(skb).is_some() {
            entry.set_other_peer();
        }
    }

    /// Returns the end that the process has sent an answer to.
    pub(super) fn peer(&self, skb: &Skb<'_>, packet: &Packet<A>) -> Endpoint<A> {
        let translated = || {
            let peer = self.context.other_peer(skb)?;
            let address = A::from_octets(peer.octets(A::UNSPECIFIED.octets().len())?)?;
            Some(Endpoint {
                address,
                port: peer.port,
            })
        };
        translated().unwrap_or(packet.destination)
    }

    /// Returns a segment that comes in, with the sequence numbers that the process at `local` sees.
    pub(super) fn shifted(
        &self,
        packet: &Packet<A>,
        local: &Endpoint<A>,
        segment: &Segment,
    ) -> Option<Segment> {
        let ends = A::ends(local, &packet.source);
        let number = segment.acknowledgement.unwrap_or(0);
        let (sequence, number) = self
            .context
            .net()
            .shifted(&ends, segment.sequence, number)?;
        Some(Segment {
            sequence,
            acknowledgement: segment.acknowledgement.map(|_| number),
            reset: segment.reset,
        })
    }
}
