// SPDX-License-Identifier: GPL-2.0

//! The SCTP packet that refuses an association.

use super::{
    bytes::{read, Bytes},
    crc32c,
    sctp::{Chunk, ABORT, CHUNK_HEADER_LEN, HEADER_LEN},
    Packet, Signal,
};
use crate::address::Ip;

/// The length of what [`abort`] makes, in bytes.
pub const LEN: usize = HEADER_LEN + CHUNK_HEADER_LEN;

/// Makes the SCTP packet that refuses an INIT at a closed port: an ABORT with the tag that the INIT
/// asks for (RFC 9260 sections 3.3.7 and 8.4), from where the INIT went to where it came from.
/// `None` when the packet is no INIT.
pub fn abort<A: Ip>(bytes: &(impl Bytes + ?Sized), packet: &Packet<A>) -> Option<[u8; LEN]> {
    if packet.signal != Signal::Sctp(Chunk::Init) {
        return None;
    }
    let tag = packet
        .l4_offset
        .saturating_add(HEADER_LEN + CHUNK_HEADER_LEN);
    let [t3, t2, t1, t0] = read(bytes, tag).ok()?;
    let [s1, s0] = packet.destination.port.to_be_bytes();
    let [d1, d0] = packet.source.port.to_be_bytes();
    let mut answer = [s1, s0, d1, d0, t3, t2, t1, t0, 0, 0, 0, 0, ABORT, 0, 0, 4];
    let checksum = crc32c::checksum(&answer).to_le_bytes();
    answer.get_mut(8..12)?.copy_from_slice(&checksum);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{address::V4, packet};
    use std::vec::Vec;

    /// What answers an IPv4 packet from port 0x1234 to port 80 with this chunk.
    fn answer(chunk: &[u8]) -> Option<[u8; LEN]> {
        let mut bytes = Vec::from([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 132, 0, 0]);
        bytes.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        bytes.extend([0x12, 0x34, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0]);
        bytes.extend(chunk);
        bytes[3] += chunk.len() as u8;
        let packet = packet::parse::<V4>(&bytes[..]).unwrap();
        abort(&bytes[..], &packet)
    }

    #[test]
    fn an_abort_answers_an_init() {
        let mut init = [0; 20];
        init[..8].copy_from_slice(&[1, 0, 0, 20, 0xca, 0xfe, 0xba, 0xbe]);
        let answered = answer(&init).unwrap();
        assert_eq!(answered[..4], [0, 80, 0x12, 0x34]);
        assert_eq!(answered[4..8], [0xca, 0xfe, 0xba, 0xbe]);
        assert_eq!(answered[12..], [6, 0, 0, 4]);
        let mut zeroed = answered;
        zeroed[8..12].fill(0);
        assert_eq!(answered[8..12], crc32c::checksum(&zeroed).to_le_bytes());

        // Without the tag, and for any other chunk, there is no answer.
        assert_eq!(answer(&[1, 0, 0, 4]), None);
        init[0] = 10;
        assert_eq!(answer(&init), None);
    }
}
