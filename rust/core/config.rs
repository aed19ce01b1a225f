// SPDX-License-Identifier: GPL-2.0

//! Which services and destinations there can be.

pub use crate::{
    forward::{steers, Method},
    key::{DestinationKey, ServiceKey},
};

use crate::{
    address::{Family, Protocol},
    forward::{check_can_steer, check_reachable},
    key::check_unicast,
    refusal::Refusal,
    schedule::{flags::Flags, threshold::Thresholds, Settings},
};

pub mod backends;

/// Returns `Ok` if a service can have these settings, as far as [`Flags::UNCOUNTED`] is concerned,
/// with destinations that have these bounds: it can where the number of connections is not needed.
/// The flag has an effect while the service steers, and is refused to one that never does.
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

/// Returns the weight if the service can have the destination. Its address need not be the host's:
/// it may come later. `route_localnet` is `net.ipv4.conf.all.route_localnet`: IPv4 then delivers
/// packets from outside to loopback addresses.
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
    check_unicast(&destination.address)?;
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

/// Returns `true` if packets to the destination would come to the service itself, once its address
/// is the host's.
fn is_own_service(service: &ServiceKey, destination: &DestinationKey) -> bool {
    let same_address = destination.address == service.address || service.is_wildcard();
    same_address && destination.port == service.port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{refusal::Errno, testing::address};

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
            // Without the flag nothing is checked.
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
