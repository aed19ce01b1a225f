// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about the packets of connections.
//!
//! An error quotes the start of the packet that caused it, as that packet was where the error was
//! made. Its receiver finds the socket by what is quoted, so the quoted addresses and ports have to
//! be rewritten as those of the packet were.
//!
//! ICMP: RFC 792, RFC 1122 section 3.2.2. ICMPv6: RFC 4443.

use super::{
    bytes::{read, Bytes, Unhandled},
    fields::l4_checksum,
    ip::{network, Parts},
    sctp::Chunk,
    tcp::TcpFlags,
    Packet, Signal,
};
use crate::address::{Endpoint, Family, Ip, Protocol};

/// An error message, and the packet that it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError<A: Ip> {
    /// The sender of the error: the quoted packet's destination, or a router on the way.
    pub source: A,
    /// Its receiver: the sender of the quoted packet.
    pub destination: A,
    /// Where the ICMP header starts, in bytes from the start of the IP header.
    pub offset: usize,
    /// Whether it says that the quoted packet's port is closed.
    pub is_port_unreachable: bool,
    /// The packet that caused the error.
    pub quoted: Quoted<A>,
}

/// The start of a packet, in an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<A: Ip> {
    /// The transport protocol.
    pub protocol: Protocol,
    /// Where the packet came from.
    pub source: Endpoint<A>,
    /// Where it was to go.
    pub destination: Endpoint<A>,
    /// The four bytes behind the ports: TCP's sequence number.
    pub sequence: u32,
    /// Where its IP header starts, in bytes from the start of the error's own IP header.
    pub offset: usize,
    /// Where its transport header starts, in bytes from the start of its IP header.
    pub l4_offset: usize,
    /// How many bytes of it there are from its transport header on.
    pub transport: usize,
    /// Whether the quotation reaches to the end of a transport checksum that is to be updated. That
    /// of SCTP is not: a receiver of the quotation has no use for it.
    pub has_checksum: bool,
}

impl<A: Ip> Quoted<A> {
    /// Returns a packet that the quoted one may have answered: one in mid-stream from its
    /// destination to its source. Nothing else is known of it, neither its length nor its offsets.
    pub fn answered(&self) -> Packet<A> {
        Packet {
            protocol: self.protocol,
            source: self.destination,
            destination: self.source,
            l4_offset: 0,
            length: 0,
            signal: match self.protocol {
                Protocol::Tcp => Signal::Tcp(TcpFlags(TcpFlags::ACK)),
                Protocol::Udp => Signal::Udp,
                Protocol::Sctp => Signal::Sctp(Chunk::Data),
            },
        }
    }
}

/// Type, code, checksum, and a word that depends on the type.
const HEADER_LEN: usize = 8;

/// What an error must at least quote of the transport header (RFC 792).
const QUOTED_LEN: usize = 8;

/// Returns `true` if messages of this type quote a packet.
const fn is_error(family: Family, kind: u8) -> bool {
    match family {
        // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
        Family::V4 => matches!(kind, 3..=5 | 11 | 12),
        // Destination unreachable, packet too big, time exceeded, parameter problem.
        Family::V6 => matches!(kind, 1..=4),
    }
}

/// Returns `true` if a message of this type and code says that the port is closed.
const fn is_port_unreachable(family: Family, kind: u8, code: u8) -> bool {
    match family {
        Family::V4 => kind == 3 && code == 3,
        Family::V6 => kind == 1 && code == 4,
    }
}

/// Bytes from an offset on.
struct Tail<'a, B: ?Sized> {
    bytes: &'a B,
    start: usize,
}

impl<B: Bytes + ?Sized> Bytes for Tail<'_, B> {
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        match self.start.checked_add(offset) {
            Some(offset) => self.bytes.copy_to(offset, into),
            None => false,
        }
    }
}

/// Reads an ICMP message of which [`super::parse`] said that it is one ([`Unhandled::Icmp`]).
///
/// A quoted fragment must be the first one, as only that has the ports.
///
/// # Errors
///
/// [`Unhandled::OtherProtocol`] for a message that quotes no packet, or one that no service could
/// have; the others as for the quoted packet itself.
pub fn parse<A: Ip>(bytes: &(impl Bytes + ?Sized)) -> Result<IcmpError<A>, Unhandled> {
    let outer = network::<A>(bytes, Parts::Refuse)?;
    if outer.payload() < HEADER_LEN {
        return Err(Unhandled::Truncated);
    }
    let [kind, code, ..] = read::<HEADER_LEN>(bytes, outer.l4_offset)?;
    if !is_error(A::FAMILY, kind) {
        return Err(Unhandled::OtherProtocol);
    }
    let tail = Tail {
        bytes,
        start: outer.l4_offset.saturating_add(HEADER_LEN),
    };
    let room = outer.payload().saturating_sub(HEADER_LEN);
    Ok(IcmpError {
        source: outer.source,
        destination: outer.destination,
        offset: outer.l4_offset,
        is_port_unreachable: is_port_unreachable(A::FAMILY, kind, code),
        quoted: quoted(&tail, room)?,
    })
}

/// Reads the quoted packet, of which the message has `room` bytes.
fn quoted<A: Ip, B: Bytes + ?Sized>(
    tail: &Tail<'_, B>,
    room: usize,
) -> Result<Quoted<A>, Unhandled> {
    let network = network::<A>(tail, Parts::TakeFirst)?;
    let protocol = Protocol::from_number(network.protocol).ok_or(Unhandled::OtherProtocol)?;
    // The packet may have been longer than what is quoted of it, and the message may go on after
    // a short packet.
    let transport = room
        .saturating_sub(network.l4_offset)
        .min(network.payload());
    if transport < QUOTED_LEN {
        return Err(Unhandled::Truncated);
    }
    let [s1, s0, d1, d0, sequence @ ..] = read::<QUOTED_LEN>(tail, network.l4_offset)?;
    let checksum = l4_checksum(protocol, 0);
    let mut bytes = [0; 2];
    let at = network.l4_offset.saturating_add(checksum.start);
    Ok(Quoted {
        protocol,
        source: Endpoint {
            address: network.source,
            port: u16::from_be_bytes([s1, s0]),
        },
        destination: Endpoint {
            address: network.destination,
            port: u16::from_be_bytes([d1, d0]),
        },
        sequence: u32::from_be_bytes(sequence),
        offset: tail.start,
        l4_offset: network.l4_offset,
        transport,
        has_checksum: protocol != Protocol::Sctp
            && transport >= checksum.end
            && tail.copy_to(at, &mut bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{address::V4, connection::state, packet::rewrite};
    use std::vec::Vec;

    /// A destination unreachable from 192.0.2.2 about a UDP packet to its port 53, of which
    /// `quoted` bytes are there.
    fn unreachable(quoted: usize) -> Vec<u8> {
        let mut packet = Vec::from([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0]);
        packet.extend([192, 0, 2, 2, 192, 0, 2, 1]);
        packet.extend([3, 3, 0, 0, 0, 0, 0, 0]);
        let mut quote = Vec::from([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0]);
        quote.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        quote.extend([0x30, 0x39, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
        packet.extend(&quote[..quoted]);
        packet[3] += quoted as u8;
        packet
    }

    fn parse4(packet: &[u8]) -> Result<IcmpError<V4>, Unhandled> {
        parse(packet)
    }

    #[test]
    fn the_quoted_packet_is_read() {
        let error = parse4(&unreachable(32)).unwrap();
        assert_eq!(error.source, V4([192, 0, 2, 2]));
        assert_eq!(error.destination, V4([192, 0, 2, 1]));
        assert_eq!((error.offset, error.quoted.offset), (20, 28));
        assert_eq!(error.quoted.source.port, 12345);
        assert_eq!(error.quoted.destination.port, 53);
    }

    #[test]
    fn what_the_quoted_packet_answered() {
        let quoted = parse4(&unreachable(32)).unwrap().quoted;
        assert_eq!(quoted.sequence, 0x000c_0000);
        for (protocol, number) in [
            (Protocol::Tcp, 6),
            (Protocol::Udp, 17),
            (Protocol::Sctp, 132),
        ] {
            let mut packet = unreachable(32);
            packet[37] = number;
            let answered = parse4(&packet).unwrap().quoted.answered();
            assert_eq!(answered.protocol, protocol);
            assert_eq!(answered.source, quoted.destination);
            assert_eq!(answered.destination, quoted.source);
            // It opens an entry only where the setting for it says so.
            assert!(state::continues(answered.signal));
            assert_eq!(state::opens(answered.signal), protocol == Protocol::Udp);
        }
    }

    #[test]
    fn eight_bytes_of_the_transport_header_are_enough() {
        assert!(parse4(&unreachable(28)).is_ok());
        assert_eq!(parse4(&unreachable(27)), Err(Unhandled::Truncated));
    }

    #[test]
    fn what_the_message_does_not_claim_is_not_read() {
        // The quotation is in the frame, but the IP header says that the packet ends before.
        let mut packet = unreachable(32);
        packet[3] = 28 + 27;
        assert_eq!(parse4(&packet), Err(Unhandled::Truncated));
    }

    #[test]
    fn other_messages_quote_nothing() {
        for kind in 0..=255 {
            let mut packet = unreachable(32);
            packet[20] = kind;
            let quotes = matches!(kind, 3 | 4 | 5 | 11 | 12);
            let expected = if quotes {
                None
            } else {
                Some(Unhandled::OtherProtocol)
            };
            assert_eq!(parse4(&packet).err(), expected, "{kind}");
        }
    }

    #[test]
    fn port_unreachable() {
        assert!(parse4(&unreachable(32)).unwrap().is_port_unreachable);
        let mut packet = unreachable(32);
        packet[21] = 1;
        assert!(!parse4(&packet).unwrap().is_port_unreachable);
        assert!(is_port_unreachable(Family::V6, 1, 4));
        assert!(!is_port_unreachable(Family::V6, 3, 3) && !is_port_unreachable(Family::V6, 1, 1));
    }

    #[test]
    fn only_the_first_fragment_has_ports() {
        for (flags, expected) in [
            (0x0000, None),
            (0x2000, None),
            (0x2001, Some(Unhandled::Fragment)),
            (0x0001, Some(Unhandled::Fragment)),
        ] {
            let mut packet = unreachable(32);
            packet[34..36].copy_from_slice(&u16::to_be_bytes(flags));
            assert_eq!(parse4(&packet).err(), expected, "{flags:#x}");
        }
    }

    #[test]
    fn a_truncated_checksum_is_none() {
        let mut packet = unreachable(32);
        packet[37] = 6;
        let error = parse4(&packet).unwrap();
        assert!(!error.quoted.has_checksum);
        assert_eq!(rewrite::writable_len_of_error(&error), 28 + 20 + 4);
        assert!(parse4(&unreachable(28)).unwrap().quoted.has_checksum);
    }
}
