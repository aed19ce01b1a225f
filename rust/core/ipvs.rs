// SPDX-License-Identifier: GPL-2.0

//! What requests of the netlink family IPVS mean here, and how the configuration is shown to its
//! clients.
//!
//! ipvsadm, keepalived and others speak that family. It is a second way to the one configuration:
//! nothing is kept for it. What it cannot say of a service or a destination stays as it is.
//!
//! Requests are read as leniently as ip_vs does: an attribute that is longer than its number is
//! read as far as the number goes, and what may be shorter is padded with zeroes. The numbers are
//! those of `include/uapi/linux/ip_vs.h`.

use crate::{
    address::{Address, Family},
    refusal::Refusal,
};

pub mod destination;
pub mod proc;
pub mod service;

/// The version that clients are shown: the last one in which anything they use has changed.
pub const VERSION: u32 = 0x01_02_01;

/// `AF_INET`
const INET: u16 = 2;
/// `AF_INET6`
const INET6: u16 = 10;

/// Returns the number of an address family.
pub const fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => INET,
        Family::V6 => INET6,
    }
}

/// Returns the address family of this number.
///
/// # Errors
///
/// [`Refusal::IpvsFamily`].
pub const fn family(number: u16) -> Result<Family, Refusal> {
    match number {
        INET => Ok(Family::V4),
        INET6 => Ok(Family::V6),
        _ => Err(Refusal::IpvsFamily),
    }
}

/// Returns the first bytes of an attribute; zeroes where it is shorter.
fn padded<const N: usize>(payload: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    for (byte, given) in bytes.iter_mut().zip(payload) {
        *byte = *given;
    }
    bytes
}

/// Returns a number of 16 bits in host byte order.
pub fn number16(payload: &[u8]) -> u16 {
    u16::from_ne_bytes(padded(payload))
}

/// Returns a number of 32 bits in host byte order.
pub fn number32(payload: &[u8]) -> u32 {
    u32::from_ne_bytes(padded(payload))
}

/// Returns a port, which is in network byte order.
fn port(payload: &[u8]) -> u16 {
    u16::from_be_bytes(padded(payload))
}

/// Returns a string as far as its final NUL.
fn string(payload: &[u8]) -> &[u8] {
    payload.split(|byte| *byte == 0).next().unwrap_or(payload)
}

/// Returns the address in the field of 16 bytes that there is for both families.
fn address(family: Family, field: &[u8; 16]) -> Address {
    match family {
        Family::V4 => Address::V4(padded(field)),
        Family::V6 => Address::V6(*field),
    }
}

/// Returns the field of 16 bytes for an address.
pub fn address_field(address: &Address) -> [u8; 16] {
    padded(address.octets())
}

/// Returns what a request sets a timeout to, in seconds, none for what stays as it is. `most` is
/// what IPVS can have: it counts in jiffies.
///
/// # Errors
///
/// [`Refusal::IpvsTimeoutRange`].
pub fn timeout(payload: Option<&[u8]>, most: u32) -> Result<Option<u32>, Refusal> {
    match payload.map(number32) {
        None | Some(0) => Ok(None),
        Some(seconds) if seconds > most => Err(Refusal::IpvsTimeoutRange),
        seconds => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_may_have_another_length_than_their_number() {
        assert_eq!(number32(&7u32.to_ne_bytes()), 7);
        assert_eq!(
            number32(&[1, 0, 0, 0, 9, 9]),
            u32::from_ne_bytes([1, 0, 0, 0])
        );
        assert_eq!(number32(&[]), 0);
        assert_eq!(port(&[0x1f, 0x90]), 8080);
        assert_eq!(number16(&[2, 0, 0, 0]), u16::from_ne_bytes([2, 0]));
        assert_eq!(string(b"wlc\0junk"), b"wlc");
        assert_eq!(string(b"wlc"), b"wlc");
    }

    #[test]
    fn addresses_have_a_field_for_both_families() {
        let mut field = [0; 16];
        field[..4].copy_from_slice(&[192, 0, 2, 10]);
        let four = address(Family::V4, &field);
        assert_eq!(four, Address::V4([192, 0, 2, 10]));
        assert_eq!(address_field(&four), field);
        let six = address(Family::V6, &[7; 16]);
        assert_eq!(six, Address::V6([7; 16]));
        assert_eq!(address_field(&six), [7; 16]);
    }

    #[test]
    fn families() {
        for known in [Family::V4, Family::V6] {
            assert_eq!(family(family_number(known)), Ok(known));
        }
        for number in [0, 1, 3, 11, u16::MAX] {
            assert_eq!(family(number), Err(Refusal::IpvsFamily));
        }
    }

    #[test]
    fn timeouts() {
        let given = |seconds: u32| timeout(Some(&seconds.to_ne_bytes()), 1000);
        assert_eq!(timeout(None, 1000), Ok(None));
        assert_eq!(given(0), Ok(None));
        assert_eq!(given(1), Ok(Some(1)));
        assert_eq!(given(1000), Ok(Some(1000)));
        assert_eq!(given(1001), Err(Refusal::IpvsTimeoutRange));
        assert_eq!(given(u32::MAX), Err(Refusal::IpvsTimeoutRange));
    }
}
