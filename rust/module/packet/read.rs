// SPDX-License-Identifier: GPL-2.0

//! Reading a packet's headers.

use rlvs_core::packet::{self, Bytes, Packet, Ports, Unhandled};
use rlvs_kext::skbuff::Skb;

use crate::family::IpFamily;

/// A packet's bytes, for the parser. Headers are nearly always in the linear part.
pub(super) struct SkbBytes<'a, 'b> {
    linear: &'a [u8],
    all: &'a Skb<'b>,
}

impl<'a, 'b> SkbBytes<'a, 'b> {
    #[inline]
    pub(super) fn of(skb: &'a Skb<'b>) -> Self {
        Self {
            linear: skb.linear(),
            all: skb,
        }
    }
}

impl Bytes for SkbBytes<'_, '_> {
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        self.linear.copy_to(offset, into) || self.all.copy_to(offset, into)
    }
}

/// Reads a packet's headers, which nearly always are in its linear part.
#[inline(always)]
pub(super) fn parse<A: IpFamily>(skb: &Skb<'_>) -> Result<Packet<A>, Unhandled> {
    match packet::parse(skb.linear()) {
        Err(Unhandled::Truncated) => parse_all(skb),
        parsed => parsed,
    }
}

/// Reads the headers of a packet that may have some of them outside of its linear part. Not
/// inlined, as nearly no packet needs it.
#[cold]
#[inline(never)]
fn parse_all<A: IpFamily>(skb: &Skb<'_>) -> Result<Packet<A>, Unhandled> {
    packet::parse(&SkbBytes::of(skb))
}

/// Returns `true` unless the ports are in the linear part and `is_interesting` says no.
#[inline]
pub(super) fn may_be<A: IpFamily>(
    skb: &Skb<'_>,
    is_interesting: impl FnOnce(Ports) -> bool,
) -> bool {
    packet::ports::<A>(skb.linear()).is_none_or(is_interesting)
}
