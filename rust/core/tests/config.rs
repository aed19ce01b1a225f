// SPDX-License-Identifier: GPL-2.0

use proptest::{collection::vec, prelude::*, sample::select};
use rlvs_core::{
    address::Address,
    config::{check_destination, DestinationKey, Method, ServiceKey},
    refusal::Refusal,
};

use crate::support::cases;

/// Addresses of every kind that a rule is about.
fn address() -> impl Strategy<Value = Address> {
    select(
        &[
            "192.0.2.10",
            "192.0.2.11",
            "0.0.0.0",
            "127.0.0.1",
            "127.9.8.7",
            "224.0.0.1",
            "239.1.2.3",
            "255.255.255.255",
            "2001:db8::10",
            "2001:db8::11",
            "::ffff:192.0.2.10",
            "::",
            "::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ][..],
    )
    .prop_map(|text| match text.parse().expect("an address") {
        std::net::IpAddr::V4(ip) => Address::V4(ip.octets()),
        std::net::IpAddr::V6(ip) => Address::V6(ip.octets()),
    })
}

fn port() -> impl Strategy<Value = u16> {
    select(&[0u16, 80, 81, 65535][..])
}

fn service() -> impl Strategy<Value = ServiceKey> {
    (address(), port()).prop_filter_map("a refused service", |(address, port)| {
        ServiceKey::new(6, address.octets(), port).ok()
    })
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn service_key_is_what_was_asked(
        number in select(&[0u8, 6, 17, 132, 255][..]), address in address(), port in port(),
    ) {
        let multicast = address.is_multicast() || address.is_limited_broadcast();
        let mapped = address.is_ipv4_mapped();
        match ServiceKey::new(number, address.octets(), port) {
            Ok(key) => {
                prop_assert!(port != 0 && !multicast && !mapped);
                prop_assert_eq!(key.protocol.number(), number);
                prop_assert_eq!((key.address, key.port), (address, port));
            }
            Err(Refusal::UnknownProtocol) => prop_assert!(![6, 17, 132].contains(&number)),
            Err(Refusal::PortZero) => prop_assert_eq!(port, 0),
            Err(Refusal::MappedAddress) => prop_assert!(mapped),
            Err(refusal) => {
                prop_assert_eq!(refusal, Refusal::NotUnicast);
                prop_assert!(multicast);
            }
        }
    }

    #[test]
    fn only_two_lengths_are_addresses(octets in vec(any::<u8>(), 0..20)) {
        let refused = ServiceKey::new(6, &octets, 80) == Err(Refusal::AddressLength);
        prop_assert_eq!(refused, octets.len() != 4 && octets.len() != 16);
    }

    #[test]
    fn accepted_destinations_can_be_delivered(
        service in service(),
        address in address(), port in port(),
        weight in prop_oneof![0u32..70000, any::<u32>()],
        route_localnet: bool,
    ) {
        let destination = DestinationKey { address, port };
        let checked =
            check_destination(&service, &destination, Method::Nat, weight, route_localnet);
        if let Ok(accepted) = checked {
            prop_assert_eq!(u32::from(accepted), weight);
            prop_assert!(port != 0);
            prop_assert_eq!(address.family(), service.address.family());
            prop_assert!(!address.is_multicast() && !address.is_limited_broadcast());
            prop_assert!(!address.is_ipv4_mapped());
            prop_assert!(!address.is_unspecified() || service.is_wildcard());
            let every = service.is_wildcard();
            prop_assert!(port != service.port || !(every || address == service.address));
            prop_assert!(
                !address.is_loopback()
                    || service.address.is_loopback()
                    || matches!(address, Address::V4(_)) && route_localnet
            );
        }
    }
}
