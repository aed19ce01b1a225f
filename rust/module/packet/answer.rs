// SPDX-License-Identifier: GPL-2.0

//! Answers: packets that this host sends from the port of a destination.

use core::marker::PhantomData;
use rlvs_core::{
    connection::{
        state,
        tuple::{Side, Tuple},
    },
    packet::{self, Packet},
};
use rlvs_kext::{
    netfilter::{self, Context, Hook, LocalOut, Verdict},
    skbuff::Skb,
};

use super::{
    passage::Passage,
    read::{may_be, parse},
};
use crate::{
    state::{InState, State},
    stats::Event,
    table::steered,
};

/// The hook for packets that this host sends: a destination's answer, or the end of a steered
/// connection.
pub(crate) struct Reply<A>(PhantomData<A>);

impl<A: InState> Hook<State> for Reply<A> {
    const FAMILY: netfilter::NfProto = A::HOOKS;
    type At = LocalOut;
    const PRIORITY: i32 = netfilter::LAST;

    #[inline]
    fn wants(state: &State, skb: &Skb<'_>) -> bool {
        may_be::<A>(skb, |ports| {
            state.destination_ports.contains(ports.source)
                || state.steered_ports.contains(ports.source)
                    && packet::ends_tcp::<A>(skb.linear())
                    && !A::tables(state).steered.is_empty()
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
            let zone = passage.zone(skb, client.address);
            steered::close(
                &A::tables(state).steered,
                (client, service),
                zone,
                context.rcu,
            );
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

impl<'a, A: InState> Passage<'a, A> {
    /// Handles a destination's packet that belongs to no connection: answers it with an ICMP port
    /// unreachable if `nat_icmp_send` is set. A reset passes, as it ends whatever connection there
    /// may be.
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

    /// Completes the checksum of a packet on its way out, if `csum_complete` is set: for devices
    /// that complete it wrongly.
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
