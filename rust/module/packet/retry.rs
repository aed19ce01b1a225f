// SPDX-License-Identifier: GPL-2.0

//! The second try: a connection whose destination refuses its first packet goes to another one.

use rlvs_core::{
    connection::{
        rejected, state,
        tuple::{Side, Tuple},
    },
    packet::{self, icmp::IcmpError, Bytes, Packet},
    schedule::flags::Flags,
};
use rlvs_kext::{flow_table::Digest, netfilter::Verdict, random, replay::Stashed, skbuff::Skb};

use kernel::alloc::KBox;

use super::{passage::Passage, read::SkbBytes};
use crate::{
    service::Service,
    state::InState,
    stats::Event,
    table::{
        connection::{self, Entry},
        key,
        unanswered::Unanswered,
    },
};

/// The bytes of a packet that was kept, for the parser.
struct StashedBytes<'a>(&'a Stashed);

impl Bytes for StashedBytes<'_> {
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        self.0.copy_to(offset, into)
    }
}

impl<A: InState> Passage<'_, A> {
    /// Makes the entry of a new connection, and sends its first packet on its way. A packet that
    /// comes again goes to no destination that has refused it.
    pub(super) fn begin(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        service: &Service,
    ) -> Result<Verdict, Event> {
        let bh = self.context.bh;
        let tuple = Tuple::inbound(packet.protocol, packet.source, packet.destination);
        let key = || key::with_digest(digest, &tuple);
        let Some(refusers) = A::tables(self.state).unanswered.resume(key, bh) else {
            let entry = self.admit(skb, packet, digest, service)?;
            return Ok(self.send_first(skb, packet, service, entry));
        };
        let passage = Passage {
            refusers: Some(&refusers),
            ..*self
        };
        match passage.schedule(skb, packet, digest, service) {
            Ok(entry) => {
                self.state.events.count(bh, Event::Retried);
                Ok(passage.send_first(skb, packet, service, entry))
            }
            Err(event) => {
                if matches!(event, Event::NoDestination) {
                    self.state.events.count(bh, Event::RetryNoDestination);
                }
                Err(event)
            }
        }
    }

    /// Sends the first packet of a connection on its way and keeps a copy of it, as it came, if the
    /// service has other destinations.
    fn send_first(
        &self,
        skb: &mut Skb<'_>,
        packet: &Packet<A>,
        service: &Service,
        entry: &Entry<A>,
    ) -> Verdict {
        if !state::opens(packet.signal) {
            return self.forward(skb, packet, entry, Side::Inbound);
        }
        let several = service.pool(self.context.rcu).len() > 1;
        let copy = several.then(|| self.context.keep(skb)).flatten();
        let verdict = self.forward(skb, packet, entry, Side::Inbound);
        if let (Verdict::Accept, Some(copy)) = (verdict, copy) {
            self.keep(entry, copy);
        }
        verdict
    }

    fn keep(&self, entry: &Entry<A>, copy: Stashed) {
        let mut refusers = self.refusers.copied().unwrap_or_default();
        refusers.add(entry.destination());
        if let Some(first) = Unanswered::new(entry.hashed_key(), refusers, copy, self.now) {
            A::tables(self.state)
                .unanswered
                .keep(first, self.context.bh);
        }
    }

    /// Returns `true` if the destination's answer to a first packet is a refusal and the connection
    /// goes to another destination: then the answer must be dropped. Not inlined, as other packets
    /// do not need it.
    #[inline(never)]
    pub(super) fn tries_again(&self, skb: &Skb<'_>, packet: &Packet<A>, entry: &Entry<A>) -> bool {
        entry.set_unanswered(false);
        self.look_at_peer(skb, entry);
        let first = self.take(entry);
        if !rejected::may_refuse(packet.signal) {
            return false;
        }
        let refused = first.as_ref().is_none_or(|first| {
            self.with_packet(first, |kept, bytes| {
                rejected::refuses((packet, &SkbBytes::of(skb)), (kept, bytes))
            })
        });
        refused && self.try_again(entry, first)
    }

    /// Returns `true` if an ICMP error about a packet to the destination is a refusal and the
    /// connection goes to another destination: then the error must be dropped.
    pub(super) fn tries_again_after(
        &self,
        skb: &Skb<'_>,
        error: &IcmpError<A>,
        entry: &Entry<A>,
    ) -> bool {
        if !error.is_port_unreachable {
            return false;
        }
        let first = self.take(entry);
        let refused = first.as_ref().is_none_or(|first| {
            self.with_packet(first, |kept, bytes| {
                rejected::refuses_by_error((error, &SkbBytes::of(skb)), (kept, bytes))
            })
        });
        if refused {
            entry.set_unanswered(false);
            return self.try_again(entry, first);
        }
        // It is about a later packet, and the first one may still be answered.
        if let Some(first) = first {
            A::tables(self.state)
                .unanswered
                .keep(first, self.context.bh);
        }
        false
    }

    fn take(&self, entry: &Entry<A>) -> Option<KBox<Unanswered<A>>> {
        A::tables(self.state)
            .unanswered
            .take(entry.hashed_key(), self.context.bh)
    }

    /// Applies `ask` to a packet that was kept; `false` if it cannot be read.
    fn with_packet(
        &self,
        first: &Unanswered<A>,
        ask: impl FnOnce(&Packet<A>, &StashedBytes<'_>) -> bool,
    ) -> bool {
        let Some(bytes) = first.packet().map(StashedBytes) else {
            return false;
        };
        packet::parse(&bytes).is_ok_and(|packet| ask(&packet, &bytes))
    }

    /// Takes a connection away from the destination that has refused it, and has its first packet
    /// handled again. Returns `false` if that cannot be, which is counted.
    fn try_again(&self, entry: &Entry<A>, first: Option<KBox<Unanswered<A>>>) -> bool {
        match self.handle_again(entry, first) {
            Ok(()) => {
                entry.destination().reported.note_retried();
                true
            }
            Err(event) => {
                self.state.events.count(self.context.bh, event);
                false
            }
        }
    }

    fn handle_again(
        &self,
        entry: &Entry<A>,
        first: Option<KBox<Unanswered<A>>>,
    ) -> Result<(), Event> {
        let (rcu, bh) = (self.context.rcu, self.context.bh);
        let (protocol, _, end) = connection::inbound(entry);
        let pool = match self.service(protocol, &end) {
            Some(service) => service.pool(rcu),
            None => return Err(Event::RetryNoDestination),
        };
        if pool.len() < 2 || pool.flags().has(Flags::ONE_PACKET) {
            return Err(Event::RetryNoDestination);
        }
        let mut first = first.ok_or(Event::RetryNotKept)?;
        if first.refusers().is_full() || !pool.has_another(first.refusers(), random::u32()) {
            return Err(Event::RetryNoDestination);
        }
        let packet = first.take_packet().ok_or(Event::RetryNotKept)?;
        // From here on the packet finds no entry, but the destinations that have refused it.
        if !A::tables(self.state).unanswered.send(first, bh) {
            return Err(Event::RetryNotKept);
        }
        connection::remove(self.connections, entry, bh);
        self.context
            .handle_again(packet)
            .map_err(|_| Event::RetryNotHandled)
    }
}
