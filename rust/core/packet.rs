// SPDX-License-Identifier: GPL-2.0

//! Reading a packet's headers.
//!
//! A file each: [`ip`], [`tcp`], [`udp`], [`sctp`], [`icmp`]. [`lax`] reads what [`parse`] refuses.
//! [`rewrite`] changes an address and a port.

use crate::address::{Endpoint, Ip, Protocol};

pub(crate) use bytes::read;
pub use bytes::{Bytes, Unhandled};
pub use ip::MAX_EXTENSIONS;
pub use tcp::TcpFlags;

pub mod abort;
mod bytes;
pub mod checksum;
pub mod crc32c;
mod fields;
pub mod icmp;
mod ip;
pub mod lax;
pub mod rewrite;
pub mod sctp;
mod tcp;
mod udp;

/// What a packet shows of the state of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// The flags of a TCP segment.
    Tcp(TcpFlags),
    /// Nothing: UDP has no connections.
    Udp,
    /// The chunk of an SCTP packet that counts.
    Sctp(sctp::Chunk),
}

/// What is read from a packet's headers.
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
    /// The whole packet's length in bytes from the start of the IP header on, by its IP header; 0
    /// for a packet of more than 64 KiB that the host has merged or will split, which the header
    /// has no room for.
    pub length: u32,
    /// What it shows of the connection's state.
    pub signal: Signal,
}

/// Reads the headers of a packet, which starts with its IP header.
///
/// Checksums are not looked at: a packet with a wrong one is handled like any other and stays
/// wrong. An IPv6 fragment header that makes no fragment (RFC 6946) does not count as one.
///
/// # Errors
///
/// [`Unhandled`]: why the packet is to be left alone.
#[inline(always)]
pub fn parse<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Result<Packet<A>, Unhandled> {
    let network = ip::network::<A>(bytes, ip::Parts::Refuse)?;
    let Some(protocol) = Protocol::from_number(network.protocol) else {
        return Err(if network.protocol == ip::icmp_number(A::FAMILY) {
            Unhandled::Icmp
        } else {
            Unhandled::OtherProtocol
        });
    };
    let (ports, signal) = match protocol {
        Protocol::Tcp => {
            let (ports, flags) = tcp::parse(bytes, &network)?;
            (ports, Signal::Tcp(flags))
        }
        Protocol::Udp => (udp::parse(bytes, &network)?, Signal::Udp),
        Protocol::Sctp => {
            let (ports, chunk) = sctp::parse(bytes, &network)?;
            (ports, Signal::Sctp(chunk))
        }
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
    /// Reads the first four bytes of a transport header, the ports in all three protocols.
    #[inline(always)]
    fn from_bytes([s1, s0, d1, d0]: [u8; 4]) -> Self {
        Self {
            source: u16::from_be_bytes([s1, s0]),
            destination: u16::from_be_bytes([d1, d0]),
        }
    }
}

/// Returns the ports of a plain packet, which [`parse`] finds as well unless it refuses the packet.
/// `None` when there is more to look at: fragments, IPv6 extension headers, other protocols,
/// anything odd. Every packet of the host pays for this.
#[inline(always)]
pub fn ports<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Option<Ports> {
    let (_, l4_offset) = ip::plain::<A>(bytes)?;
    read(bytes, l4_offset).ok().map(Ports::from_bytes)
}

/// Returns `true` if a packet of which [`ports`] has found the ports is a TCP segment with FIN or
/// RST, or does not show its flags.
#[inline]
pub fn ends_tcp<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> bool {
    let Some((Protocol::Tcp, l4_offset)) = ip::plain::<A>(bytes) else {
        return false;
    };
    tcp::flags(bytes, l4_offset).map_or(true, TcpFlags::ends)
}

#[cfg(test)]
mod tests {
    use super::ip::{DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING};
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
