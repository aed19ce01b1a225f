// SPDX-License-Identifier: GPL-2.0

//! The fields of a packet that rewriting changes, and what that does to checksums.

use core::ops::Range;

use super::checksum;
use crate::address::{Endpoint, Family, Ip, Protocol};

/// What the packet's transport checksum field stands for (`skb->ip_summed`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpSummed {
    /// The field holds the sum of the pseudo-header, not complemented, or of SCTP 0; the device or
    /// the stack completes it over the transport header, with the ports, and the payload
    /// (`CHECKSUM_PARTIAL`).
    ///
    /// Only when it is the header at [`super::Packet::l4_offset`] that is to be completed: of a
    /// tunnel's packet it may be an inner one, and then the outer one's checksum is complete, that
    /// is [`IpSummed::Other`].
    Partial,
    /// The field holds a checksum, and the packet's sum is kept beside it: see [`Delta`]
    /// (`CHECKSUM_COMPLETE`).
    Complete,
    /// The field holds a checksum (`CHECKSUM_NONE`, `CHECKSUM_UNNECESSARY`).
    Other,
}

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// What is to be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite<A> {
    /// The end to rewrite.
    pub side: Which,
    /// What it is.
    pub from: Endpoint<A>,
    /// What it becomes.
    pub to: Endpoint<A>,
}

/// By how much the sum of the packet's bytes, from the IP header on, has changed: a one's
/// complement number of big-endian words.
///
/// For [`IpSummed::Complete`] it must be added to `skb->csum`, so that it is again the packet's
/// sum. It is 0 (or 0xffff, the other zero) unless the packet is one of IPv4 whose address changed,
/// one of UDP without a checksum or one of SCTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(pub u16);

/// The slice holds fewer bytes than [`super::rewrite::writable_len`] asks for, or an SCTP packet is
/// too long for its IP header to hold the length, which the checksum depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort;

/// Where the fields of a transport header are that may be rewritten, from the start of the packet.
pub(super) struct Fields {
    pub(super) port: usize,
    pub(super) internet_checksum: Option<usize>,
}

impl Fields {
    #[inline]
    pub(super) fn new(protocol: Protocol, l4_offset: usize, side: Which) -> Self {
        let port = match side {
            Which::Source => 0,
            Which::Destination => 2,
        };
        Self {
            port: l4_offset.saturating_add(port),
            internet_checksum: match protocol {
                Protocol::Tcp | Protocol::Udp => Some(l4_checksum(protocol, l4_offset).start),
                // SCTP's is no Internet checksum: see the module of that name.
                Protocol::Sctp => None,
            },
        }
    }
}

/// Where the IP header's checksum is. IPv6 headers have none.
const IPV4_CHECKSUM: usize = 10;

/// Returns the transport checksum's field, of a transport header at `l4_offset`.
#[inline]
pub(super) fn l4_checksum(protocol: Protocol, l4_offset: usize) -> Range<usize> {
    let (offset, len) = match protocol {
        Protocol::Tcp => (16, 2),
        Protocol::Udp => (6, 2),
        Protocol::Sctp => (8, 4),
    };
    let start = l4_offset.saturating_add(offset);
    start..start.saturating_add(len)
}

#[inline]
pub(super) fn address<A: Ip>(side: Which) -> Range<usize> {
    match (A::FAMILY, side) {
        (Family::V4, Which::Source) => 12..16,
        (Family::V4, Which::Destination) => 16..20,
        (Family::V6, Which::Source) => 8..24,
        (Family::V6, Which::Destination) => 24..40,
    }
}

/// Writes one end of a packet. Returns by how much the sum of its bytes has grown.
#[inline]
pub(super) fn replace_end<A: Ip>(
    header: &mut [u8],
    fields: Fields,
    protocol: Protocol,
    sums: IpSummed,
    rewrite: &Rewrite<A>,
) -> Result<u16, TooShort> {
    let (mut address, mut delta) = (0, 0);
    if rewrite.from.address != rewrite.to.address {
        let at = self::address::<A>(rewrite.side);
        address = replace(header, at, rewrite.to.address.octets())?;
        delta = checksum::add(address, update_ip_checksum::<A>(header, address)?);
    }
    let port = replace_word(header, fields.port, |_| rewrite.to.port)?;
    delta = checksum::add(delta, port);
    let Some(at) = fields.internet_checksum else {
        return Ok(delta);
    };
    let ends = checksum::add(address, port);
    let checksum = replace_word(header, at, |old| match (sums, protocol) {
        (IpSummed::Partial, _) => checksum::add(old, address),
        (_, Protocol::Udp) => udp_checksum(old, ends),
        _ => checksum::adjust(old, ends),
    })?;
    Ok(checksum::add(delta, checksum))
}

/// Brings the IP header's checksum up to date after its sum grew by `delta`. Returns by how much
/// the checksum has grown.
#[inline]
pub(super) fn update_ip_checksum<A: Ip>(header: &mut [u8], delta: u16) -> Result<u16, TooShort> {
    match A::FAMILY {
        Family::V4 => replace_word(header, IPV4_CHECKSUM, |old| checksum::adjust(old, delta)),
        Family::V6 => Ok(0),
    }
}

/// Returns the UDP checksum after the sum of the data it covers grew by `delta`: 0 says that there
/// is none, and is written as 0xffff when it is the result (RFC 768).
#[inline]
fn udp_checksum(old: u16, delta: u16) -> u16 {
    if old == 0 {
        return 0;
    }
    match checksum::adjust(old, delta) {
        0 => 0xffff,
        new => new,
    }
}

/// Returns the two bytes at an offset.
#[inline]
fn bytes_at(header: &mut [u8], at: usize) -> Result<&mut [u8; 2], TooShort> {
    let tail = header.get_mut(at..).ok_or(TooShort)?;
    tail.first_chunk_mut().ok_or(TooShort)
}

/// Returns the word at an offset.
#[inline]
pub(super) fn word(header: &mut [u8], at: usize) -> Result<u16, TooShort> {
    bytes_at(header, at).map(|bytes| u16::from_be_bytes(*bytes))
}

/// Writes the word at an offset, as `new` makes it of the one that is there. Returns by how much
/// the sum of the bytes has grown.
#[inline]
pub(super) fn replace_word(
    header: &mut [u8],
    at: usize,
    new: impl FnOnce(u16) -> u16,
) -> Result<u16, TooShort> {
    let bytes = bytes_at(header, at)?;
    let old = u16::from_be_bytes(*bytes);
    let new = new(old);
    *bytes = new.to_be_bytes();
    Ok(checksum::sub(new, old))
}

/// Writes a field. Returns by how much the sum of the bytes has grown.
#[inline]
pub(super) fn replace(header: &mut [u8], at: Range<usize>, new: &[u8]) -> Result<u16, TooShort> {
    let field = header.get_mut(at).ok_or(TooShort)?;
    if field.len() != new.len() {
        return Err(TooShort);
    }
    if field == new {
        return Ok(0);
    }
    let delta = checksum::sub(checksum::sum(new), checksum::sum(field));
    field.copy_from_slice(new);
    Ok(delta)
}
