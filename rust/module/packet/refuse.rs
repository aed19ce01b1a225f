// SPDX-License-Identifier: GPL-2.0

//! Refusing a packet.

use rlvs_core::{
    address::Protocol,
    packet::{abort, Packet},
};
use rlvs_kext::skbuff::Skb;

use super::{passage::Passage, read::SkbBytes};
use crate::state::InState;

impl<'a, A: InState> Passage<'a, A> {
    /// Refuses a client's packet in the way of its protocol: a reset, an ICMP port unreachable, an
    /// ABORT. An SCTP client ignores an ICMP port unreachable (RFC 9260 section 10), and would try
    /// again for a minute.
    pub(super) fn reject(&self, skb: &mut Skb<'_>, packet: &Packet<A>) {
        match packet.protocol {
            Protocol::Tcp => self.context.reset(skb, &self.state.refusals),
            Protocol::Udp => self.context.port_unreachable(skb, &self.state.refusals),
            Protocol::Sctp => {
                if let Some(abort) = abort::abort(&SkbBytes::of(skb), packet) {
                    let (number, mark) = (packet.protocol.number(), &self.state.refusals);
                    self.context.answer(skb, number, &abort, mark);
                }
            }
        }
    }
}
