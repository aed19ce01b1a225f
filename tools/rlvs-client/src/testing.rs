// SPDX-License-Identifier: GPL-2.0

//! Random configurations that the kernel can have.

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::configuration::{Configuration, Service};
use crate::endpoint::{DestinationRange, Protocol, ServiceId};
use crate::flags::Flag;
use crate::method::Method;
use crate::settings::{DestinationSettings, ServiceSettings, SocketUser, TimeoutSettings};

const SERVICES: [&str; 8] = [
    "tcp://192.0.2.10:80",
    "tcp://*:80",
    "tcp://[2001:db8::10]:443",
    "tcp://[::]:443",
    "udp://192.0.2.10:53",
    "udp://*:53",
    "udp://[2001:db8::10]:53",
    "sctp://192.0.2.10:3868",
];

/// A destination before it fits its service: which address, which port, settings.
type Draft = (u8, u16, DestinationSettings);

prop_compose! {
    fn destination()(
        address in 0..3u8,
        port in 8001..8006u16,
        weight in select(vec![0, 1, 2, 65535]),
        max in select(vec![0, 0, 100]),
        min in select(vec![0, 50]),
        method in select(vec![Method::AUTO, Method::NAT, Method::STEER]),
        private in any::<bool>(),
        user in select(vec![SocketUser::Any, SocketUser::Only(0), SocketUser::Only(33)]),
    ) -> Draft {
        let settings = DestinationSettings {
            weight: Some(weight),
            max_connections: Some(max),
            min_connections: Some(min.min(max)),
            method: Some(method),
            private: Some(private),
            user: Some(user),
        };
        (address, port, settings)
    }
}

prop_compose! {
    fn service(id: ServiceId)(
        scheduler in select(vec!["rr", "wlc", "sh", "mh"]),
        wanted in subsequence(vec!["port", "fallback", "sloppy", "uncounted", "ops"], 0..=3),
        large in any::<bool>(),
        seconds in (0..3u32, select(vec![0, 60]), 0..2u32),
        persistent in select(vec![0, 0, 360]),
        prefix in select(vec![None, Some(24), Some(32)]),
        slow_start in select(vec![0, 30]),
        destinations in prop::collection::vec(destination(), 0..8),
        steers in any::<bool>(),
    ) -> Service {
        let (is_tcp, is_udp) = (id.protocol == Protocol::TCP, id.protocol == Protocol::UDP);
        let by_table = scheduler == "sh" || scheduler == "mh";
        let has = |name: &str| wanted.contains(&name);
        let ops = has("ops") && is_udp;
        let persistent = if ops { 0 } else { persistent };
        let can_steer = is_tcp && persistent == 0 && !has("sloppy");
        let uncounted = has("uncounted") && can_steer && scheduler != "wlc";
        let flags = wanted.iter().filter_map(|name| match *name {
            "port" | "fallback" if by_table => Some(format!("{scheduler}-{name}")),
            "sloppy" => Some("sloppy".into()),
            "uncounted" if uncounted => Some("uncounted".into()),
            "ops" if ops => Some("ops".into()),
            _ => None,
        });
        let flags: Vec<Flag> = flags.map(|name: String| name.parse().unwrap()).collect();
        let settings = ServiceSettings {
            scheduler: Some(scheduler.into()),
            flags: Some(flags),
            table_size: (large && scheduler == "mh").then_some(65537),
            timeout_tcp: Some(seconds.0),
            timeout_fin: Some(seconds.1),
            timeout_udp: Some(seconds.2),
            persistent: Some(persistent),
            persistent_prefix: prefix.filter(|_| persistent != 0),
            slow_start: Some(slow_start),
        };
        let mut service = Service::new(id, &settings).unwrap();
        let (steers, is_any) = (steers && can_steer, id.address.is_unspecified());
        let is_v4 = id.address.is_ipv4();
        for (which, port, mut settings) in destinations {
            let address = match which {
                0 => None,
                _ if ops && is_any => None,
                1 => Some(if is_v4 { "192.0.2.11" } else { "2001:db8::11" }),
                _ if steers => Some(if is_v4 { "127.0.0.1" } else { "::1" }),
                _ => continue,
            };
            let refused = if steers { Method::NAT } else { Method::STEER };
            settings.method = settings.method.filter(|method| *method != refused);
            if uncounted {
                (settings.max_connections, settings.min_connections) = (None, None);
            }
            if !(is_tcp || is_udp) {
                settings.user = None;
            }
            let address = address.map(|address| address.parse::<IpAddr>().unwrap());
            let range = DestinationRange { address, first: port, last: None };
            // One that is there already is not added.
            let _ = service.add_destinations(&range, &settings);
        }
        service
    }
}

prop_compose! {
    /// A configuration that the kernel can have.
    pub(crate) fn configuration()(
        timeouts in (1..4u32, 1..4u32, 1..4u32),
        ids in subsequence(SERVICES.to_vec(), 0..=SERVICES.len()).prop_shuffle(),
    )(
        timeouts in Just(timeouts),
        services in ids
            .into_iter()
            .map(|id| service(id.parse().unwrap()))
            .collect::<Vec<_>>(),
    ) -> Configuration {
        let (tcp, tcp_fin, udp) = timeouts;
        let timeouts = TimeoutSettings { tcp: Some(tcp), tcp_fin: Some(tcp_fin), udp: Some(udp) };
        let mut fitting = Configuration { timeouts, services: Vec::new() };
        for mut service in services {
            let others = fitting.services.clone();
            service.destinations.retain(|d| {
                !others.iter().any(|other| clash(other, &service.id, d.address, d.port))
                    || !service_is_alone(&service.settings)
                        && !others.iter().any(|other| {
                            other.has_flag("ops") && clash(other, &service.id, d.address, d.port)
                        })
            });
            fitting.services.push(service);
        }
        fitting
    }
}

fn service_is_alone(settings: &ServiceSettings) -> bool {
    let flags = settings.flags.as_deref().unwrap_or_default();
    flags.iter().any(|flag| flag.name() == "ops")
}

/// Returns `true` if `other` has a destination where one of `id` would be.
pub(crate) fn clash(other: &Service, id: &ServiceId, address: IpAddr, port: u16) -> bool {
    let mut all = other.destinations.iter();
    other.id.protocol == id.protocol
        && all.any(|d| {
            let wildcard = d.address.is_unspecified() || address.is_unspecified();
            let one_family = d.address.is_ipv4() == address.is_ipv4();
            d.port == port && (d.address == address || wildcard && one_family)
        })
}
