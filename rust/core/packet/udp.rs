// SPDX-License-Identifier: GPL-2.0

//! UDP headers: RFC 768.

use super::{
    bytes::{Bytes, Unhandled},
    ip::Network,
};
use crate::address::{Family, Ip};

const HEADER_LEN: usize = 8;

/// Reads the header: the ports.
#[inline(always)]
pub(super) fn parse<A: Ip>(
    bytes: &(impl Bytes + ?Sized),
    network: &Network<A>,
) -> Result<[u8; 4], Unhandled> {
    if network.payload() < HEADER_LEN {
        return Err(Unhandled::Truncated);
    }
    let mut copy = [0; HEADER_LEN];
    let header = bytes.chunk(network.l4_offset, &mut copy);
    let &[s1, s0, d1, d0, l1, l0, _, _] = header.ok_or(Unhandled::Truncated)?;
    let length = usize::from(u16::from_be_bytes([l1, l0]));
    // Only a datagram of more than 64 KiB has no length of its own (RFC 2675 section 4). Over IPv6
    // Linux takes the IP header's for it, whatever that is.
    let has_none = length == 0 && (network.length == 0 || A::FAMILY == Family::V6);
    if !has_none && (length < HEADER_LEN || length > network.payload()) {
        return Err(Unhandled::Malformed);
    }
    Ok([s1, s0, d1, d0])
}
