// SPDX-License-Identifier: GPL-2.0

//! Packets that are no connection's: ICMP, fragments, what cannot be read.

use rlvs_core::{
    connection::tuple::Side,
    packet::{icmp, Unhandled},
};
use rlvs_kext::{netfilter::Verdict, skbuff::Skb};

use super::{passage::Passage, read::SkbBytes};
use crate::{state::InState, stats::Event};

impl<'a, A: InState> Passage<'a, A> {
    /// Handles a packet that is no connection's. An ICMP error about a connection's packet is
    /// rewritten, any other packet is let through as it is, but for what may reach a private
    /// destination. `side` is the direction that the hook is for.
    #[cold]
    pub(super) fn unhandled(&self, skb: &mut Skb<'_>, why: Unhandled, side: Side) -> Verdict {
        let why = match why {
            Unhandled::Icmp => match icmp::parse(&SkbBytes::of(skb)) {
                Ok(error) => return self.forward_error(skb, &error, side),
                Err(why) => why,
            },
            other => other,
        };
        if why == Unhandled::OtherProtocol {
            return Verdict::Accept;
        }
        if side == Side::Inbound && self.odd(skb) != Verdict::Accept {
            return Verdict::Drop;
        }
        let event = match why {
            Unhandled::OtherProtocol | Unhandled::SourceRouted | Unhandled::Icmp => {
                return Verdict::Accept;
            }
            Unhandled::Truncated => Event::Truncated,
            Unhandled::Malformed => Event::Malformed,
            Unhandled::Fragment => Event::Fragment,
        };
        self.state.events.count(self.context.bh, event);
        Verdict::Accept
    }
}
