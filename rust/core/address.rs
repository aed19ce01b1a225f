// SPDX-License-Identifier: GPL-2.0

//! Addresses, ports and protocols.
//!
//! Addresses are kept as their octets in network byte order, ports as numbers in host byte order.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;

use crate::refusal::Refusal;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An address of either family, as the configuration has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// The octets of an IPv4 address.
    V4([u8; 4]),
    /// The octets of an IPv6 address.
    V6([u8; 16]),
}

impl Address {
    /// Returns the address's family.
    #[inline]
    pub fn family(&self) -> Family {
        match self {
            Self::V4(_) => Family::V4,
            Self::V6(_) => Family::V6,
        }
    }

    /// Returns the octets: 4 or 16 of them.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::V4(octets) => octets,
            Self::V6(octets) => octets,
        }
    }

    /// Returns the address of 4 or 16 octets; `None` for any other number of them.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        if let Ok(octets) = <[u8; 4]>::try_from(octets) {
            return Some(Self::V4(octets));
        }
        <[u8; 16]>::try_from(octets).ok().map(Self::V6)
    }

    /// Returns the family's wildcard: 0.0.0.0 or ::.
    #[inline]
    pub fn unspecified(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4([0; 4]),
            Family::V6 => Self::V6([0; 16]),
        }
    }

    /// Returns `true` if this is the family's wildcard.
    #[inline]
    pub fn is_unspecified(&self) -> bool {
        *self == Self::unspecified(self.family())
    }

    /// Returns `true` if this is in 127.0.0.0/8, or is ::1.
    pub fn is_loopback(&self) -> bool {
        match *self {
            Self::V4(octets) => Ipv4Addr::from(octets).is_loopback(),
            Self::V6(octets) => Ipv6Addr::from(octets).is_loopback(),
        }
    }

    /// Returns `true` if this is in 224.0.0.0/4 or ff00::/8.
    pub fn is_multicast(&self) -> bool {
        match *self {
            Self::V4(octets) => Ipv4Addr::from(octets).is_multicast(),
            Self::V6(octets) => Ipv6Addr::from(octets).is_multicast(),
        }
    }

    /// Returns `true` if this is in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2): sockets have such
    /// addresses, and packets do not.
    pub fn is_ipv4_mapped(&self) -> bool {
        match *self {
            Self::V4(_) => false,
            Self::V6(octets) => Ipv6Addr::from(octets).to_ipv4_mapped().is_some(),
        }
    }

    /// Returns `true` if this is 255.255.255.255; IPv6 has no broadcast.
    pub fn is_limited_broadcast(&self) -> bool {
        *self == Self::V4([255; 4])
    }
}

/// Prints the usual text: dotted decimal, or what RFC 5952 recommends for IPv6.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(octets) => Ipv4Addr::from(octets).fmt(f),
            Self::V6(octets) => Ipv6Addr::from(octets).fmt(f),
        }
    }
}

/// An address of a family that is known when compiling, so that packets are handled by code that
/// is written once and built for each family.
pub trait Ip: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// The family.
    const FAMILY: Family;

    /// Words that hold two addresses and one word more: see [`crate::connection::tuple`].
    type Words: Copy + Eq + fmt::Debug + Send + Sync + 'static;

    /// Words that hold one address and half a word more.
    type EndWords: AsRef<[u64]>;

    /// Returns the address of exactly as many octets as the family has; `None` for any other
    /// number.
    fn from_octets(octets: &[u8]) -> Option<Self>;

    /// The family's wildcard.
    const UNSPECIFIED: Self;

    /// Returns the octets, in network byte order.
    fn octets(&self) -> &[u8];

    /// Returns the address without its type.
    fn to_address(self) -> Address;

    /// Returns the address, if it is of this family.
    fn from_address(address: Address) -> Option<Self>;

    /// Returns `true` if this is the family's wildcard.
    fn is_unspecified(&self) -> bool;

    /// Returns `true` if this is in fe80::/10: hosts on different links may have the same such
    /// address (RFC 4291 section 2.5.6). Not of IPv4's 169.254.0.0/16: the kernel's
    /// sockets are not bound to the link of such an address.
    fn is_link_local(&self) -> bool;

    /// Packs two addresses and `last` into words; [`Ip::unpack`] undoes it.
    fn pack(source: Self, destination: Self, last: u64) -> Self::Words;

    /// Returns the two addresses and the last word that were packed.
    fn unpack(words: Self::Words) -> (Self, Self, u64);

    /// Packs one address and `more` into words; different ones give different words.
    fn pack_end(self, more: u32) -> Self::EndWords;
}

/// An IPv4 address. Aligned so that it is moved as one number.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V4(pub [u8; 4]);

/// An IPv6 address. Aligned so that it is moved as two numbers.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V6(pub [u8; 16]);

impl Ip for V4 {
    const FAMILY: Family = Family::V4;
    const UNSPECIFIED: Self = Self([0; 4]);
    type Words = [u64; 2];
    type EndWords = [u64; 1];

    #[inline]
    fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    #[inline]
    fn octets(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    fn to_address(self) -> Address {
        Address::V4(self.0)
    }

    #[inline]
    fn from_address(address: Address) -> Option<Self> {
        match address {
            Address::V4(octets) => Some(Self(octets)),
            Address::V6(_) => None,
        }
    }

    #[inline]
    fn is_unspecified(&self) -> bool {
        self.0 == [0; 4]
    }

    #[inline]
    fn is_link_local(&self) -> bool {
        false
    }

    #[inline]
    fn pack(source: Self, destination: Self, last: u64) -> [u64; 2] {
        let high = u64::from(u32::from_be_bytes(source.0)) << u32::BITS;
        [high | u64::from(u32::from_be_bytes(destination.0)), last]
    }

    #[inline]
    fn unpack([both, last]: [u64; 2]) -> (Self, Self, u64) {
        let [a, b, c, d, e, f, g, h] = both.to_be_bytes();
        (Self([a, b, c, d]), Self([e, f, g, h]), last)
    }

    #[inline]
    fn pack_end(self, more: u32) -> [u64; 1] {
        [u64::from(u32::from_be_bytes(self.0)) | u64::from(more) << u32::BITS]
    }
}

impl V6 {
    #[inline]
    fn halves(self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        (
            u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            u64::from_be_bytes([i, j, k, l, m, n, o, p]),
        )
    }

    #[inline]
    fn from_halves(high: u64, low: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = high.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = low.to_be_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }
}

impl Ip for V6 {
    const FAMILY: Family = Family::V6;
    const UNSPECIFIED: Self = Self([0; 16]);
    type Words = [u64; 5];
    type EndWords = [u64; 3];

    #[inline]
    fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    #[inline]
    fn octets(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    fn to_address(self) -> Address {
        Address::V6(self.0)
    }

    #[inline]
    fn from_address(address: Address) -> Option<Self> {
        match address {
            Address::V4(_) => None,
            Address::V6(octets) => Some(Self(octets)),
        }
    }

    #[inline]
    fn is_unspecified(&self) -> bool {
        self.0 == [0; 16]
    }

    #[inline]
    fn is_link_local(&self) -> bool {
        // Of what a key is made of, so that it is compared in a register.
        let (high, _) = self.halves();
        high >> 54 == 0xfe80 >> 6
    }

    #[inline]
    fn pack(source: Self, destination: Self, last: u64) -> [u64; 5] {
        let (a, b) = source.halves();
        let (c, d) = destination.halves();
        [a, b, c, d, last]
    }

    #[inline]
    fn unpack([a, b, c, d, last]: [u64; 5]) -> (Self, Self, u64) {
        (Self::from_halves(a, b), Self::from_halves(c, d), last)
    }

    #[inline]
    fn pack_end(self, more: u32) -> [u64; 3] {
        let (high, low) = self.halves();
        [high, low, u64::from(more)]
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint<A> {
    /// The address.
    pub address: A,
    /// The port, in host byte order.
    pub port: u16,
}

impl<A: Ip> Endpoint<A> {
    /// Returns the end without the type of its address.
    #[inline]
    pub fn to_any(self) -> Endpoint<Address> {
        Endpoint {
            address: self.address.to_address(),
            port: self.port,
        }
    }
}

/// A transport protocol that services can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// SCTP (RFC 9260).
    Sctp,
}

impl Protocol {
    /// Returns the protocol's number as IANA assigned it.
    #[inline]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// Returns the protocol of this number, if services can have it.
    #[inline]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

/// Ports from a first to a last one, both of them included; never empty, never with port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Creates the ports from `first` to `last`, in host byte order.
    ///
    /// # Errors
    ///
    /// [`Refusal::PortZero`] when one of the two is 0, [`Refusal::PortRange`] when `last` is below
    /// `first`.
    pub fn new(first: u16, last: u16) -> Result<Self, Refusal> {
        if first == 0 || last == 0 {
            return Err(Refusal::PortZero);
        }
        if last < first {
            return Err(Refusal::PortRange);
        }
        Ok(Self { first, last })
    }

    /// Returns how many ports these are: 1 to 65535.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u32 {
        u32::from(self.last.abs_diff(self.first)).saturating_add(1)
    }

    /// Returns the ports, in rising order.
    pub fn iter(&self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// Returns `true` if the port is one of these.
    pub fn contains(&self, port: u16) -> bool {
        self.iter().contains(&port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::address;

    #[test]
    fn kinds_of_addresses() {
        let kinds = |text| {
            let address = address(text);
            [
                address.is_unspecified(),
                address.is_loopback(),
                address.is_multicast(),
                address.is_limited_broadcast(),
            ]
        };
        for (text, expected) in [
            ("0.0.0.0", [true, false, false, false]),
            ("0.0.0.1", [false, false, false, false]),
            ("126.255.255.255", [false, false, false, false]),
            ("127.0.0.0", [false, true, false, false]),
            ("127.255.255.255", [false, true, false, false]),
            ("223.255.255.255", [false, false, false, false]),
            ("224.0.0.0", [false, false, true, false]),
            ("239.255.255.255", [false, false, true, false]),
            ("240.0.0.0", [false, false, false, false]),
            ("255.255.255.255", [false, false, false, true]),
            ("::", [true, false, false, false]),
            ("::1", [false, true, false, false]),
            ("::2", [false, false, false, false]),
            ("fe80::1", [false, false, false, false]),
            ("ff02::1", [false, false, true, false]),
        ] {
            assert_eq!(kinds(text), expected, "{text}");
        }
    }

    #[test]
    fn only_fe80_10_is_link_local() {
        let is_link_local = |text| match address(text) {
            Address::V4(octets) => V4(octets).is_link_local(),
            Address::V6(octets) => V6(octets).is_link_local(),
        };
        for text in ["fe80::1", "fe80::", "febf:ffff::1"] {
            assert!(is_link_local(text), "{text}");
        }
        for text in [
            "fec0::1",
            "fe7f::1",
            "ff80::1",
            "2001:db8::1",
            "169.254.1.1",
            "254.128.0.1",
        ] {
            assert!(!is_link_local(text), "{text}");
        }
    }

    #[test]
    fn prints_as_people_write() {
        for text in ["192.0.2.10", "2001:db8::10", "::", "::1", "fe80::1:0:0:1"] {
            assert_eq!(std::format!("{}", address(text)), text);
        }
    }

    #[test]
    fn protocols_have_their_numbers() {
        assert_eq!(Protocol::Tcp.number(), 6);
        assert_eq!(Protocol::Udp.number(), 17);
        assert_eq!(Protocol::Sctp.number(), 132);
        for number in 0..=255 {
            let protocol = Protocol::from_number(number);
            assert_eq!(protocol.is_some(), [6, 17, 132].contains(&number));
            assert!(protocol.is_none_or(|protocol| protocol.number() == number));
        }
    }

    #[test]
    fn octets_of_another_family_are_no_address() {
        assert_eq!(V4::from_octets(&[0; 16]), None);
        assert_eq!(V6::from_octets(&[0; 4]), None);
        assert_eq!(Address::from_octets(&[]), None);
    }

    #[test]
    fn range_of_all_ports() {
        let range = PortRange::new(1, 65535).unwrap();
        assert_eq!(range.len(), 65535);
        assert_eq!(range.iter().count(), 65535);
    }
}
