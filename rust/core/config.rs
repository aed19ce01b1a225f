// SPDX-License-Identifier: GPL-2.0

//! Which services and destinations there can be.

use crate::{
    address::{Address, Family, Protocol},
    refusal::Refusal,
};

/// What tells a virtual service from all others of its network namespace.
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
    /// The key of what a request says: a protocol number, the octets of an address in network byte
    /// order, and a port in host byte order.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownProtocol`], [`Refusal::AddressLength`], [`Refusal::PortZero`] or
    /// [`Refusal::NotUnicast`].
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

    /// Whether the service is on any address of the host.
    #[inline]
    pub fn is_wildcard(&self) -> bool {
        self.address.is_unspecified()
    }
}

/// What tells a destination from the others of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// The address; the wildcard, which only destinations of a service on the wildcard address can
    /// have, stands for the address that the client used.
    pub address: Address,
    /// The port, in host byte order.
    pub port: u16,
}

/// The forwarding method: how a destination gets its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The address and port in the packets are rewritten, in both directions.
    Nat,
}

impl Method {
    /// The method's number in requests.
    pub const fn number(self) -> u8 {
        match self {
            Self::Nat => 0,
        }
    }

    /// The method of this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Nat),
            _ => None,
        }
    }

    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
        }
    }
}

/// What the kernel says of a destination's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalView {
    /// Whether it is an address of the host.
    pub is_local: bool,
    /// Whether `net.ipv4.conf.all.route_localnet` is set: IPv4 then delivers packets from outside
    /// to loopback addresses.
    pub route_localnet: bool,
}

/// Whether the service can have the destination; the weight when it can.
///
/// # Errors
///
/// The [`Refusal`] that is the most to the point: what is wrong with the request alone comes
/// before what the host has to do with it.
pub fn check_destination(
    service: &ServiceKey,
    destination: &DestinationKey,
    method: Method,
    weight: u32,
    local: LocalView,
) -> Result<u16, Refusal> {
    if destination.port == 0 {
        return Err(Refusal::PortZero);
    }
    let weight = u16::try_from(weight).map_err(|_| Refusal::WeightRange)?;
    if destination.address.family() != service.address.family() {
        return Err(Refusal::FamilyMismatch);
    }
    check_unicast(&destination.address)?;
    if destination.address.is_unspecified() && !service.is_wildcard() {
        return Err(Refusal::WildcardDestination);
    }
    if is_own_service(service, destination, local) {
        return Err(Refusal::OwnService);
    }
    if !destination.address.is_unspecified() {
        match method {
            Method::Nat => check_reachable(service, destination, local)?,
        }
    }
    Ok(weight)
}

fn check_unicast(address: &Address) -> Result<(), Refusal> {
    if address.is_multicast() || address.is_limited_broadcast() {
        return Err(Refusal::NotUnicast);
    }
    Ok(())
}

/// Whether what goes to the destination is what the service takes.
fn is_own_service(service: &ServiceKey, destination: &DestinationKey, local: LocalView) -> bool {
    let same_address =
        destination.address == service.address || (service.is_wildcard() && local.is_local);
    same_address && destination.port == service.port
}

/// Whether the host delivers to the destination what was rewritten before routing.
fn check_reachable(
    service: &ServiceKey,
    destination: &DestinationKey,
    local: LocalView,
) -> Result<(), Refusal> {
    // Clients of a service on a loopback address are on this host, and reach all of it.
    if destination.address.is_loopback() && !service.address.is_loopback() {
        match destination.address.family() {
            Family::V4 if local.route_localnet => {}
            Family::V4 => return Err(Refusal::LoopbackForNat4),
            Family::V6 => return Err(Refusal::LoopbackForNat6),
        }
    }
    if !local.is_local {
        return Err(Refusal::NotLocal);
    }
    Ok(())
}
