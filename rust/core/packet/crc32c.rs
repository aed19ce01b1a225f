// SPDX-License-Identifier: GPL-2.0

//! CRC32c, the checksum of SCTP (RFC 9260 section 6.8 and appendix A), and its update in place.
//!
//! A *register* here is what a CRC is computed in: a polynomial over GF(2) of degree 31 at most,
//! whose bit 31 is the coefficient of x^0, as bytes go in with their lowest bit first. A byte goes
//! in by being added to the lowest eight bits and multiplied by x^8, modulo [`POLYNOMIAL`].
//!
//! This is linear: if some bytes of the data change, the CRC changes by the CRC of the difference,
//! whatever the rest of the data is. So it can be updated without reading the data, and a CRC that
//! was wrong stays wrong by as much.

/// Castagnoli's polynomial without its term x^32.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x^8, x^16, x^32 and so on, each the square of the one before: what a register is multiplied by
/// when 1, 2, 4... bytes of zeros go in, up to 32768.
const ZERO_BYTES: [u32; 16] = [
    0x0080_0000,
    0x0000_8000,
    0x82f6_3b78,
    0x6ea2_d55c,
    0x18b8_ea18,
    0x510a_c59a,
    0xb82b_e955,
    0xb8fd_b1e7,
    0x88e5_6f72,
    0x74c3_60a4,
    0xe417_2b16,
    0x0d65_762a,
    0x35d7_3a62,
    0x2846_1564,
    0xbf45_5269,
    0xe2ea_32dc,
];

/// Returns the register times x.
#[inline]
const fn times_x(register: u32) -> u32 {
    let carry = if register & 1 == 1 { POLYNOMIAL } else { 0 };
    register >> 1 ^ carry
}

/// Returns the product of two registers.
#[inline]
const fn times(mut a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    while a != 0 {
        // Bit 31 is the coefficient of x^0.
        if a >> 31 == 1 {
            product ^= b;
        }
        a <<= 1;
        b = times_x(b);
    }
    product
}

/// Returns the register after `count` bytes of zeros went in.
#[inline]
fn zeros(mut register: u32, count: u16) -> u32 {
    for (bit, power) in ZERO_BYTES.iter().enumerate() {
        if count >> bit & 1 == 1 {
            register = times(register, *power);
        }
    }
    register
}

/// Returns the CRC32c of the bytes. SCTP sends it with the lowest byte first.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            register = times_x(register);
        }
    }
    !register
}

/// By how much the CRC of some data changes when words of 16 bits in it do, which are given in the
/// order of their places.
#[derive(Clone, Copy, Debug, Default)]
pub struct Difference {
    register: u32,
    /// How many bytes have gone in.
    at: u16,
}

impl Difference {
    /// Notes that the word at `at`, an offset in bytes, changes from `from` to `to`, both as
    /// big-endian numbers. Words before the last one that was given are not counted at their place.
    #[inline]
    pub fn word(&mut self, at: u16, from: u16, to: u16) {
        self.advance(at);
        let [first, second] = (from ^ to).to_be_bytes();
        self.register ^= u32::from_le_bytes([first, second, 0, 0]);
    }

    /// Returns what is to be XORed into the CRC of the data, which has `length` bytes in all.
    #[inline]
    pub fn at_end(mut self, length: u16) -> u32 {
        self.advance(length);
        self.register
    }

    #[inline]
    fn advance(&mut self, to: u16) {
        // The common case: the first word that has changed.
        if self.register != 0 {
            self.register = zeros(self.register, to.saturating_sub(self.at));
        }
        self.at = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        // What every catalogue of CRCs lists for this text, and RFC 3720 appendix B.4.
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(checksum(&[]), 0);
    }

    #[test]
    fn powers_are_squares_from_x8_on() {
        let one = 1 << 31;
        let x8 = (0..8).fold(one, |register, _| times_x(register));
        assert_eq!(ZERO_BYTES[0], x8);
        for pair in ZERO_BYTES.windows(2) {
            assert_eq!(pair[1], times(pair[0], pair[0]));
        }
        assert_eq!(times(one, 0x1234_5678), 0x1234_5678);
        assert_eq!(times(0x1234_5678, one), 0x1234_5678);
    }

    #[test]
    fn without_a_change_there_is_no_difference() {
        let mut difference = Difference::default();
        difference.word(2, 80, 80);
        assert_eq!(difference.at_end(65535), 0);
    }
}
