// SPDX-License-Identifier: GPL-2.0

//! The second try of a connection: whether what comes back for a client's first packet refuses it.
//!
//! A process may go between the choice of its port and the delivery of the first packet. The host
//! then refuses the connection in the process's place: a TCP segment by a reset (RFC 9293 section
//! 3.10.7.1), an SCTP INIT by an ABORT (RFC 9260 section 8.4), a datagram by an ICMP port
//! unreachable (RFC 1122 section 3.2.2.1, RFC 4443 section 3.1). A refusal shows by its numbers, or
//! by what it quotes, which packet it is about: only that packet is tried elsewhere.

use crate::{
    address::{Ip, Protocol},
    packet::{self, icmp::IcmpError, sctp::Chunk, Bytes, Packet, Signal},
};

/// How much of a quoted packet is compared, in bytes from its transport header on. What ICMP
/// extensions (RFC 4884) add comes after more than this.
const MOST_COMPARED: usize = 64;

/// How much of a quoted INIT: its header, and of its chunk the initiate tag. rlvs changes what
/// follows.
const INIT_COMPARED: usize = 20;

/// Returns `true` if a packet may be the refusal of a first packet, as it looks by itself.
#[inline]
pub fn may_refuse(signal: Signal) -> bool {
    match signal {
        Signal::Tcp(flags) => flags.rst() && flags.ack(),
        Signal::Sctp(chunk) => chunk == Chunk::Abort,
        Signal::Udp => false,
    }
}

/// Returns `true` if `answer`, a packet of the destination, refuses the client's packet `first`.
/// Each comes with its bytes.
pub fn refuses<A: Ip>(
    answer: (&Packet<A>, &(impl Bytes + ?Sized)),
    first: (&Packet<A>, &(impl Bytes + ?Sized)),
) -> bool {
    may_refuse(answer.0.signal)
        && answer.0.protocol == first.0.protocol
        && match (answered(answer.0, answer.1), awaited(first.0, first.1)) {
            (Some(answered), Some(awaited)) => answered == awaited,
            _ => false,
        }
}

/// Returns `true` if an ICMP error, whose bytes these are, says that the client's packet `first`
/// has met a closed port.
pub fn refuses_by_error<A: Ip>(
    error: (&IcmpError<A>, &(impl Bytes + ?Sized)),
    first: (&Packet<A>, &(impl Bytes + ?Sized)),
) -> bool {
    let (error, bytes) = error;
    let quoted = &error.quoted;
    if !error.is_port_unreachable || quoted.protocol != first.0.protocol {
        return false;
    }
    let quotation = quoted.offset.saturating_add(quoted.l4_offset);
    let most = match quoted.protocol {
        Protocol::Tcp | Protocol::Udp => MOST_COMPARED,
        Protocol::Sctp => INIT_COMPARED,
    };
    // The ports come first, and one of them was rewritten.
    (4..quoted.transport.min(most))
        .filter(|at| !is_checksum(quoted.protocol, *at))
        .all(|at| {
            let theirs = packet::read::<1>(bytes, quotation.saturating_add(at));
            let ours = packet::read::<1>(first.1, first.0.l4_offset.saturating_add(at));
            theirs.is_ok() && theirs == ours
        })
}

/// Returns `true` if this byte of a transport header is one of its checksum, which changes with a
/// port.
fn is_checksum(protocol: Protocol, at: usize) -> bool {
    match protocol {
        Protocol::Tcp => (16..18).contains(&at),
        Protocol::Udp => (6..8).contains(&at),
        Protocol::Sctp => (8..12).contains(&at),
    }
}

/// Returns the number that ties a refusal to what it refuses: the acknowledgement number, or the
/// verification tag.
fn answered<A: Ip>(answer: &Packet<A>, bytes: &(impl Bytes + ?Sized)) -> Option<u32> {
    match answer.signal {
        Signal::Tcp(_) => number_at(bytes, answer.l4_offset, 8),
        Signal::Sctp(_) => number_at(bytes, answer.l4_offset, 4),
        Signal::Udp => None,
    }
}

/// Returns the number that the refusal of a first packet has: what comes after a SYN and its data,
/// or the tag that an INIT asks for.
fn awaited<A: Ip>(first: &Packet<A>, bytes: &(impl Bytes + ?Sized)) -> Option<u32> {
    match first.signal {
        Signal::Tcp(flags) if flags.opens() => {
            let [words] = packet::read(bytes, first.l4_offset.saturating_add(12)).ok()?;
            let header = u32::from(words >> 4).saturating_mul(4);
            let before = u32::try_from(first.l4_offset).ok()?.saturating_add(header);
            // No SYN has a length that is unknown.
            let data = first.length.checked_sub(before)?;
            let sequence = number_at(bytes, first.l4_offset, 4)?;
            Some(sequence.wrapping_add(1).wrapping_add(data))
        }
        Signal::Sctp(Chunk::Init) => number_at(bytes, first.l4_offset, 16),
        _ => None,
    }
}

/// Reads four bytes of a transport header.
fn number_at(bytes: &(impl Bytes + ?Sized), header: usize, at: usize) -> Option<u32> {
    let number = packet::read(bytes, header.saturating_add(at)).ok()?;
    Some(u32::from_be_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::V4,
        packet::{icmp, TcpFlags},
    };
    use std::vec::Vec;

    const CLIENT: [u8; 4] = [192, 0, 2, 100];
    const SERVICE: [u8; 4] = [198, 51, 100, 10];

    fn ip(protocol: u8, from: [u8; 4], to: [u8; 4], l4: &[u8]) -> Vec<u8> {
        let length = (20 + l4.len()) as u16;
        let mut packet = Vec::from([0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]);
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet.extend(from);
        packet.extend(to);
        packet.extend(l4);
        packet
    }

    fn segment(
        ports: [u16; 2],
        numbers: [u32; 2],
        flags: u8,
        options: &[u8],
        data: &[u8],
    ) -> Vec<u8> {
        let mut l4 = Vec::new();
        l4.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        l4.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        l4.extend([
            ((5 + options.len() / 4) << 4) as u8,
            flags,
            0xff,
            0xff,
            0xab,
            0xcd,
            0,
            0,
        ]);
        l4.extend(options);
        l4.extend(data);
        l4
    }

    fn syn(sequence: u32, options: &[u8], data: &[u8]) -> Vec<u8> {
        let l4 = segment([4000, 80], [sequence, 0], TcpFlags::SYN, options, data);
        ip(6, CLIENT, SERVICE, &l4)
    }

    fn reset(flags: u8, acknowledgement: u32) -> Vec<u8> {
        let l4 = segment([8001, 4000], [0, acknowledgement], flags, &[], &[]);
        ip(6, SERVICE, CLIENT, &l4)
    }

    fn init(tag: u32) -> Vec<u8> {
        let mut l4 = Vec::from([15, 160, 0, 80, 0, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 20]);
        l4.extend(tag.to_be_bytes());
        l4.extend([0; 12]);
        ip(132, CLIENT, SERVICE, &l4)
    }

    fn abort(tag: u32) -> Vec<u8> {
        let mut l4 = Vec::from([31, 65, 15, 160]);
        l4.extend(tag.to_be_bytes());
        l4.extend([9, 9, 9, 9, 6, 0, 0, 4]);
        ip(132, SERVICE, CLIENT, &l4)
    }

    fn datagram(port: u16, data: &[u8]) -> Vec<u8> {
        let mut l4 = Vec::from([15, 160]);
        l4.extend(port.to_be_bytes());
        l4.extend((8 + data.len() as u16).to_be_bytes());
        // The checksum depends on the port.
        l4.extend(port.to_be_bytes());
        l4.extend(data);
        ip(17, CLIENT, SERVICE, &l4)
    }

    /// An ICMP message about a packet.
    fn error(kind: u8, code: u8, quoted: &[u8]) -> Vec<u8> {
        let mut l4 = Vec::from([kind, code, 0, 0, 0, 0, 0, 0]);
        l4.extend(quoted);
        ip(1, SERVICE, CLIENT, &l4)
    }

    fn is_refused(answer: &[u8], first: &[u8]) -> bool {
        let parsed = |bytes| packet::parse::<V4>(bytes).unwrap();
        refuses((&parsed(answer), answer), (&parsed(first), first))
    }

    fn is_refused_by(message: &[u8], first: &[u8]) -> bool {
        let error = icmp::parse::<V4>(message).unwrap();
        refuses_by_error((&error, message), (&packet::parse(first).unwrap(), first))
    }

    #[test]
    fn a_reset_refuses_the_syn_that_it_acknowledges() {
        let both = TcpFlags::RST | TcpFlags::ACK;
        let first = syn(1000, &[], &[]);
        assert!(is_refused(&reset(both, 1001), &first));
        assert!(!is_refused(&reset(both, 1000), &first));
        assert!(!is_refused(&reset(both, 1002), &first));
        assert!(is_refused(&reset(both, 0), &syn(u32::MAX, &[], &[])));
    }

    #[test]
    fn data_and_options_of_the_syn_count() {
        let first = syn(1000, &[2, 4, 5, 180, 1, 1, 1, 1], b"GET /");
        let both = TcpFlags::RST | TcpFlags::ACK;
        assert!(is_refused(&reset(both, 1006), &first));
        assert!(!is_refused(&reset(both, 1001), &first));
    }

    #[test]
    fn other_segments_refuse_nothing() {
        let first = syn(1000, &[], &[]);
        for flags in 0..=255 {
            let refusal = flags & 0x14 == 0x14;
            assert_eq!(
                is_refused(&reset(flags, 1001), &first),
                refusal,
                "{flags:#x}"
            );
        }
        // Nor is anything but a SYN tried again.
        let ack = segment([4000, 80], [1000, 5], TcpFlags::ACK, &[], &[]);
        assert!(!is_refused(
            &reset(0x14, 1001),
            &ip(6, CLIENT, SERVICE, &ack)
        ));
    }

    #[test]
    fn an_abort_refuses_the_init_whose_tag_it_has() {
        assert!(is_refused(&abort(0xcafe), &init(0xcafe)));
        assert!(!is_refused(&abort(0xcaff), &init(0xcafe)));
        assert!(!is_refused(&init(0xcafe), &init(0xcafe)));
        assert!(!is_refused(&abort(1001), &syn(1000, &[], &[])));
    }

    #[test]
    fn an_error_refuses_what_it_quotes() {
        // What is quoted went to the destination's port.
        let first = datagram(80, b"a question");
        let quoted = datagram(8001, b"a question");
        for kind in 0..=255 {
            for code in 0..=15 {
                let message = error(kind, code, &quoted);
                if icmp::parse::<V4>(&message[..]).is_ok() {
                    let refused = is_refused_by(&message, &first);
                    assert_eq!(refused, (kind, code) == (3, 3), "{kind} {code}");
                }
            }
        }
        assert!(!is_refused_by(
            &error(3, 3, &datagram(8001, b"another one")),
            &first
        ));
        assert!(!is_refused_by(
            &error(3, 3, &datagram(8001, b"a Question")),
            &first
        ));
        assert!(!is_refused_by(&error(3, 3, &syn(1, &[], &[])), &first));
    }

    #[test]
    fn what_is_not_quoted_is_not_compared() {
        let first = datagram(80, &[7; 100]);
        let quoted = datagram(8001, &[7; 100]);
        for len in 28..=128 {
            assert!(is_refused_by(&error(3, 3, &quoted[..len]), &first), "{len}");
        }
        // Padding and an extension behind a short quotation.
        let short = datagram(80, b"x");
        let mut message = error(3, 3, &datagram(8001, b"x"));
        message.extend([0x55; 140]);
        let length = (message.len() as u16).to_be_bytes();
        message[2..4].copy_from_slice(&length);
        assert!(is_refused_by(&message, &short));
    }

    #[test]
    fn an_error_may_refuse_a_syn_or_an_init() {
        let first = syn(1000, &[2, 4, 5, 180], b"data");
        let mut quoted = first.clone();
        quoted[22..24].copy_from_slice(&8001_u16.to_be_bytes());
        quoted[36..38].copy_from_slice(&[1, 2]);
        assert!(is_refused_by(&error(3, 3, &quoted), &first));
        assert!(!is_refused_by(
            &error(3, 3, &quoted),
            &syn(1001, &[2, 4, 5, 180], b"data")
        ));

        let first = init(0xcafe);
        let mut quoted = first.clone();
        quoted[22..24].copy_from_slice(&8001_u16.to_be_bytes());
        quoted[28..32].copy_from_slice(&[4, 3, 2, 1]);
        quoted[40] = 0x80;
        assert!(is_refused_by(&error(3, 3, &quoted), &first));
        assert!(!is_refused_by(&error(3, 3, &quoted), &init(0xcaff)));
    }
}
