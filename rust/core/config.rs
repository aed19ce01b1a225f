// SPDX-License-Identifier: GPL-2.0

//! Which services and destinations there can be.

use crate::{
    address::{Address, Family, Protocol},
    refusal::Refusal,
    schedule::{flags::Flags, threshold::Thresholds, Settings},
};

pub mod backends;

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
    /// [`Refusal::UnknownProtocol`], [`Refusal::AddressLength`], [`Refusal::PortZero`],
    /// [`Refusal::NotUnicast`] or [`Refusal::MappedAddress`].
    pub fn new(protocol_number: u8, octets: &[u8], port: u16) -> Result<Self, Refusal> {
        let protocol = Protocol::from_number(protocol_number).ok_or(Refusal::UnknownProtocol)?;
        let address = Address::from_octets(octets).ok_or(Refusal::AddressLength)?;
        if port == 0 {
            return Err(Refusal::PortZero);
        }
        check_address(&address)?;
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

/// The forwarding method that a request asks for: how a destination gets its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The address and port in the packets are rewritten, in both directions.
    Nat,
    /// A TCP client's SYN is handed to the destination's listening socket as it is, and the host
    /// makes the connection with the service's address and port.
    Steer,
    /// Steer where that is possible for the whole service, nat elsewhere.
    Auto,
}

impl Method {
    const ALL: [Self; 3] = [Self::Nat, Self::Steer, Self::Auto];

    /// The method's number in requests.
    pub const fn number(self) -> u8 {
        match self {
            Self::Nat => 0,
            Self::Steer => 1,
            Self::Auto => 2,
        }
    }

    /// The method of this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.number() == number)
    }

    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Steer => "steer",
            Self::Auto => "auto",
        }
    }

    /// What a destination is asked for that [`check_destination`] has let pass: automatically
    /// chosen, one that only steering reaches is steered to.
    #[must_use]
    pub fn settled(
        self,
        service: &ServiceKey,
        destination: &DestinationKey,
        route_localnet: bool,
    ) -> Self {
        let needs_steering = self == Self::Auto
            && service.protocol == Protocol::Tcp
            && check_reachable(service, destination, route_localnet).is_err();
        if needs_steering {
            Self::Steer
        } else {
            self
        }
    }
}

/// Whether a service steers its connections. All of its destinations have one method: who
/// rewrites has to do so before the packet is routed, and who steers after the filter.
///
/// A service without destinations does not steer. Persistence needs entries to count a client's
/// connections; the flag sloppy is for segments in mid-stream, whose connection is elsewhere.
///
/// # Errors
///
/// [`Refusal::MixedMethods`], [`Refusal::SteerProtocol`], [`Refusal::SteerPersistent`] or
/// [`Refusal::SteerSloppy`].
pub fn steers(
    protocol: Protocol,
    settings: &Settings,
    methods: impl Iterator<Item = Method>,
) -> Result<bool, Refusal> {
    let (mut nat, mut steer, mut auto) = (false, false, false);
    for method in methods {
        match method {
            Method::Nat => nat = true,
            Method::Steer => steer = true,
            Method::Auto => auto = true,
        }
    }
    match check_can_steer(protocol, settings) {
        Err(refusal) if steer => Err(refusal),
        Ok(()) if steer && nat => Err(Refusal::MixedMethods),
        Ok(()) => Ok(steer || (auto && !nat)),
        Err(_) => Ok(false),
    }
}

/// Whether a service with these settings steers when its destinations want it.
fn check_can_steer(protocol: Protocol, settings: &Settings) -> Result<(), Refusal> {
    if protocol != Protocol::Tcp {
        Err(Refusal::SteerProtocol)
    } else if settings.persistence.seconds() != 0 {
        Err(Refusal::SteerPersistent)
    } else if settings.flags.has(Flags::SLOPPY) {
        Err(Refusal::SteerSloppy)
    } else {
        Ok(())
    }
}

/// Whether a service can have these settings, as far as [`Flags::UNCOUNTED`] is concerned, with
/// destinations that have these bounds: it can where the number of connections is not needed. The
/// flag has an effect while the service steers, and is refused to one that never does.
///
/// # Errors
///
/// [`Refusal::UncountedNeverSteers`], [`Refusal::UncountedScheduler`] or
/// [`Refusal::UncountedThresholds`].
pub fn check_uncounted(
    protocol: Protocol,
    settings: &Settings,
    mut thresholds: impl Iterator<Item = Thresholds>,
) -> Result<(), Refusal> {
    if !settings.flags.has(Flags::UNCOUNTED) {
        Ok(())
    } else if check_can_steer(protocol, settings).is_err() {
        Err(Refusal::UncountedNeverSteers)
    } else if settings.kind.goes_by_connections() {
        Err(Refusal::UncountedScheduler)
    } else if thresholds.any(|bounds| bounds.upper() != 0) {
        Err(Refusal::UncountedThresholds)
    } else {
        Ok(())
    }
}

/// Whether an address is the host's, as far as the configuration asks. It may come and go at any
/// time: packets ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is, or it is the wildcard.
    Here,
    /// It is not, but a service has it too, or duplicate address detection is not done with it.
    Expected,
    /// It is not, and nothing says that it will be.
    Elsewhere,
}

/// Whether the service can have the destination; the weight when it can. Its address need not be the
/// host's: it may come later. `route_localnet` is `net.ipv4.conf.all.route_localnet`: IPv4 then
/// delivers packets from outside to loopback addresses.
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
    route_localnet: bool,
) -> Result<u16, Refusal> {
    if destination.port == 0 {
        return Err(Refusal::PortZero);
    }
    let weight = u16::try_from(weight).map_err(|_| Refusal::WeightRange)?;
    if destination.address.family() != service.address.family() {
        return Err(Refusal::FamilyMismatch);
    }
    check_address(&destination.address)?;
    if destination.address.is_unspecified() && !service.is_wildcard() {
        return Err(Refusal::WildcardDestination);
    }
    if is_own_service(service, destination) {
        return Err(Refusal::OwnService);
    }
    let steerable = method != Method::Nat && service.protocol == Protocol::Tcp;
    if !steerable {
        check_reachable(service, destination, route_localnet)?;
    }
    if method == Method::Steer && service.protocol != Protocol::Tcp {
        return Err(Refusal::SteerProtocol);
    }
    Ok(weight)
}

/// Returns `Ok` if there can be services and destinations of the family, on a kernel that may have
/// been booted without IPv6.
///
/// # Errors
///
/// [`Refusal::NoIpv6`].
pub fn check_family(family: Family, has_ipv6: bool) -> Result<(), Refusal> {
    match family {
        Family::V6 if !has_ipv6 => Err(Refusal::NoIpv6),
        Family::V4 | Family::V6 => Ok(()),
    }
}

/// Returns `Ok` if one host can have the address and packets can go there.
fn check_address(address: &Address) -> Result<(), Refusal> {
    if address.is_multicast() || address.is_limited_broadcast() {
        return Err(Refusal::NotUnicast);
    }
    if address.is_ipv4_mapped() {
        return Err(Refusal::MappedAddress);
    }
    Ok(())
}

/// Whether what goes to the destination is what the service takes, once its address is the host's.
fn is_own_service(service: &ServiceKey, destination: &DestinationKey) -> bool {
    let same_address = destination.address == service.address || service.is_wildcard();
    same_address && destination.port == service.port
}

/// Whether the host delivers to the destination what was rewritten before routing.
fn check_reachable(
    service: &ServiceKey,
    destination: &DestinationKey,
    route_localnet: bool,
) -> Result<(), Refusal> {
    // Clients of a service on a loopback address are on this host, and reach all of it.
    if destination.address.is_loopback() && !service.address.is_loopback() {
        match destination.address.family() {
            Family::V4 if route_localnet => {}
            Family::V4 => return Err(Refusal::LoopbackForNat4),
            Family::V6 => return Err(Refusal::LoopbackForNat6),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Errno;

    fn address(text: &str) -> Address {
        match text.parse().unwrap() {
            core::net::IpAddr::V4(ip) => Address::V4(ip.octets()),
            core::net::IpAddr::V6(ip) => Address::V6(ip.octets()),
        }
    }

    fn service(at: &str, port: u16) -> ServiceKey {
        ServiceKey::new(6, address(at).octets(), port).unwrap()
    }

    fn check(service: &ServiceKey, at: &str, port: u16, weight: u32) -> Result<u16, Refusal> {
        check_routed(service, at, port, weight, false)
    }

    fn check_routed(
        service: &ServiceKey,
        at: &str,
        port: u16,
        weight: u32,
        route_localnet: bool,
    ) -> Result<u16, Refusal> {
        let address = address(at);
        let destination = DestinationKey { address, port };
        check_destination(service, &destination, Method::Nat, weight, route_localnet)
    }

    #[test]
    fn only_ipv4_on_a_kernel_without_ipv6() {
        for (family, has_ipv6, expected) in [
            (Family::V4, true, Ok(())),
            (Family::V6, true, Ok(())),
            (Family::V4, false, Ok(())),
            (Family::V6, false, Err(Refusal::NoIpv6)),
        ] {
            assert_eq!(check_family(family, has_ipv6), expected);
        }
        assert_eq!(Refusal::NoIpv6.errno(), Errno::AfNoSupport);
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
    fn destinations_of_one_address() {
        let vip = service("192.0.2.10", 80);
        for (at, port, weight, expected) in [
            ("192.0.2.10", 8001, 1, Ok(1)),
            ("192.0.2.11", 80, 65535, Ok(65535)),
            ("192.0.2.10", 8001, 0, Ok(0)),
            ("192.0.2.10", 0, 1, Err(Refusal::PortZero)),
            ("192.0.2.10", 8001, 65536, Err(Refusal::WeightRange)),
            ("192.0.2.10", 8001, u32::MAX, Err(Refusal::WeightRange)),
            ("2001:db8::10", 8001, 1, Err(Refusal::FamilyMismatch)),
            ("0.0.0.0", 8001, 1, Err(Refusal::WildcardDestination)),
            ("224.0.0.1", 8001, 1, Err(Refusal::NotUnicast)),
            ("255.255.255.255", 8001, 1, Err(Refusal::NotUnicast)),
            ("192.0.2.10", 80, 1, Err(Refusal::OwnService)),
            ("127.0.0.1", 8001, 1, Err(Refusal::LoopbackForNat4)),
            // Whether it is the host's yet does not matter.
            ("198.51.100.1", 8001, 1, Ok(1)),
        ] {
            assert_eq!(check(&vip, at, port, weight), expected, "{at}:{port}");
        }
        let routed = check_routed(&vip, "127.0.0.1", 8001, 1, true);
        assert_eq!(routed, Ok(1));
    }

    #[test]
    fn destinations_of_one_ipv6_address() {
        let vip = service("2001:db8::10", 80);
        for (at, port, expected) in [
            ("2001:db8::10", 8001, Ok(1)),
            ("192.0.2.10", 8001, Err(Refusal::FamilyMismatch)),
            ("::", 8001, Err(Refusal::WildcardDestination)),
            ("ff02::1", 8001, Err(Refusal::NotUnicast)),
            ("::ffff:192.0.2.10", 8001, Err(Refusal::MappedAddress)),
            ("2001:db8::10", 80, Err(Refusal::OwnService)),
            ("::1", 8001, Err(Refusal::LoopbackForNat6)),
            ("2001:db8::99", 8001, Ok(1)),
        ] {
            assert_eq!(check(&vip, at, port, 1), expected, "[{at}]:{port}");
        }
        // What IPv4 has a setting for, IPv6 has none for.
        let routed = check_routed(&vip, "::1", 8001, 1, true);
        assert_eq!(routed, Err(Refusal::LoopbackForNat6));
    }

    #[test]
    fn destinations_of_any_address() {
        let any = service("0.0.0.0", 80);
        for (at, port, expected) in [
            ("0.0.0.0", 8001, Ok(1)),
            ("0.0.0.0", 80, Err(Refusal::OwnService)),
            ("192.0.2.10", 8001, Ok(1)),
            // It may become the host's.
            ("192.0.2.10", 80, Err(Refusal::OwnService)),
            ("127.0.0.1", 80, Err(Refusal::OwnService)),
            ("127.0.0.1", 8001, Err(Refusal::LoopbackForNat4)),
        ] {
            assert_eq!(check(&any, at, port, 1), expected, "{at}:{port}");
        }
        let any = service("::", 80);
        let loopback = check(&any, "::1", 8001, 1);
        assert_eq!(loopback, Err(Refusal::LoopbackForNat6));
        assert_eq!(check(&any, "::", 8001, 1), Ok(1));
    }

    #[test]
    fn services_on_a_loopback_address_have_loopback_destinations() {
        let four = service("127.0.0.1", 80);
        assert_eq!(check(&four, "127.0.0.1", 81, 1), Ok(1));
        assert_eq!(check(&service("::1", 80), "::1", 81, 1), Ok(1));
        let own = check(&four, "127.0.0.1", 80, 1);
        assert_eq!(own, Err(Refusal::OwnService));
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

    #[test]
    fn methods() {
        for number in 0..=255 {
            let method = Method::from_number(number);
            assert!(method.is_none_or(|method| method.number() == number));
        }
        let names = [0, 1, 2].map(|number| Method::from_number(number).unwrap().name());
        assert_eq!(names, ["nat", "steer", "auto"]);
        assert_eq!(Method::from_number(3), None);
    }

    #[test]
    fn loopback_destinations_are_steered_to() {
        let vip = service("192.0.2.10", 80);
        let udp = ServiceKey::new(17, vip.address.octets(), 80).unwrap();
        let at = |at| DestinationKey {
            address: address(at),
            port: 8001,
        };
        let check = |service, to, method| check_destination(service, &to, method, 1, false);
        let loopback = at("127.0.0.1");
        for method in [Method::Steer, Method::Auto] {
            assert_eq!(check(&vip, loopback, method), Ok(1));
            assert_eq!(method.settled(&vip, &loopback, false), Method::Steer);
            // One that is not the host's yet needs no steering.
            assert_eq!(check(&vip, at("198.51.100.1"), method), Ok(1));
        }
        assert_eq!(
            check(&udp, loopback, Method::Auto),
            Err(Refusal::LoopbackForNat4)
        );
        let own = at("192.0.2.10");
        assert_eq!(check(&udp, own, Method::Auto), Ok(1));
        assert_eq!(check(&udp, own, Method::Steer), Err(Refusal::SteerProtocol));
        for method in Method::ALL {
            for to in [own, at("198.51.100.1")] {
                assert_eq!(method.settled(&vip, &to, false), method);
                assert_eq!(method.settled(&udp, &to, false), method);
            }
            let any = at("0.0.0.0");
            assert_eq!(method.settled(&service("0.0.0.0", 80), &any, false), method);
        }
        let route_localnet = Method::Auto.settled(&vip, &loopback, true);
        assert_eq!(route_localnet, Method::Auto);
        assert_eq!(Method::Nat.settled(&vip, &loopback, false), Method::Nat);
    }

    #[test]
    fn who_steers() {
        use crate::{
            persistence,
            schedule::{Change, Kind},
        };
        let plain = Settings::new(Kind::Wlc);
        let change = Change {
            flags: Some((Flags::SLOPPY.bits(), u32::MAX)),
            ..Change::default()
        };
        let sloppy = plain.changed(&change).unwrap();
        let change = Change {
            persistence: persistence::Change::new(Some(60), None, Family::V4).unwrap(),
            ..Change::default()
        };
        let persistent = plain.changed(&change).unwrap();
        let of = |number: u8, settings: &Settings, methods: &[Method]| {
            let protocol = Protocol::from_number(number).unwrap();
            steers(protocol, settings, methods.iter().copied())
        };
        const NAT: Method = Method::Nat;
        const STEER: Method = Method::Steer;
        const AUTO: Method = Method::Auto;
        for (methods, tcp, others) in [
            (&[][..], Ok(false), true),
            (&[AUTO, AUTO], Ok(true), true),
            (&[STEER], Ok(true), false),
            (&[AUTO, STEER], Ok(true), false),
            (&[NAT], Ok(false), true),
            (&[AUTO, NAT, AUTO], Ok(false), true),
            (&[NAT, STEER], Err(Refusal::MixedMethods), false),
            (&[STEER, AUTO, NAT], Err(Refusal::MixedMethods), false),
        ] {
            assert_eq!(of(6, &plain, methods), tcp, "{methods:?}");
            for (number, settings, refusal) in [
                (17, &plain, Refusal::SteerProtocol),
                (132, &plain, Refusal::SteerProtocol),
                (6, &persistent, Refusal::SteerPersistent),
                (6, &sloppy, Refusal::SteerSloppy),
            ] {
                let wanted = if others { Ok(false) } else { Err(refusal) };
                assert_eq!(of(number, settings, methods), wanted, "{methods:?}");
            }
        }
    }

    #[test]
    fn who_can_be_uncounted() {
        use crate::{
            persistence,
            schedule::{Change, Kind},
        };
        let with = |flags: Flags, kind| {
            let change = Change {
                flags: Some((flags.bits(), u32::MAX)),
                ..Change::default()
            };
            Settings::new(kind).changed(&change).unwrap()
        };
        let of = |protocol, settings: &Settings, uppers: &[u32]| {
            let thresholds = uppers
                .iter()
                .map(|&upper| Thresholds::new(upper, 0).unwrap());
            check_uncounted(protocol, settings, thresholds)
        };
        let rr = with(Flags::UNCOUNTED, Kind::Rr);
        assert_eq!(of(Protocol::Tcp, &rr, &[]), Ok(()));
        assert_eq!(of(Protocol::Tcp, &rr, &[0, 0]), Ok(()));
        let bounded = of(Protocol::Tcp, &rr, &[0, 9]);
        assert_eq!(bounded, Err(Refusal::UncountedThresholds));
        let persistent = Change {
            persistence: persistence::Change::new(Some(60), None, Family::V4).unwrap(),
            ..Change::default()
        };
        let sloppy = Flags::from_bits(Flags::UNCOUNTED.bits() | Flags::SLOPPY.bits()).unwrap();
        for (protocol, settings) in [
            (Protocol::Udp, rr),
            (Protocol::Sctp, rr),
            (Protocol::Tcp, rr.changed(&persistent).unwrap()),
            (Protocol::Tcp, with(sloppy, Kind::Rr)),
        ] {
            let never = of(protocol, &settings, &[]);
            assert_eq!(never, Err(Refusal::UncountedNeverSteers));
        }
        for kind in Kind::ALL {
            let expected = match kind.goes_by_connections() {
                true => Err(Refusal::UncountedScheduler),
                false => Ok(()),
            };
            let settings = with(Flags::UNCOUNTED, *kind);
            assert_eq!(of(Protocol::Tcp, &settings, &[0]), expected, "{kind:?}");
            // What the flag is not there for is nobody's business.
            let counted = of(Protocol::Udp, &with(Flags::NONE, *kind), &[9]);
            assert_eq!(counted, Ok(()), "{kind:?}");
        }
    }

    #[test]
    fn error_numbers_say_what_kind() {
        assert_eq!(Refusal::LoopbackForNat4.errno(), Errno::HostUnreach);
        assert_eq!(Refusal::LoopbackForNat6.errno(), Errno::HostUnreach);
        assert_eq!(Refusal::OwnService.errno(), Errno::Loop);
        assert_eq!(Refusal::WeightRange.errno(), Errno::Range);
        assert_eq!(Refusal::FamilyMismatch.errno(), Errno::AfNoSupport);
    }
}
