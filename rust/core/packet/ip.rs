// SPDX-License-Identifier: GPL-2.0

//! IP headers. IPv4: RFC 791. IPv6 and its extension headers: RFC 8200.

use core::ops::Range;

use super::bytes::{read, Bytes, Unhandled};
use crate::address::{Family, Ip, Protocol};

pub(super) const IPV4_HEADER_LEN: usize = 20;
pub(super) const IPV6_HEADER_LEN: usize = 40;

/// How many IPv6 extension headers are walked: as many as Linux takes (`IP6_MAX_EXT_HDRS_CNT`). The
/// module is not built for a kernel that takes more.
pub const MAX_EXTENSIONS: usize = 12;

pub(super) const HOP_BY_HOP: u8 = 0;
pub(super) const ROUTING: u8 = 43;
pub(super) const FRAGMENT: u8 = 44;
pub(super) const DESTINATION_OPTIONS: u8 = 60;

/// In the word of the IPv4 header that has them.
const IPV4_MORE_FRAGMENTS: u16 = 0x2000;
pub(super) const IPV4_FRAGMENT_OFFSET: u16 = 0x1fff;
/// In the IPv6 fragment header.
const IPV6_MORE_FRAGMENTS: u16 = 0x0001;
const IPV6_FRAGMENT_OFFSET: u16 = 0xfff8;

/// Returns the number of the family's ICMP as a transport protocol.
#[inline]
pub(crate) const fn icmp_number(family: Family) -> u8 {
    match family {
        Family::V4 => 1,
        Family::V6 => 58,
    }
}

/// What is read from the IP headers.
pub(crate) struct Network<A> {
    pub(crate) source: A,
    pub(crate) destination: A,
    pub(crate) protocol: u8,
    pub(crate) l4_offset: usize,
    pub(super) length: u32,
}

impl<A> Network<A> {
    /// Returns how many bytes the IP header leaves for the transport header and its payload.
    #[inline]
    pub(crate) fn payload(&self) -> usize {
        payload(self.length, self.l4_offset)
    }
}

/// What to do with a part of a larger packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Refuse all of them.
    Refuse,
    /// Take the first, which has the transport header.
    TakeFirst,
}

impl Parts {
    /// Returns `true` if a fragment with this offset, in any unit, is refused.
    #[inline]
    fn refuses(self, more: bool, offset: u16) -> bool {
        offset != 0 || (more && self == Self::Refuse)
    }
}

/// Reads the IP headers.
#[inline(always)]
pub(crate) fn network<A: Ip>(
    bytes: &(impl Bytes + ?Sized),
    parts: Parts,
) -> Result<Network<A>, Unhandled> {
    match A::FAMILY {
        Family::V4 => ipv4(bytes, parts),
        Family::V6 => ipv6(bytes, parts),
    }
}

/// Returns the protocol of a plain packet, and where its header begins.
#[inline(always)]
pub(super) fn plain<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Option<(Protocol, usize)> {
    let (protocol, l4_offset) = match A::FAMILY {
        Family::V4 => {
            let mut copy = [0; IPV4_HEADER_LEN];
            let &[version, _, _, _, _, _, f1, f0, _, protocol, ..] = bytes.chunk(0, &mut copy)?;
            let parts = IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET;
            if !(0x45..=0x4f).contains(&version) || u16::from_be_bytes([f1, f0]) & parts != 0 {
                return None;
            }
            (protocol, usize::from(version & 0xf).saturating_mul(4))
        }
        Family::V6 => {
            let mut copy = [0; IPV6_HEADER_LEN];
            let &[version, _, _, _, _, _, next, ..] = bytes.chunk(0, &mut copy)?;
            if version >> 4 != 6 {
                return None;
            }
            (next, IPV6_HEADER_LEN)
        }
    };
    Some((Protocol::from_number(protocol)?, l4_offset))
}

/// Returns how many bytes of a packet of this length are behind an offset; 0 is an unknown length.
#[inline]
fn payload(length: u32, offset: usize) -> usize {
    match usize::try_from(length) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(length) => length.saturating_sub(offset),
    }
}

#[inline(always)]
fn ipv4<A: Ip>(bytes: &(impl Bytes + ?Sized), parts: Parts) -> Result<Network<A>, Unhandled> {
    let mut copy = [0; IPV4_HEADER_LEN];
    let header = bytes.chunk(0, &mut copy).ok_or(Unhandled::Truncated)?;
    let &[version, _, l1, l0, _, _, f1, f0, _, protocol, ..] = header;
    let header_len = usize::from(version & 0xf).saturating_mul(4);
    if version >> 4 != 4 || header_len < IPV4_HEADER_LEN {
        return Err(Unhandled::Malformed);
    }
    let length = u16::from_be_bytes([l1, l0]);
    if length != 0 && usize::from(length) < header_len {
        return Err(Unhandled::Malformed);
    }
    let fragment = u16::from_be_bytes([f1, f0]);
    let more = fragment & IPV4_MORE_FRAGMENTS != 0;
    if parts.refuses(more, fragment & IPV4_FRAGMENT_OFFSET) {
        return Err(Unhandled::Fragment);
    }
    Ok(Network {
        source: address(header, 12..16)?,
        destination: address(header, 16..20)?,
        protocol,
        l4_offset: header_len,
        length: u32::from(length),
    })
}

#[inline(always)]
fn ipv6<A: Ip>(bytes: &(impl Bytes + ?Sized), parts: Parts) -> Result<Network<A>, Unhandled> {
    let mut copy = [0; IPV6_HEADER_LEN];
    let header = bytes.chunk(0, &mut copy).ok_or(Unhandled::Truncated)?;
    let &[version, _, _, _, l1, l0, next, ..] = header;
    if version >> 4 != 6 {
        return Err(Unhandled::Malformed);
    }
    let length = match u16::from_be_bytes([l1, l0]) {
        0 => 0,
        payload => u32::from(payload).saturating_add(IPV6_HEADER_LEN as u32),
    };
    let (protocol, l4_offset) = if is_extension(next) {
        skip_extensions(bytes, parts, next, length)?
    } else {
        (next, IPV6_HEADER_LEN)
    };
    Ok(Network {
        source: address(header, 8..24)?,
        destination: address(header, 24..40)?,
        protocol,
        l4_offset,
        length,
    })
}

#[inline]
pub(super) fn is_extension(header: u8) -> bool {
    matches!(
        header,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
    )
}

/// Steps over the extension headers of a packet of this length, the first of which is of this kind;
/// returns the transport protocol and where its header is. Not inlined: most packets have none.
#[inline(never)]
fn skip_extensions(
    bytes: &(impl Bytes + ?Sized),
    parts: Parts,
    first: u8,
    length: u32,
) -> Result<(u8, usize), Unhandled> {
    let (mut kind, mut at) = (first, IPV6_HEADER_LEN);
    for _ in 0..=MAX_EXTENSIONS {
        if !is_extension(kind) {
            return Ok((kind, at));
        }
        if kind == ROUTING && segments_left(bytes, at)? > 0 {
            return Err(Unhandled::SourceRouted);
        }
        let (next, len) = extension(bytes, parts, kind, at)?;
        if len > payload(length, at) {
            return Err(Unhandled::Malformed);
        }
        (kind, at) = (next, at.saturating_add(len));
    }
    Err(Unhandled::Malformed)
}

/// Returns how many further stops a routing header at an offset names.
fn segments_left(bytes: &(impl Bytes + ?Sized), at: usize) -> Result<u8, Unhandled> {
    let [_, _, _, left] = read(bytes, at)?;
    Ok(left)
}

/// Returns the kind of the header behind the extension header at an offset, and how long that one
/// is.
pub(super) fn extension(
    bytes: &(impl Bytes + ?Sized),
    parts: Parts,
    kind: u8,
    at: usize,
) -> Result<(u8, usize), Unhandled> {
    let [next, units, b2, b3] = read(bytes, at)?;
    match kind {
        FRAGMENT => {
            let fragment = u16::from_be_bytes([b2, b3]);
            let more = fragment & IPV6_MORE_FRAGMENTS != 0;
            if parts.refuses(more, fragment & IPV6_FRAGMENT_OFFSET) {
                return Err(Unhandled::Fragment);
            }
            Ok((next, 8))
        }
        _ => Ok((next, usize::from(units).saturating_add(1).saturating_mul(8))),
    }
}

/// Returns the address in a header.
#[inline(always)]
pub(super) fn address<A: Ip>(header: &[u8], at: Range<usize>) -> Result<A, Unhandled> {
    let octets = header.get(at).ok_or(Unhandled::Truncated)?;
    A::from_octets(octets).ok_or(Unhandled::Truncated)
}
