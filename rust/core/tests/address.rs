// SPDX-License-Identifier: GPL-2.0

use proptest::prelude::*;
use rlvs_core::{
    address::{Address, Ip, PortRange, V4, V6},
    refusal::Refusal,
};

use crate::support::{address, cases, port};

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn range_is_its_ports(first in port(), last in port(), other in port()) {
        match PortRange::new(first, last) {
            Ok(range) => {
                prop_assert!(first != 0 && first <= last);
                prop_assert_eq!(range.len(), u32::from(last - first) + 1);
                prop_assert_eq!(range.contains(other), first <= other && other <= last);
                prop_assert!(range.contains(first) && range.contains(last));
                prop_assert!(!range.contains(0));
            }
            Err(Refusal::PortZero) => prop_assert!(first == 0 || last == 0),
            Err(refusal) => {
                prop_assert_eq!(refusal, Refusal::PortRange);
                prop_assert!(first != 0 && last != 0 && last < first);
            }
        }
    }

    #[test]
    fn range_iterates_in_order(first in 1u16.., count in 0u16..300) {
        let last = first.saturating_add(count);
        let range = PortRange::new(first, last).unwrap();
        let ports: Vec<u16> = range.iter().collect();
        prop_assert_eq!(ports.len() as u32, range.len());
        prop_assert_eq!(ports.first(), Some(&first));
        prop_assert_eq!(ports.last(), Some(&last));
        prop_assert!(ports.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    }

    #[test]
    fn address_keeps_its_octets(v4 in address::<V4>(), v6 in address::<V6>()) {
        for address in [v4.to_address(), v6.to_address()] {
            prop_assert_eq!(Address::from_octets(address.octets()), Some(address));
            prop_assert_eq!(address.to_string().parse::<std::net::IpAddr>().map(|ip| match ip {
                std::net::IpAddr::V4(ip) => Address::V4(ip.octets()),
                std::net::IpAddr::V6(ip) => Address::V6(ip.octets()),
            }), Ok(address));
        }
        prop_assert_eq!(V4::from_address(v4.to_address()), Some(v4));
        prop_assert_eq!(V4::from_address(v6.to_address()), None);
        prop_assert_eq!(V6::from_address(v6.to_address()), Some(v6));
        prop_assert_eq!(V6::from_address(v4.to_address()), None);
    }
}
