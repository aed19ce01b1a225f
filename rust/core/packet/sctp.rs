// SPDX-License-Identifier: GPL-2.0

//! SCTP packets: a header, then chunks. RFC 9260 section 3.

use super::{
    bytes::{read, Bytes, Unhandled},
    ip::Network,
};

/// Ports, verification tag and checksum.
pub(super) const HEADER_LEN: usize = 12;
pub(super) const CHUNK_HEADER_LEN: usize = 4;

/// How many chunks of a packet are looked at. Control chunks are few, and come before the data.
const MAX_CHUNKS: usize = 8;

/// The chunks that change an association's state, and one for all that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chunk {
    /// DATA, SACK, HEARTBEAT and all that are not below: the association goes on.
    Data,
    /// The sender opens an association.
    Init,
    /// It is answered, with a cookie.
    InitAck,
    /// The cookie is sent back, which shows that the addresses are real.
    CookieEcho,
    /// The association is established.
    CookieAck,
    /// The sender has no more data.
    Shutdown,
    /// Neither has the other one.
    ShutdownAck,
    /// The association is over.
    ShutdownComplete,
    /// Something is wrong, but not with the association as a whole.
    Error,
    /// The association is over at once.
    Abort,
}

const INIT: u8 = 1;
pub(super) const ABORT: u8 = 6;

impl Chunk {
    /// Returns what a chunk of this type means (RFC 9260 section 3.2).
    #[inline]
    pub const fn of_type(number: u8) -> Self {
        match number {
            INIT => Self::Init,
            2 => Self::InitAck,
            ABORT => Self::Abort,
            7 => Self::Shutdown,
            8 => Self::ShutdownAck,
            9 => Self::Error,
            10 => Self::CookieEcho,
            11 => Self::CookieAck,
            14 => Self::ShutdownComplete,
            _ => Self::Data,
        }
    }

    /// Returns `true` if the chunk has to be alone in its packet (RFC 9260 section 6.10).
    #[inline]
    const fn is_alone(self) -> bool {
        matches!(self, Self::Init | Self::InitAck | Self::ShutdownComplete)
    }
}

/// Returns `true` if a chunk carries data, behind which no control chunk comes: DATA (RFC 9260) or
/// I-DATA (RFC 8260).
#[inline]
const fn carries_data(number: u8) -> bool {
    matches!(number, 0 | 64)
}

/// Reads the header: the ports, and the chunk that counts.
#[inline]
pub(super) fn parse<A>(
    bytes: &(impl Bytes + ?Sized),
    network: &Network<A>,
) -> Result<([u8; 4], Chunk), Unhandled> {
    if network.payload() < HEADER_LEN.saturating_add(CHUNK_HEADER_LEN) {
        return Err(Unhandled::Truncated);
    }
    let ports = read(bytes, network.l4_offset)?;
    Ok((ports, chunk(bytes, network)?))
}

/// Returns the first chunk that changes the state, or an ABORT behind it.
fn chunk<A>(bytes: &(impl Bytes + ?Sized), network: &Network<A>) -> Result<Chunk, Unhandled> {
    let mut found = Chunk::Data;
    let mut at = HEADER_LEN;
    for index in 0..MAX_CHUNKS {
        let left = network.payload().saturating_sub(at);
        if left < CHUNK_HEADER_LEN {
            break;
        }
        let [number, _, l1, l0] = read(bytes, network.l4_offset.saturating_add(at))?;
        let len = usize::from(u16::from_be_bytes([l1, l0]));
        if len < CHUNK_HEADER_LEN || len > left {
            return Err(Unhandled::Malformed);
        }
        let chunk = Chunk::of_type(number);
        if chunk.is_alone() {
            return if index == 0 {
                Ok(chunk)
            } else {
                Err(Unhandled::Malformed)
            };
        }
        if chunk == Chunk::Abort {
            return Ok(chunk);
        }
        if found == Chunk::Data {
            found = chunk;
        }
        if carries_data(number) {
            break;
        }
        // Chunks are padded to a multiple of four bytes, which the length does not count.
        at = at.saturating_add(len.saturating_add(3) & !3);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::V4,
        packet::{self, Signal},
    };
    use std::vec::Vec;

    const PORTS: [u8; 12] = [0x12, 0x34, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0];

    /// An IPv4 packet with these bytes behind SCTP's header.
    fn packet(chunks: &[u8]) -> Vec<u8> {
        let mut packet = Vec::from([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 132, 0, 0]);
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(PORTS);
        packet.extend(chunks);
        packet[3] += chunks.len() as u8;
        packet
    }

    fn parsed(chunks: &[u8]) -> Result<Chunk, Unhandled> {
        let packet = packet::parse::<V4>(&packet(chunks)[..])?;
        assert_eq!((packet.source.port, packet.destination.port), (0x1234, 80));
        match packet.signal {
            Signal::Sctp(chunk) => Ok(chunk),
            other => panic!("{other:?}"),
        }
    }

    /// A chunk of four bytes.
    fn short(number: u8) -> [u8; 4] {
        [number, 0, 0, 4]
    }

    #[test]
    fn types_are_those_of_the_rfc() {
        for (number, expected) in [
            (0, Chunk::Data),
            (1, Chunk::Init),
            (2, Chunk::InitAck),
            (3, Chunk::Data),
            (4, Chunk::Data),
            (5, Chunk::Data),
            (6, Chunk::Abort),
            (7, Chunk::Shutdown),
            (8, Chunk::ShutdownAck),
            (9, Chunk::Error),
            (10, Chunk::CookieEcho),
            (11, Chunk::CookieAck),
            (12, Chunk::Data),
            (13, Chunk::Data),
            (14, Chunk::ShutdownComplete),
            (15, Chunk::Data),
            (64, Chunk::Data),
            (0xc1, Chunk::Data),
            (255, Chunk::Data),
        ] {
            assert_eq!(parsed(&short(number)), Ok(expected), "{number}");
        }
    }

    #[test]
    fn what_counts_of_several_chunks() {
        for (numbers, expected) in [
            // A heartbeat or an authentication chunk says nothing yet.
            (&[4, 7][..], Ok(Chunk::Shutdown)),
            (&[15, 10], Ok(Chunk::CookieEcho)),
            (&[3, 3, 3, 11], Ok(Chunk::CookieAck)),
            (&[10, 0], Ok(Chunk::CookieEcho)),
            (&[11, 7], Ok(Chunk::CookieAck)),
            (&[10, 6], Ok(Chunk::Abort)),
            (&[9, 4, 6], Ok(Chunk::Abort)),
            // Nothing comes after data.
            (&[0, 6], Ok(Chunk::Data)),
            (&[64, 7], Ok(Chunk::Data)),
            (&[1, 6], Ok(Chunk::Init)),
            (&[4, 1], Err(Unhandled::Malformed)),
            (&[3, 2], Err(Unhandled::Malformed)),
            (&[9, 14], Err(Unhandled::Malformed)),
            (&[3, 3, 3, 3, 3, 3, 3, 6], Ok(Chunk::Abort)),
            (&[3, 3, 3, 3, 3, 3, 3, 3, 6], Ok(Chunk::Data)),
        ] {
            let chunks: Vec<u8> = numbers.iter().flat_map(|number| short(*number)).collect();
            assert_eq!(parsed(&chunks), expected, "{numbers:?}");
        }
    }

    #[test]
    fn lengths_of_chunks() {
        for (chunks, expected) in [
            (&[][..], Err(Unhandled::Truncated)),
            (&[0, 0, 0], Err(Unhandled::Truncated)),
            (&[0, 0, 0, 0], Err(Unhandled::Malformed)),
            (&[0, 0, 0, 3], Err(Unhandled::Malformed)),
            (&[0, 0, 0, 5], Err(Unhandled::Malformed)),
            (&[0, 0, 0, 5, 1], Ok(Chunk::Data)),
            // Padding that is left out at the end, and padding between two chunks.
            (&[10, 0, 0, 5, 1], Ok(Chunk::CookieEcho)),
            (&[3, 0, 0, 5, 1, 0, 0, 0, 6, 0, 0, 4], Ok(Chunk::Abort)),
            (&[3, 0, 0, 8, 1, 0, 0, 0, 6, 0, 0, 4], Ok(Chunk::Abort)),
            (&[3, 0, 0, 4, 6, 0, 0, 5], Err(Unhandled::Malformed)),
        ] {
            assert_eq!(parsed(chunks), expected, "{chunks:?}");
        }
    }
}
