// SPDX-License-Identifier: GPL-2.0

//! Keys of services and destinations.

use crate::{
    address::{Address, Protocol},
    refusal::Refusal,
};

/// Identifies a virtual service in its network namespace.
///
/// Keys are ordered, so that listings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The protocol.
    pub protocol: Protocol,
    /// The address; the wildcard stands for any address of the host in its family.
    pub address: Address,
    /// The port, in host byte order; not 0.
    pub port: u16,
}

impl ServiceKey {
    /// Checks and returns the key that a request gives: a protocol number, the octets of an address
    /// in network byte order, and a port in host byte order.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownProtocol`], [`Refusal::AddressLength`], [`Refusal::PortZero`],
    /// [`Refusal::NotUnicast`] or [`Refusal::MappedAddress`].
    pub fn new(protocol_number: u8, octets: &[u8], port: u16) -> Result<Self, Refusal> {
        let protocol = Protocol::from_number(protocol_number).ok_or(Refusal::UnknownProtocol)?;
        let address = Address::from_octets(octets).ok_or(Refusal::AddressLength)?;
        if port == 0 {
            return Err(Refusal::PortZero);
        }
        check_unicast(&address)?;
        Ok(Self {
            protocol,
            address,
            port,
        })
    }

    /// Returns `true` if the service is on any address of the host.
    #[inline]
    pub fn is_wildcard(&self) -> bool {
        self.address.is_unspecified()
    }
}

/// Identifies a destination in its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// The address; the wildcard, which only destinations of a service on the wildcard address can
    /// have, stands for the address that the client used.
    pub address: Address,
    /// The port, in host byte order.
    pub port: u16,
}

/// Returns `Ok` if one host can have the address and packets can go there.
pub(crate) fn check_unicast(address: &Address) -> Result<(), Refusal> {
    if address.is_multicast() || address.is_limited_broadcast() {
        return Err(Refusal::NotUnicast);
    }
    if address.is_ipv4_mapped() {
        return Err(Refusal::MappedAddress);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::address;

    fn service(at: &str, port: u16) -> ServiceKey {
        ServiceKey::new(6, address(at).octets(), port).unwrap()
    }

    #[test]
    fn services_that_are_refused() {
        for (number, octets, port, expected) in [
            (1, &[192, 0, 2, 10][..], 80, Refusal::UnknownProtocol),
            (136, &[192, 0, 2, 10], 80, Refusal::UnknownProtocol),
            (6, &[192, 0, 2], 80, Refusal::AddressLength),
            (6, &[], 80, Refusal::AddressLength),
            (6, &[192, 0, 2, 10], 0, Refusal::PortZero),
            (17, &[224, 0, 0, 1], 53, Refusal::NotUnicast),
            (17, &[255, 255, 255, 255], 53, Refusal::NotUnicast),
            (
                17,
                &[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                53,
                Refusal::NotUnicast,
            ),
            (
                6,
                address("::ffff:192.0.2.10").octets(),
                80,
                Refusal::MappedAddress,
            ),
        ] {
            assert_eq!(ServiceKey::new(number, octets, port), Err(expected));
        }
        // Compatible and translated addresses are in packets.
        service("::192.0.2.10", 80);
        service("64:ff9b::192.0.2.10", 80);
        assert!(service("0.0.0.0", 80).is_wildcard());
        assert!(service("::", 80).is_wildcard());
        assert!(!service("::1", 80).is_wildcard());
    }

    #[test]
    fn keys_are_ordered_by_protocol_address_and_port() {
        let mut keys = [
            ServiceKey::new(17, &[0; 4], 1).unwrap(),
            service("::", 1),
            service("10.0.0.1", 2),
            service("10.0.0.1", 1),
            service("9.0.0.1", 3),
        ];
        keys.sort_unstable();
        let ports = keys.map(|key| key.port);
        assert_eq!(ports, [3, 1, 2, 1, 1]);
        assert_eq!(keys[3].address, address("::"));
    }
}
