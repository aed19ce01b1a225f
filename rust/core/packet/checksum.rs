// SPDX-License-Identifier: GPL-2.0

//! The Internet checksum: RFC 1071, and its update in place, RFC 1624.
//!
//! A *sum* here is the one's complement sum of big-endian 16-bit words; a *checksum* is what a
//! header's field holds, the complement of a sum. Numbers are the big-endian words read as `u16`.
//! In one's complement 0 and 0xffff are the same number, and a sum of words that are not all 0 is
//! never 0.

use crate::address::Ip;

/// Adds in one's complement.
#[inline]
pub const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    // With a carry the sum is at most 0xfffe.
    sum.wrapping_add(carry as u16)
}

/// Subtracts in one's complement.
#[inline]
pub const fn sub(a: u16, b: u16) -> u16 {
    add(a, !b)
}

/// Returns the sum of bytes that start at an even offset of the data summed; an odd last byte
/// counts as the high half of a word.
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.split_at(bytes.len() & !1);
    let mut total = 0;
    for word in words.chunks_exact(2) {
        if let Ok(word) = word.try_into() {
            total = add(total, u16::from_be_bytes(word));
        }
    }
    match rest.first() {
        Some(last) => add(total, u16::from_be_bytes([*last, 0])),
        None => total,
    }
}

/// Returns the checksum after the sum of the data it covers grew by `delta`.
#[inline]
pub const fn adjust(checksum: u16, delta: u16) -> u16 {
    !add(!checksum, delta)
}

/// Returns the checksum after a 16-bit word of the data changed (RFC 1624, equation 3).
#[inline]
pub const fn update_word(checksum: u16, from: u16, to: u16) -> u16 {
    adjust(checksum, sub(to, from))
}

/// Returns the checksum after some bytes of the data changed, which start at an even offset of it.
#[inline]
pub fn update_bytes(checksum: u16, from: &[u8], to: &[u8]) -> u16 {
    update_word(checksum, sum(from), sum(to))
}

/// Returns the sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
///
/// `length` is that of the transport header and its payload, in bytes.
pub fn pseudo_header<A: Ip>(source: A, destination: A, protocol: u8, length: u32) -> u16 {
    let addresses = add(sum(source.octets()), sum(destination.octets()));
    let rest = add(sum(&length.to_be_bytes()), u16::from(protocol));
    add(addresses, rest)
}

/// Returns the checksum of a TCP or UDP segment, which holds 0 in the field that is to have it.
///
/// Over a segment with its checksum in place this is 0 when the checksum is right. UDP sends
/// 0xffff for a computed 0; that is left to the caller. `None` for a segment of 4 GiB or more.
pub fn transport<A: Ip>(source: A, destination: A, protocol: u8, segment: &[u8]) -> Option<u16> {
    let length = u32::try_from(segment.len()).ok()?;
    let pseudo = pseudo_header(source, destination, protocol, length);
    Some(!add(pseudo, sum(segment)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_of_the_example_in_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum(&bytes), 0xddf2);
    }

    #[test]
    fn update_of_the_example_in_rfc_1624() {
        // The case that the equation of RFC 1141 gets wrong: it finds 0xffff.
        assert_eq!(update_word(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn an_odd_byte_is_the_high_half() {
        assert_eq!(sum(&[0x12]), 0x1200);
        assert_eq!(sum(&[]), 0);
    }

    #[test]
    fn update_without_a_change_changes_nothing() {
        for checksum in 0..=0xffff {
            let same = update_word(checksum, 0xabcd, 0xabcd);
            // Of the two zeros only one comes out.
            assert_eq!(same, if checksum == 0xffff { 0 } else { checksum });
        }
    }
}
