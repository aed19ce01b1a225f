// SPDX-License-Identifier: GPL-2.0

//! IPv4 masks as prefix lengths.

use std::net::Ipv4Addr;

/// Returns the prefix length that an IPv4 mask stands for, such as 24 for `255.255.255.0`.
///
/// # Errors
///
/// A text that says how a mask is written.
pub fn prefix_of_mask(text: &str) -> Result<u8, String> {
    let wrong = || "write four numbers that in binary are ones, then zeros".to_string();
    let mask: Ipv4Addr = text.parse().map_err(|_| wrong())?;
    let bits = mask.to_bits();
    let ones = bits.leading_ones();
    if ones + bits.trailing_zeros() < u32::BITS {
        return Err(wrong());
    }
    u8::try_from(ones).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_prefix_length() {
        for (mask, length) in [
            ("255.255.255.255", 32),
            ("255.255.255.0", 24),
            ("128.0.0.0", 1),
        ] {
            assert_eq!(prefix_of_mask(mask), Ok(length));
        }
        assert!(prefix_of_mask("255.0.255.0").is_err());
    }
}
