// SPDX-License-Identifier: GPL-2.0

//! Reading a packet's headers.
//!
//! IPv4: RFC 791. IPv6 and its extension headers: RFC 8200. TCP: RFC 9293. UDP: RFC 768. SCTP:
//! RFC 9260, in [`sctp`].

use core::ops::Range;

use crate::address::{Endpoint, Family, Ip, Protocol};

pub mod checksum;
pub mod crc32c;
pub mod icmp;
pub mod lax;
pub mod rewrite;
pub mod sctp;

/// The bytes of a packet, from the start of its IP header on.
pub trait Bytes {
    /// Fills `into` with the bytes from `offset` on, counted from the start of the IP header.
    ///
    /// False, with `into` in any state, when the packet ends before.
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool;

    /// The `N` bytes from `offset` on: where they are, or copied to `copy`. None when the packet
    /// ends before.
    #[inline]
    fn chunk<'a, const N: usize>(
        &'a self,
        offset: usize,
        copy: &'a mut [u8; N],
    ) -> Option<&'a [u8; N]> {
        self.copy_to(offset, copy).then_some(copy)
    }
}

impl Bytes for [u8] {
    #[inline]
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        let from = self.get(offset..).and_then(|tail| tail.get(..into.len()));
        match from {
            Some(from) => {
                into.copy_from_slice(from);
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    fn chunk<'a, const N: usize>(
        &'a self,
        offset: usize,
        _copy: &'a mut [u8; N],
    ) -> Option<&'a [u8; N]> {
        self.get(offset..)?.first_chunk()
    }
}

impl Bytes for &[u8] {
    #[inline]
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        (**self).copy_to(offset, into)
    }

    #[inline(always)]
    fn chunk<'a, const N: usize>(
        &'a self,
        offset: usize,
        copy: &'a mut [u8; N],
    ) -> Option<&'a [u8; N]> {
        (**self).chunk(offset, copy)
    }
}

/// The flags of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The sender has no more data.
    pub const FIN: u8 = 0x01;
    /// The sender opens a connection.
    pub const SYN: u8 = 0x02;
    /// The connection is reset.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;

    /// Whether FIN is set.
    #[inline]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// Whether SYN is set.
    #[inline]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Whether RST is set.
    #[inline]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// Whether ACK is set.
    #[inline]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// Whether this is the first segment of a connection: SYN, and none of ACK, RST and FIN.
    #[inline]
    pub const fn opens(self) -> bool {
        self.syn() && !self.ack() && !self.rst() && !self.fin()
    }

    /// Whether the segment ends its connection, or one side of it: FIN or RST.
    #[inline]
    pub const fn ends(self) -> bool {
        self.fin() || self.rst()
    }
}

/// What a packet tells of the state of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// The flags of a TCP segment.
    Tcp(TcpFlags),
    /// Nothing: UDP has no connections.
    Udp,
    /// The chunk of an SCTP packet that counts.
    Sctp(sctp::Chunk),
}

/// What a packet's headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<A: Ip> {
    /// The transport protocol.
    pub protocol: Protocol,
    /// Where the packet comes from.
    pub source: Endpoint<A>,
    /// Where it goes.
    pub destination: Endpoint<A>,
    /// Where the transport header starts, in bytes from the start of the IP header.
    pub l4_offset: usize,
    /// The whole packet's length in bytes from the start of the IP header on, as its header tells
    /// it; 0 for a packet of more than 64 KiB that the host has merged or will split, whose header
    /// cannot tell it.
    pub length: u32,
    /// What it tells of the connection's state.
    pub signal: Signal,
}

/// Why a packet is none that a service could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unhandled {
    /// It ends within a header, or says that it does.
    Truncated,
    /// A header contradicts itself or another one, or there are more extension headers than any
    /// sender has use for.
    Malformed,
    /// It is neither TCP nor UDP nor SCTP nor ICMP, or it is protected by an authentication header.
    OtherProtocol,
    /// An IPv6 routing header leads it further than to the destination in the IP header.
    SourceRouted,
    /// It is a part of a larger packet.
    Fragment,
    /// It is an ICMP message: see [`crate::packet::icmp`].
    Icmp,
}

const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const TCP_HEADER_LEN: usize = 20;
/// Where a TCP header has the lower eight of its flags.
const TCP_FLAGS: usize = 13;
const UDP_HEADER_LEN: usize = 8;

/// How many IPv6 extension headers are walked: as many as Linux takes (`IP6_MAX_EXT_HDRS_CNT`). The
/// module is not built for a kernel that takes more.
pub const MAX_EXTENSIONS: usize = 12;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// In the word of the IPv4 header that has them.
const IPV4_MORE_FRAGMENTS: u16 = 0x2000;
const IPV4_FRAGMENT_OFFSET: u16 = 0x1fff;
/// In the IPv6 fragment header.
const IPV6_MORE_FRAGMENTS: u16 = 0x0001;
const IPV6_FRAGMENT_OFFSET: u16 = 0xfff8;

/// Reads the headers of a packet, which starts with its IP header.
///
/// Checksums are not looked at: a packet with a wrong one is handled like any other and stays
/// wrong. An IPv6 fragment header that makes no fragment (RFC 6946) does not count as one.
///
/// # Errors
///
/// [`Unhandled`] tells why the packet is to be left alone.
#[inline(always)]
pub fn parse<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Result<Packet<A>, Unhandled> {
    let network = network::<A>(bytes, Parts::Refuse)?;
    let Some(protocol) = Protocol::from_number(network.protocol) else {
        return Err(if network.protocol == icmp::number(A::FAMILY) {
            Unhandled::Icmp
        } else {
            Unhandled::OtherProtocol
        });
    };
    let (ports, signal) = match protocol {
        Protocol::Tcp => tcp(bytes, &network)?,
        Protocol::Udp => udp(bytes, &network)?,
        Protocol::Sctp => sctp::parse(bytes, &network)?,
    };
    let ports = Ports::from_bytes(ports);
    Ok(Packet {
        protocol,
        source: Endpoint {
            address: network.source,
            port: ports.source,
        },
        destination: Endpoint {
            address: network.destination,
            port: ports.destination,
        },
        l4_offset: network.l4_offset,
        length: network.length,
        signal,
    })
}

/// A packet's ports, host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Where it comes from.
    pub source: u16,
    /// Where it goes.
    pub destination: u16,
}

impl Ports {
    /// Of the first four bytes of a transport header: all three protocols begin with the ports.
    #[inline(always)]
    fn from_bytes([s1, s0, d1, d0]: [u8; 4]) -> Self {
        Self {
            source: u16::from_be_bytes([s1, s0]),
            destination: u16::from_be_bytes([d1, d0]),
        }
    }
}

/// A glance at a packet that may be anybody's: its ports if it is a plain one, so that [`parse`]
/// finds these too or refuses it. None when there is more to look at: fragments, IPv6 extension
/// headers, other protocols, anything odd.
#[inline(always)]
pub fn ports<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Option<Ports> {
    let (_, l4_offset) = plain::<A>(bytes)?;
    read(bytes, l4_offset).ok().map(Ports::from_bytes)
}

/// Whether a packet of which [`ports`] has told the ports is a TCP segment with FIN or RST, or does
/// not show its flags.
#[inline]
pub fn ends_tcp<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> bool {
    let Some((Protocol::Tcp, l4_offset)) = plain::<A>(bytes) else {
        return false;
    };
    let flags = read(bytes, l4_offset.saturating_add(TCP_FLAGS));
    flags.map_or(true, |[flags]| TcpFlags(flags).ends())
}

/// The protocol of a plain packet, and where its header begins.
#[inline(always)]
fn plain<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Option<(Protocol, usize)> {
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

/// What the IP headers tell.
pub(crate) struct Network<A> {
    pub(crate) source: A,
    pub(crate) destination: A,
    pub(crate) protocol: u8,
    pub(crate) l4_offset: usize,
    length: u32,
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
    /// Whether a fragment is refused that has this offset, in any unit.
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

impl<A> Network<A> {
    /// How many bytes the IP header leaves for the transport header and its payload.
    #[inline]
    pub(crate) fn payload(&self) -> usize {
        payload(self.length, self.l4_offset)
    }
}

/// How many bytes of a packet of this length are behind an offset; 0 is a length that is not told.
#[inline]
fn payload(length: u32, offset: usize) -> usize {
    match usize::try_from(length) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(length) => length.saturating_sub(offset),
    }
}

#[inline(always)]
pub(crate) fn read<const N: usize>(
    bytes: &(impl Bytes + ?Sized),
    offset: usize,
) -> Result<[u8; N], Unhandled> {
    let mut copy = [0; N];
    bytes
        .chunk(offset, &mut copy)
        .copied()
        .ok_or(Unhandled::Truncated)
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
fn is_extension(header: u8) -> bool {
    matches!(
        header,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
    )
}

/// Steps over the extension headers of a packet of this length, the first of which is of this kind;
/// tells the transport protocol and where its header is. Out of the way of other packets.
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

/// How many further stops a routing header at an offset names.
fn segments_left(bytes: &(impl Bytes + ?Sized), at: usize) -> Result<u8, Unhandled> {
    let [_, _, _, left] = read(bytes, at)?;
    Ok(left)
}

/// The kind of the header behind the extension header at an offset, and how long that one is.
fn extension(
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

/// The address in a header.
#[inline(always)]
fn address<A: Ip>(header: &[u8], at: Range<usize>) -> Result<A, Unhandled> {
    let octets = header.get(at).ok_or(Unhandled::Truncated)?;
    A::from_octets(octets).ok_or(Unhandled::Truncated)
}

#[inline(always)]
fn tcp<A>(
    bytes: &(impl Bytes + ?Sized),
    network: &Network<A>,
) -> Result<([u8; 4], Signal), Unhandled> {
    if network.payload() < TCP_HEADER_LEN {
        return Err(Unhandled::Truncated);
    }
    let mut copy = [0; TCP_HEADER_LEN];
    let header = bytes.chunk(network.l4_offset, &mut copy);
    let &[s1, s0, d1, d0, .., offset, flags, _, _, _, _, _, _] =
        header.ok_or(Unhandled::Truncated)?;
    let header_len = usize::from(offset >> 4).saturating_mul(4);
    if header_len < TCP_HEADER_LEN || header_len > network.payload() {
        return Err(Unhandled::Malformed);
    }
    Ok(([s1, s0, d1, d0], Signal::Tcp(TcpFlags(flags))))
}

#[inline(always)]
fn udp<A: Ip>(
    bytes: &(impl Bytes + ?Sized),
    network: &Network<A>,
) -> Result<([u8; 4], Signal), Unhandled> {
    if network.payload() < UDP_HEADER_LEN {
        return Err(Unhandled::Truncated);
    }
    let mut copy = [0; UDP_HEADER_LEN];
    let header = bytes.chunk(network.l4_offset, &mut copy);
    let &[s1, s0, d1, d0, l1, l0, _, _] = header.ok_or(Unhandled::Truncated)?;
    let length = usize::from(u16::from_be_bytes([l1, l0]));
    // Only a datagram of more than 64 KiB has no length of its own (RFC 2675 section 4). Over IPv6
    // Linux takes the IP header's for it, whatever that is.
    let has_none = length == 0 && (network.length == 0 || A::FAMILY == Family::V6);
    if !has_none && (length < UDP_HEADER_LEN || length > network.payload()) {
        return Err(Unhandled::Malformed);
    }
    Ok(([s1, s0, d1, d0], Signal::Udp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{V4, V6};
    use std::vec::Vec;

    const UDP: [u8; 8] = [0x30, 0x39, 0, 53, 0, 8, 0, 0];

    fn ipv4(protocol: u8, l4: &[u8]) -> Vec<u8> {
        let mut packet = Vec::from([0x45, 0, 0, 20, 0, 0, 0, 0, 64, protocol, 0, 0]);
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(l4);
        packet[3] += l4.len() as u8;
        packet
    }

    /// An IPv6 packet whose first header after the fixed one is `next`.
    pub(super) fn ipv6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = Vec::from([0x60, 0, 0, 0, 0, rest.len() as u8, next, 64]);
        packet.extend([1; 16]);
        packet.extend([2; 16]);
        packet.extend(rest);
        packet
    }

    fn tcp(header_words: u8) -> [u8; 20] {
        let mut header = [0; 20];
        header[12] = header_words << 4;
        header
    }

    fn refused4(packet: &[u8]) -> Option<Unhandled> {
        parse::<V4>(packet).err()
    }

    fn refused6(packet: &[u8]) -> Option<Unhandled> {
        parse::<V6>(packet).err()
    }

    #[test]
    fn udp_over_ipv4() {
        let packet = parse::<V4>(&ipv4(17, &UDP)[..]).unwrap();
        assert_eq!(packet.protocol, Protocol::Udp);
        assert_eq!(packet.source.address, V4([192, 0, 2, 1]));
        assert_eq!(packet.source.port, 12345);
        assert_eq!(packet.destination.address, V4([192, 0, 2, 2]));
        assert_eq!(packet.destination.port, 53);
        assert_eq!((packet.l4_offset, packet.length), (20, 28));
    }

    #[test]
    fn ipv4_headers_that_are_wrong() {
        for (what, at, value, expected) in [
            ("version", 0, 0x65, Unhandled::Malformed),
            ("header length 16", 0, 0x44, Unhandled::Malformed),
            ("header length 24", 0, 0x46, Unhandled::Truncated),
            ("total length 19", 3, 19, Unhandled::Malformed),
            ("total length 20", 3, 20, Unhandled::Truncated),
            ("total length 27", 3, 27, Unhandled::Truncated),
            ("more fragments", 6, 0x20, Unhandled::Fragment),
            ("fragment offset, high", 6, 0x10, Unhandled::Fragment),
            ("fragment offset, low", 7, 1, Unhandled::Fragment),
            ("ICMP", 9, 1, Unhandled::Icmp),
            ("ICMPv6", 9, 58, Unhandled::OtherProtocol),
            ("GRE", 9, 47, Unhandled::OtherProtocol),
        ] {
            let mut packet = ipv4(17, &UDP);
            packet[at] = value;
            assert_eq!(refused4(&packet), Some(expected), "{what}");
        }
    }

    #[test]
    fn do_not_fragment_is_no_fragment() {
        let mut packet = ipv4(17, &UDP);
        packet[6] = 0x40;
        assert_eq!(refused4(&packet), None);
    }

    #[test]
    fn lengths_of_udp() {
        for (length, expected) in [
            (0, Some(Unhandled::Malformed)),
            (7, Some(Unhandled::Malformed)),
            (8, None),
            (9, Some(Unhandled::Malformed)),
        ] {
            let mut packet = ipv4(17, &UDP);
            packet[25] = length;
            assert_eq!(refused4(&packet), expected, "{length}");
        }
        // What is behind the datagram is padding.
        let mut packet = ipv4(17, &UDP);
        packet.extend([0; 4]);
        packet[3] += 4;
        assert_eq!(refused4(&packet), None);
    }

    #[test]
    fn lengths_of_tcp() {
        for (words, expected) in [
            (0, Some(Unhandled::Malformed)),
            (4, Some(Unhandled::Malformed)),
            (5, None),
            (6, Some(Unhandled::Malformed)),
            (15, Some(Unhandled::Malformed)),
        ] {
            let packet = ipv4(6, &tcp(words));
            assert_eq!(refused4(&packet), expected, "{words}");
        }
    }

    #[test]
    fn large_merged_packets_have_no_length() {
        let mut packet = ipv4(6, &tcp(5));
        packet[3] = 0;
        assert_eq!(parse::<V4>(&packet[..]).map(|packet| packet.length), Ok(0));
        let mut packet = ipv6(6, &tcp(5));
        packet[5] = 0;
        assert_eq!(parse::<V6>(&packet[..]).map(|packet| packet.length), Ok(0));
        // Neither has a UDP datagram of that size.
        let mut packet = ipv6(17, &[0x30, 0x39, 0, 53, 0, 0, 0, 0]);
        packet[5] = 0;
        assert_eq!(parse::<V6>(&packet[..]).map(|packet| packet.length), Ok(0));
    }

    #[test]
    fn extension_headers_are_stepped_over() {
        let mut rest = Vec::from([43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        rest.extend([60, 0, 0, 0, 0, 0, 0, 0]);
        rest.extend([17, 0, 0, 0, 0, 0, 0, 0]);
        rest.extend(UDP);
        let packet = parse::<V6>(&ipv6(HOP_BY_HOP, &rest)[..]).unwrap();
        assert_eq!(packet.l4_offset, 40 + 16 + 8 + 8);
        assert_eq!(packet.destination.port, 53);
        assert_eq!(packet.length, 40 + 16 + 8 + 8 + 8);
    }

    #[test]
    fn ipv6_headers_that_are_wrong() {
        let with = |head: [u8; 8]| [&head[..], &UDP].concat();
        for (what, kind, rest, expected) in [
            (
                "segments left",
                ROUTING,
                with([17, 0, 0, 1, 0, 0, 0, 0]),
                Some(Unhandled::SourceRouted),
            ),
            (
                "first fragment",
                FRAGMENT,
                with([17, 0, 0, 1, 0, 0, 0, 0]),
                Some(Unhandled::Fragment),
            ),
            (
                "later fragment",
                FRAGMENT,
                with([17, 0, 0, 8, 0, 0, 0, 0]),
                Some(Unhandled::Fragment),
            ),
            (
                "whole packet with a fragment header",
                FRAGMENT,
                with([17, 0, 0, 6, 0, 0, 0, 0]),
                None,
            ),
            (
                "authentication header",
                51,
                with([17, 0, 0, 0, 0, 0, 0, 0]),
                Some(Unhandled::OtherProtocol),
            ),
            (
                "no next header",
                59,
                with([17, 0, 0, 0, 0, 0, 0, 0]),
                Some(Unhandled::OtherProtocol),
            ),
            (
                "header longer than the packet",
                HOP_BY_HOP,
                with([17, 2, 0, 0, 0, 0, 0, 0]),
                Some(Unhandled::Malformed),
            ),
            (
                "transport header that does not fit",
                HOP_BY_HOP,
                with([17, 1, 0, 0, 0, 0, 0, 0]),
                Some(Unhandled::Truncated),
            ),
        ] {
            assert_eq!(refused6(&ipv6(kind, &rest)), expected, "{what}");
        }
        let mut packet = ipv6(17, &UDP);
        packet[0] = 0x45;
        assert_eq!(refused6(&packet), Some(Unhandled::Malformed));
    }

    #[test]
    fn chains_of_extension_headers_end() {
        for (count, expected) in [
            (1, None),
            (8, None),
            (12, None),
            (13, Some(Unhandled::Malformed)),
            (25, Some(Unhandled::Malformed)),
        ] {
            let mut rest = Vec::new();
            for index in 0..count {
                let next = if index + 1 == count {
                    17
                } else {
                    DESTINATION_OPTIONS
                };
                rest.extend([next, 0, 0, 0, 0, 0, 0, 0]);
            }
            rest.extend(UDP);
            for first in [DESTINATION_OPTIONS, HOP_BY_HOP] {
                assert_eq!(refused6(&ipv6(first, &rest)), expected, "{count}");
            }
        }
    }

    #[test]
    fn over_ipv6_a_datagram_may_have_no_length() {
        let none = [0x30, 0x39, 0, 53, 0, 0, 0, 0];
        assert_eq!(refused6(&ipv6(17, &none)), None);
        for length in [7, 9] {
            let wrong = [0x30, 0x39, 0, 53, 0, length, 0, 0];
            let expected = Some(Unhandled::Malformed);
            assert_eq!(refused6(&ipv6(17, &wrong)), expected, "{length}");
        }
    }
}
