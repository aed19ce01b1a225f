// SPDX-License-Identifier: GPL-2.0

//! Reading a packet that [`parse`](super::parse) refuses, or that is routed by its source, as laxly
//! as a stack might: what is to be kept from a port must not get there by being odd.

use super::{
    bytes::{read, Bytes},
    ip::{
        address, extension, is_extension, Parts, IPV4_FRAGMENT_OFFSET, IPV4_HEADER_LEN,
        IPV6_HEADER_LEN, MAX_EXTENSIONS, ROUTING,
    },
    sctp::Chunk,
    tcp::TcpFlags,
    Packet, Ports, Signal,
};
use crate::address::{Endpoint, Family, Ip, Protocol};

/// Loose and strict source and record route (RFC 791).
const IPV4_SOURCE_ROUTES: [u8; 2] = [131, 137];
const IPV4_END_OF_OPTIONS: u8 = 0;
const IPV4_NO_OPERATION: u8 = 1;

/// A packet that routing headers lead to the host several times, as in a VRF, may each time have as
/// many further headers as the stack takes.
const MOST_EXTENSIONS: usize = 4 * MAX_EXTENSIONS;

/// A routing header whose addresses are shortened (RFC 6554).
const SHORT_SEGMENTS: u8 = 3;

/// Reads what a packet would be if all that is odd about it were overlooked: one that opens a
/// connection to where its source has it routed in the end. `None` if no stack would find the ports
/// of TCP, UDP or SCTP in it, or if it is a fragment other than the first.
pub fn parse<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Option<Packet<A>> {
    let (number, source, destination, l4_offset) = match A::FAMILY {
        Family::V4 => ipv4(bytes)?,
        Family::V6 => ipv6(bytes)?,
    };
    let protocol = Protocol::from_number(number)?;
    let ports = Ports::from_bytes(read(bytes, l4_offset).ok()?);
    let signal = match protocol {
        Protocol::Tcp => Signal::Tcp(TcpFlags(TcpFlags::SYN)),
        Protocol::Udp => Signal::Udp,
        Protocol::Sctp => Signal::Sctp(Chunk::Init),
    };
    let end = |address, port| Endpoint { address, port };
    Some(Packet {
        protocol,
        source: end(source, ports.source),
        destination: end(destination, ports.destination),
        l4_offset,
        length: 0,
        signal,
    })
}

/// The protocol's number, both addresses, and where the transport header is.
type Network<A> = (u8, A, A, usize);

fn ipv4<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Option<Network<A>> {
    let header: [u8; IPV4_HEADER_LEN] = read(bytes, 0).ok()?;
    let [version, _, _, _, _, _, f1, f0, _, protocol, ..] = header;
    if u16::from_be_bytes([f1, f0]) & IPV4_FRAGMENT_OFFSET != 0 {
        return None;
    }
    let l4_offset = usize::from(version & 0xf).saturating_mul(4);
    let source = address(&header, 12..16).ok()?;
    let destination = match last_stop(bytes, l4_offset) {
        Some(last) => last,
        None => address(&header, 16..20).ok()?,
    };
    Some((protocol, source, destination, l4_offset))
}

/// Returns where an IPv4 packet with a header of this length is routed by its source in the end;
/// `None` if it has no source route, or is there, or if it is an IPv6 packet.
pub fn last_stop<A: Ip>(bytes: &(impl Bytes + ?Sized), header_len: usize) -> Option<A> {
    if A::FAMILY == Family::V6 {
        return None;
    }
    let mut at = IPV4_HEADER_LEN;
    while at < header_len {
        let [kind] = read(bytes, at).ok()?;
        let len = match kind {
            IPV4_END_OF_OPTIONS => return None,
            IPV4_NO_OPERATION => 1,
            _ => {
                let [_, len] = read(bytes, at).ok()?;
                usize::from(len)
            }
        };
        if IPV4_SOURCE_ROUTES.contains(&kind) {
            let [_, _, next] = read(bytes, at).ok()?;
            // Counted from 1 on, as is the option's length.
            if usize::from(next) > len {
                return None;
            }
            let last: [u8; 4] = read(bytes, at.saturating_add(len.checked_sub(4)?)).ok()?;
            return A::from_octets(&last);
        }
        if len == 0 {
            return None;
        }
        at = at.saturating_add(len);
    }
    None
}

fn ipv6<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Option<Network<A>> {
    let header: [u8; IPV6_HEADER_LEN] = read(bytes, 0).ok()?;
    let [_, _, _, _, _, _, first, ..] = header;
    let source = address(&header, 8..24).ok()?;
    let mut destination = address(&header, 24..40).ok()?;
    let (mut kind, mut at) = (first, IPV6_HEADER_LEN);
    for _ in 0..=MOST_EXTENSIONS {
        if !is_extension(kind) {
            return Some((kind, source, destination, at));
        }
        if kind == ROUTING {
            destination = last_segment(bytes, at, destination)?;
        }
        let (next, len) = extension(bytes, Parts::TakeFirst, kind, at).ok()?;
        (kind, at) = (next, at.saturating_add(len));
    }
    None
}

/// Returns where a routing header at an offset leads a packet to `destination` in the end.
fn last_segment<A: Ip>(bytes: &(impl Bytes + ?Sized), at: usize, destination: A) -> Option<A> {
    let [_, units, kind, left, compressed, pad] = read(bytes, at).ok()?;
    if left == 0 {
        return Some(destination);
    }
    let mut octets: [u8; 16] = destination.octets().try_into().ok()?;
    if kind == SHORT_SEGMENTS {
        // The last address lacks what it has in common with the destination.
        let common = usize::from(compressed & 0xf);
        let end = usize::from(units).saturating_add(1).saturating_mul(8);
        let end = end.checked_sub(usize::from(pad >> 4))?;
        let tail = octets.get_mut(common..)?;
        let begin = end.checked_sub(tail.len())?;
        if !bytes.copy_to(at.saturating_add(begin), tail) {
            return None;
        }
    } else {
        // Segments are in reverse order (RFC 8754), or there is one (RFC 6275).
        octets = read(bytes, at.saturating_add(8)).ok()?;
    }
    A::from_octets(&octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::{V4, V6},
        packet::{self, tests::ipv6, Unhandled},
    };
    use std::vec::Vec;

    const UDP: [u8; 8] = [0x30, 0x39, 0, 53, 0, 8, 0, 0];
    const ELSEWHERE: [u8; 16] = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 4];

    fn ipv4(options: &[u8], fragment: u16, l4: &[u8]) -> Vec<u8> {
        let words = 5 + options.len() / 4;
        let len = words * 4 + l4.len();
        let mut packet = Vec::from([0x40 | words as u8, 0, 0, len as u8, 0, 0]);
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(options);
        packet.extend(l4);
        packet
    }

    fn destination6(next: u8, rest: &[u8]) -> Option<(V6, u16)> {
        let packet = parse::<V6>(&ipv6(next, rest)[..])?;
        assert_eq!(packet.source.address, V6([1; 16]));
        Some((packet.destination.address, packet.destination.port))
    }

    #[test]
    fn a_plain_packet_is_read_as_ever() {
        let bytes = ipv4(&[], 0, &UDP);
        let strict = packet::parse::<V4>(&bytes[..]).unwrap();
        let read = parse::<V4>(&bytes[..]).unwrap();
        assert_eq!(
            read,
            Packet {
                length: 0,
                ..strict
            }
        );
    }

    #[test]
    fn wrong_lengths_and_a_first_fragment_are_overlooked() {
        let mut short = UDP;
        short[5] = 3;
        for bytes in [
            ipv4(&[], 0x2000, &UDP),
            ipv4(&[], 0, &short),
            ipv4(&[], 0, &UDP[..4]),
        ] {
            assert!(packet::parse::<V4>(&bytes[..]).is_err());
            let packet = parse::<V4>(&bytes[..]).unwrap();
            assert_eq!(packet.destination.port, 53);
            assert_eq!(packet.destination.address, V4([192, 0, 2, 2]));
        }
        assert_eq!(parse::<V4>(&ipv4(&[], 0x2001, &UDP)[..]), None);
        assert_eq!(parse::<V4>(&ipv4(&[], 0, &UDP[..3])[..]), None);
        let first = [&[17, 0, 0, 1, 0, 0, 0, 0][..], &UDP].concat();
        assert_eq!(destination6(44, &first), Some((V6([2; 16]), 53)));
        let later = [&[17, 0, 0, 8, 0, 0, 0, 0][..], &UDP].concat();
        assert_eq!(destination6(44, &later), None);
    }

    #[test]
    fn ipv4_source_routes_are_followed() {
        let last = Some(V4([198, 51, 100, 10]));
        for (options, expected) in [
            (&[131, 7, 4, 198, 51, 100, 10, 0][..], last),
            (&[1, 137, 7, 4, 198, 51, 100, 10], last),
            (&[7, 4, 4, 0, 131, 7, 4, 198, 51, 100, 10, 0], last),
            (&[131, 11, 8, 1, 2, 3, 4, 198, 51, 100, 10, 0], last),
            // It is there.
            (&[131, 7, 8, 198, 51, 100, 10, 0], None),
            // Behind the end, or an option without a length.
            (&[0, 131, 7, 4, 198, 51, 100, 10], None),
            (&[7, 0, 131, 7, 4, 198, 51, 100], None),
            (&[131, 3, 3, 0], None),
        ] {
            let bytes = ipv4(options, 0, &UDP);
            let header_len = 20 + options.len();
            assert_eq!(
                last_stop::<V4>(&bytes[..], header_len),
                expected,
                "{options:?}"
            );
            let packet = parse::<V4>(&bytes[..]).unwrap();
            let address = expected.unwrap_or(V4([192, 0, 2, 2]));
            assert_eq!(packet.destination.address, address, "{options:?}");
        }
    }

    #[test]
    fn routing_headers_are_followed() {
        for kind in [2, 4] {
            let mut rest = Vec::from([17, 2, kind, 1, 0, 0, 0, 0]);
            rest.extend(ELSEWHERE);
            rest.extend(UDP);
            let refused = packet::parse::<V6>(&ipv6(ROUTING, &rest)[..]);
            assert_eq!(refused, Err(Unhandled::SourceRouted));
            assert_eq!(destination6(ROUTING, &rest), Some((V6(ELSEWHERE), 53)));
            rest[3] = 0;
            assert_eq!(destination6(ROUTING, &rest), Some((V6([2; 16]), 53)));
        }
        // Two addresses of three bytes each, two bytes of padding.
        let mut rest = Vec::from([17, 1, SHORT_SEGMENTS, 2, 0xdd, 0x20, 0, 0]);
        rest.extend([7, 7, 7, 8, 9, 10, 0, 0]);
        rest.extend(UDP);
        let mut last = [2; 16];
        last[13..].copy_from_slice(&[8, 9, 10]);
        assert_eq!(destination6(ROUTING, &rest), Some((V6(last), 53)));
        // Of two routing headers the second one leads on from where the first one does.
        let mut rest = Vec::from([ROUTING, 2, 4, 1, 0, 0, 0, 0]);
        rest.extend([7; 16]);
        rest.extend([17, 2, 4, 1, 0, 0, 0, 0]);
        rest.extend(ELSEWHERE);
        rest.extend(UDP);
        assert_eq!(destination6(ROUTING, &rest), Some((V6(ELSEWHERE), 53)));
    }
}
