// SPDX-License-Identifier: GPL-2.0

//! What is particular to SCTP: its checksum, and the addresses that its packets carry.
//!
//! The checksum covers the packet from the SCTP header on, and no addresses.
//!
//! The packets that set up an association list the other addresses of their sender, as IPv4 or
//! IPv6 Address Parameters (RFC 9260 section 3.3.2.1). On these ways nothing is rewritten: what
//! came by one would be from a stranger, and the stranger's ABORT would end the association. So the
//! parameters are made Padding Parameters (RFC 4820), which a receiver skips, and the association
//! has one address at each end.

use crate::{
    address::Ip,
    packet::{
        checksum,
        crc32c::Difference,
        fields::{replace, replace_word, word, IpSummed, Rewrite, TooShort, Which},
        sctp::Chunk,
        Packet, Signal,
    },
};

/// The checksum's offset from the SCTP header.
const CHECKSUM: usize = 8;
/// The offset of the first chunk's length.
const CHUNK: usize = 12;
/// The offset of an INIT's or INIT ACK's parameters, when it is the packet's only chunk.
const PARAMETERS: usize = 32;

const IPV4_ADDRESS: u16 = 5;
const IPV6_ADDRESS: u16 = 6;
const PADDING: u16 = 0x8005;

/// Returns `true` if the packet may carry addresses.
#[inline]
pub(super) fn carries_addresses<A: Ip>(packet: &Packet<A>) -> bool {
    matches!(packet.signal, Signal::Sctp(Chunk::Init | Chunk::InitAck))
}

/// Hides addresses and updates the checksum for that and for the new port, which it does not write.
/// Returns by how much the sum of the bytes has grown.
///
/// The length of what the checksum covers is the IP header's. Where that has no room for it, only a
/// partial checksum can be updated, as it is completed later: otherwise [`TooShort`], and nothing
/// is written. Not inlined into the code for the other protocols.
#[inline(never)]
pub(super) fn update<A: Ip>(
    header: &mut [u8],
    packet: &Packet<A>,
    sums: IpSummed,
    rewrite: &Rewrite<A>,
) -> Result<u16, TooShort> {
    let length = match (sums, covered(packet)) {
        (IpSummed::Partial, _) => None,
        (_, Some(length)) => Some(length),
        (_, None) => return Err(TooShort),
    };
    let segment = header.get_mut(packet.l4_offset..).ok_or(TooShort)?;
    let mut difference = Difference::default();
    let port = match rewrite.side {
        Which::Source => 0,
        Which::Destination => 2,
    };
    difference.word(port, rewrite.from.port, rewrite.to.port);
    let mut delta = 0;
    if carries_addresses(packet) {
        delta = hide_addresses(segment, &mut difference)?;
    }
    match length {
        Some(length) => Ok(checksum::add(
            delta,
            apply(segment, difference.at_end(length))?,
        )),
        None => Ok(delta),
    }
}

/// Returns how many bytes the checksum covers.
#[inline]
fn covered<A: Ip>(packet: &Packet<A>) -> Option<u16> {
    let length = usize::try_from(packet.length).ok()?;
    u16::try_from(length.checked_sub(packet.l4_offset)?).ok()
}

/// XORs the difference into the checksum, which has its lowest byte first.
fn apply(segment: &mut [u8], difference: u32) -> Result<u16, TooShort> {
    let at = CHECKSUM..CHECKSUM + 4;
    let old = segment.get(at.clone()).and_then(|old| old.try_into().ok());
    let new = u32::from_le_bytes(old.ok_or(TooShort)?) ^ difference;
    replace(segment, at, &new.to_le_bytes())
}

/// Makes padding of the addresses in an INIT or INIT ACK. Returns by how much the sum of the bytes
/// has grown. Parameters behind a broken one are left as they are: receivers stop there as well.
fn hide_addresses(segment: &mut [u8], difference: &mut Difference) -> Result<u16, TooShort> {
    let mut delta = 0;
    let length = word(segment, CHUNK + 2)?;
    let end = CHUNK.saturating_add(usize::from(length));
    let mut at = PARAMETERS;
    while at.saturating_add(4) <= end {
        let kind = word(segment, at)?;
        let len = word(segment, at.saturating_add(2))?;
        if len < 4 {
            break;
        }
        if matches!(kind, IPV4_ADDRESS | IPV6_ADDRESS) {
            let place = u16::try_from(at).map_err(|_| TooShort)?;
            difference.word(place, kind, PADDING);
            delta = checksum::add(delta, replace_word(segment, at, |_| PADDING)?);
        }
        at = at.saturating_add(usize::from(len).saturating_add(3) & !3);
    }
    Ok(delta)
}
