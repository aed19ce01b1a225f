// SPDX-License-Identifier: GPL-2.0

//! Rewriting one end of a packet, with its checksums.

use core::ops::Range;

use crate::{
    address::{Endpoint, Family, Ip, Protocol},
    packet::{checksum, icmp::IcmpError, Packet},
};

mod sctp;

/// Both ports, at the start of a transport header.
const PORTS_LEN: usize = 4;

/// What the packet's transport checksum field stands for (`skb->ip_summed`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sums {
    /// The field holds the sum of the pseudo-header, not complemented, or of SCTP 0; the device or
    /// the stack completes it over the transport header, with the ports, and the payload
    /// (`CHECKSUM_PARTIAL`).
    ///
    /// Only when it is the header at [`Packet::l4_offset`] that is to be completed: of a tunnel's
    /// packet it may be an inner one, and then the outer one's checksum is complete, that is
    /// [`Sums::Other`].
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
/// For [`Sums::Complete`] it must be added to `skb->csum`, so that it is again the packet's sum.
/// It is 0 (or 0xffff, the other zero) unless the packet is one of IPv4 whose address changed, one
/// of UDP without a checksum or one of SCTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(pub u16);

/// The slice holds fewer bytes than [`writable_len`] asks for, or an SCTP packet, whose length its
/// checksum depends on, does not tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort;

/// Where the fields of a transport header are that may be rewritten, from the start of the packet.
struct Fields {
    port: usize,
    internet_checksum: Option<usize>,
}

/// The transport checksum's field, of a transport header at `l4_offset`.
#[inline]
pub(crate) fn l4_checksum(protocol: Protocol, l4_offset: usize) -> Range<usize> {
    let (offset, len) = match protocol {
        Protocol::Tcp => (16, 2),
        Protocol::Udp => (6, 2),
        Protocol::Sctp => (8, 4),
    };
    let start = l4_offset.saturating_add(offset);
    start..start.saturating_add(len)
}

#[inline]
fn address<A: Ip>(side: Which) -> Range<usize> {
    match (A::FAMILY, side) {
        (Family::V4, Which::Source) => 12..16,
        (Family::V4, Which::Destination) => 16..20,
        (Family::V6, Which::Source) => 8..24,
        (Family::V6, Which::Destination) => 24..40,
    }
}

/// Where the IP header's checksum is. IPv6 headers have none.
const IPV4_CHECKSUM: usize = 10;

impl Fields {
    #[inline]
    fn new(protocol: Protocol, l4_offset: usize, side: Which) -> Self {
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

/// How many bytes, from the start of the IP header on, must be writable for [`apply`]: up to the
/// end of the transport checksum, or all of an SCTP packet that carries addresses.
#[inline]
pub fn writable_len<A: Ip>(packet: &Packet<A>) -> usize {
    let headers = l4_checksum(packet.protocol, packet.l4_offset).end;
    match usize::try_from(packet.length) {
        Ok(length) if sctp::carries_addresses(packet) => headers.max(length),
        _ => headers,
    }
}

/// The same for [`apply_to_error`].
pub fn writable_len_of_error<A: Ip>(error: &IcmpError<A>) -> usize {
    let quoted = &error.quoted;
    let end = if quoted.has_checksum {
        l4_checksum(quoted.protocol, quoted.l4_offset).end
    } else {
        quoted.l4_offset.saturating_add(PORTS_LEN)
    };
    quoted.offset.saturating_add(end)
}

/// Rewrites one end of a packet in place and brings its checksums up to date.
///
/// `header` starts with the IP header. Checksums are updated, not computed: one that was wrong
/// stays wrong by as much. A UDP checksum of 0, which is none, stays 0. The other addresses that an
/// SCTP packet lists are hidden. When both ends are equal nothing is written.
///
/// # Errors
///
/// [`TooShort`], and nothing is written then.
pub fn apply<A: Ip>(
    header: &mut [u8],
    packet: &Packet<A>,
    sums: Sums,
    rewrite: &Rewrite<A>,
) -> Result<Delta, TooShort> {
    let header = header.get_mut(..writable_len(packet)).ok_or(TooShort)?;
    if rewrite.from == rewrite.to {
        return Ok(Delta::default());
    }
    let fields = Fields::new(packet.protocol, packet.l4_offset, rewrite.side);
    // First, as it may find that it cannot be done.
    let crc = match packet.protocol {
        Protocol::Sctp => sctp::update(header, packet, sums, rewrite)?,
        Protocol::Tcp | Protocol::Udp => 0,
    };
    let end = replace_end(header, fields, packet.protocol, sums, rewrite)?;
    Ok(Delta(checksum::add(crc, end)))
}

/// Rewrites one end of the packet that an ICMP error quotes, and the error's own address where
/// that is the same end's, with all checksums.
///
/// `rewrite` is about the quoted packet. An error goes the other way: its destination is the
/// quoted packet's source; its source is the quoted packet's destination, unless it comes from a
/// router on the way.
///
/// # Errors
///
/// [`TooShort`] when `header` has fewer than [`writable_len_of_error`] bytes.
pub fn apply_to_error<A: Ip>(
    header: &mut [u8],
    error: &IcmpError<A>,
    sums: Sums,
    rewrite: &Rewrite<A>,
) -> Result<Delta, TooShort> {
    let header = header
        .get_mut(..writable_len_of_error(error))
        .ok_or(TooShort)?;
    if rewrite.from == rewrite.to {
        return Ok(Delta::default());
    }
    let quoted = &error.quoted;
    let mut fields = Fields::new(quoted.protocol, quoted.l4_offset, rewrite.side);
    if !quoted.has_checksum {
        fields.internet_checksum = None;
    }
    let inner = header.get_mut(quoted.offset..).ok_or(TooShort)?;
    // Nothing completes the checksum of what is only quoted.
    let inside = replace_end(inner, fields, quoted.protocol, Sums::Other, rewrite)?;

    let (side, own) = match rewrite.side {
        Which::Source => (Which::Destination, error.destination),
        Which::Destination => (Which::Source, error.source),
    };
    let (mut outside, mut pseudo) = (0, 0);
    if own == rewrite.from.address {
        pseudo = replace(header, address::<A>(side), rewrite.to.address.octets())?;
        outside = checksum::add(pseudo, update_ip_checksum::<A>(header, pseudo)?);
    }
    if A::FAMILY == Family::V4 {
        // Only ICMPv6 sums a pseudo-header (RFC 4443 section 2.3).
        pseudo = 0;
    }
    let at = error.offset.saturating_add(2);
    let own_checksum = replace_word(header, at, |old| match sums {
        Sums::Partial => checksum::add(old, pseudo),
        Sums::Complete | Sums::Other => checksum::adjust(old, checksum::add(inside, pseudo)),
    })?;
    let delta = checksum::add(checksum::add(inside, outside), own_checksum);
    Ok(Delta(delta))
}

/// Writes one end of a packet; tells by how much the sum of its bytes has grown.
#[inline]
fn replace_end<A: Ip>(
    header: &mut [u8],
    fields: Fields,
    protocol: Protocol,
    sums: Sums,
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
        (Sums::Partial, _) => checksum::add(old, address),
        (_, Protocol::Udp) => udp_checksum(old, ends),
        _ => checksum::adjust(old, ends),
    })?;
    Ok(checksum::add(delta, checksum))
}

/// Brings the IP header's checksum up to date after its sum grew by `delta`; tells by how much
/// the checksum has grown.
#[inline]
fn update_ip_checksum<A: Ip>(header: &mut [u8], delta: u16) -> Result<u16, TooShort> {
    match A::FAMILY {
        Family::V4 => replace_word(header, IPV4_CHECKSUM, |old| checksum::adjust(old, delta)),
        Family::V6 => Ok(0),
    }
}

/// The UDP checksum after the sum of the data it covers grew by `delta`: 0 says that there is
/// none, and is written as 0xffff when it is the result (RFC 768).
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

/// The two bytes at an offset.
#[inline]
fn bytes_at(header: &mut [u8], at: usize) -> Result<&mut [u8; 2], TooShort> {
    let tail = header.get_mut(at..).ok_or(TooShort)?;
    tail.first_chunk_mut().ok_or(TooShort)
}

/// The word at an offset.
#[inline]
fn word(header: &mut [u8], at: usize) -> Result<u16, TooShort> {
    bytes_at(header, at).map(|bytes| u16::from_be_bytes(*bytes))
}

/// Writes the word at an offset, as `new` makes it of the one that is there; tells by how much the
/// sum of the bytes has grown.
#[inline]
fn replace_word(
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

/// Writes a field; tells by how much the sum of the bytes has grown.
#[inline]
fn replace(header: &mut [u8], at: Range<usize>, new: &[u8]) -> Result<u16, TooShort> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::{V4, V6},
        packet::{self, sctp::Chunk, Signal, TcpFlags},
    };

    /// A UDP packet with a payload of two bytes, from 192.0.2.1:4096 to 192.0.2.10:53.
    fn packet(checksum: u16) -> [u8; 30] {
        let [c1, c0] = checksum.to_be_bytes();
        [
            0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0xf6, 0xc1, 192, 0, 2, 1, 192, 0, 2, 10, //
            0x10, 0, 0, 53, 0, 10, c1, c0, 0xab, 0xcd,
        ]
    }

    fn to_port(bytes: &mut [u8], sums: Sums, port: u16) -> Delta {
        let packet = packet::parse::<V4>(&*bytes).unwrap();
        let from = packet.destination;
        let rewrite = Rewrite {
            side: Which::Destination,
            from,
            to: Endpoint { port, ..from },
        };
        apply(bytes, &packet, sums, &rewrite).unwrap()
    }

    #[test]
    fn partial_sums_do_not_know_ports() {
        let mut bytes = packet(0x8432);
        to_port(&mut bytes, Sums::Partial, 8001);
        assert_eq!(bytes[22..24], 8001u16.to_be_bytes());
        assert_eq!(bytes[26..28], [0x84, 0x32]);
    }

    #[test]
    fn no_udp_checksum_stays_none() {
        for sums in [Sums::Complete, Sums::Other] {
            let mut bytes = packet(0);
            let delta = to_port(&mut bytes, sums, 8001);
            assert_eq!(bytes[26..28], [0, 0]);
            // Nothing in the packet makes up for the port: the device's sum must.
            assert_eq!(delta.0, 8001 - 53);
        }
    }

    #[test]
    fn udp_checksum_does_not_become_none() {
        // With port 53 the rest sums to 0x1234; with this port it sums to 0xffff.
        let mut bytes = packet(!0x1234);
        to_port(&mut bytes, Sums::Other, 53 + (0xffff - 0x1234));
        assert_eq!(bytes[26..28], [0xff, 0xff]);
    }

    #[test]
    fn headers_end_at_the_checksum() {
        let mut udp = packet::parse::<V4>(&packet(0)[..]).unwrap();
        assert_eq!(writable_len(&udp), 28);
        udp.protocol = Protocol::Tcp;
        assert_eq!(writable_len(&udp), 38);
        udp.protocol = Protocol::Sctp;
        assert_eq!(writable_len(&udp), 32);
        // The addresses of an INIT may be anywhere in it.
        udp.signal = Signal::Sctp(Chunk::Init);
        udp.length = 500;
        assert_eq!(writable_len(&udp), 500);
        udp.signal = Signal::Sctp(Chunk::Data);
        assert_eq!(writable_len(&udp), 32);
    }

    #[test]
    fn odd_packets_are_too_short_rather_than_a_panic() {
        let end = Endpoint {
            address: V6([0; 16]),
            port: 1,
        };
        let rewrite = Rewrite {
            side: Which::Source,
            from: end,
            to: Endpoint {
                address: V6([1; 16]),
                port: 2,
            },
        };
        for l4_offset in [0, 20, 40, 41, 4000, usize::MAX - 1, usize::MAX] {
            let tcp = Packet {
                protocol: Protocol::Tcp,
                source: end,
                destination: end,
                l4_offset,
                length: 0,
                signal: Signal::Tcp(TcpFlags(0)),
            };
            // Shorter than the address field reaches, or longer than the slice.
            let fits = (20..=40).contains(&l4_offset);
            let done = apply(&mut [0; 58], &tcp, Sums::Other, &rewrite);
            assert_eq!(done.is_ok(), fits, "{l4_offset}");
            let sctp = Packet {
                protocol: Protocol::Sctp,
                signal: Signal::Sctp(Chunk::Init),
                length: 58,
                ..tcp
            };
            let done = apply(&mut [0; 58], &sctp, Sums::Other, &rewrite);
            assert_eq!(done.is_ok(), l4_offset <= 41, "{l4_offset}");
        }
    }
}
