// SPDX-License-Identifier: GPL-2.0

//! Rewriting one end of a packet, with its checksums.

use super::{
    checksum,
    fields::{l4_checksum, replace_end, Fields},
    Packet,
};
use crate::address::{Ip, Protocol};

pub use super::fields::{Delta, IpSummed, Rewrite, TooShort, Which};
pub use icmp::{apply_to_error, writable_len_of_error};

mod icmp;
mod sctp;

/// Returns how many bytes, from the start of the IP header on, must be writable for [`apply`]: up
/// to the end of the transport checksum, or all of an SCTP packet that carries addresses.
#[inline]
pub fn writable_len<A: Ip>(packet: &Packet<A>) -> usize {
    let headers = l4_checksum(packet.protocol, packet.l4_offset).end;
    match usize::try_from(packet.length) {
        Ok(length) if sctp::carries_addresses(packet) => headers.max(length),
        _ => headers,
    }
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
    sums: IpSummed,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::{Endpoint, V4, V6},
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

    fn to_port(bytes: &mut [u8], sums: IpSummed, port: u16) -> Delta {
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
        to_port(&mut bytes, IpSummed::Partial, 8001);
        assert_eq!(bytes[22..24], 8001u16.to_be_bytes());
        assert_eq!(bytes[26..28], [0x84, 0x32]);
    }

    #[test]
    fn no_udp_checksum_stays_none() {
        for sums in [IpSummed::Complete, IpSummed::Other] {
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
        to_port(&mut bytes, IpSummed::Other, 53 + (0xffff - 0x1234));
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
            let done = apply(&mut [0; 58], &tcp, IpSummed::Other, &rewrite);
            assert_eq!(done.is_ok(), fits, "{l4_offset}");
            let sctp = Packet {
                protocol: Protocol::Sctp,
                signal: Signal::Sctp(Chunk::Init),
                length: 58,
                ..tcp
            };
            let done = apply(&mut [0; 58], &sctp, IpSummed::Other, &rewrite);
            assert_eq!(done.is_ok(), l4_offset <= 41, "{l4_offset}");
        }
    }
}
