// SPDX-License-Identifier: GPL-2.0

//! Which destination a packet comes from, by its source alone.
//!
//! A packet that a destination sends is found by its connection's entry. One-packet scheduling makes
//! none ([`Flags::ONE_PACKET`]): there the destination's end has to tell the service. So no other
//! service may have a destination there, and the service's own address has to follow from it.
//!
//! [`Flags::ONE_PACKET`]: crate::schedule::flags::Flags::ONE_PACKET

use crate::{
    address::{Address, Protocol},
    config::{DestinationKey, ServiceKey},
    refusal::Refusal,
    schedule::sort::sort_by_key,
};

/// What a packet that a destination sends has as its source. Ends of one protocol, port and family
/// follow each other in their order, the one on the wildcard address first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// The protocol.
    pub protocol: Protocol,
    /// The port, in host byte order.
    pub port: u16,
    /// The address; the wildcard stands for any address of the host.
    pub address: Address,
}

impl End {
    /// The end of a service's destination.
    pub fn new(service: &ServiceKey, destination: &DestinationKey) -> Self {
        Self {
            protocol: service.protocol,
            port: destination.port,
            address: destination.address,
        }
    }

    /// The same on the wildcard address.
    #[inline]
    fn on_wildcard(self) -> Self {
        Self {
            address: Address::unspecified(self.address.family()),
            ..self
        }
    }

    /// Whether a packet can be of both.
    fn overlaps(self, other: Self) -> bool {
        self.on_wildcard() == other.on_wildcard()
            && (self.address == other.address
                || self.address.is_unspecified()
                || other.address.is_unspecified())
    }
}

/// A destination in a list that is in the order of their ends.
pub trait Backend {
    /// Its end.
    fn end(&self) -> End;

    /// Whether its service schedules each packet by itself.
    fn is_one_packet(&self) -> bool;
}

/// Puts backends into the order of their ends.
pub fn sort<T: Backend>(all: &mut [T]) {
    sort_by_key(all, |backend| backend.end());
}

/// The backend that a packet comes from: one on the very address, else one on the wildcard address
/// if `is_local` says that the address is the host's. A search by halves; of several on the same end
/// any is found.
#[inline]
pub fn find<T: Backend>(sorted: &[T], end: End, is_local: impl FnOnce() -> bool) -> Option<&T> {
    let at = |end: End| {
        let index = sorted.binary_search_by(|b| b.end().cmp(&end)).ok()?;
        sorted.get(index)
    };
    at(end).or_else(|| at(end.on_wildcard()).filter(|_| is_local()))
}

/// The backends of the end's protocol, port and family, on whichever address.
#[inline]
pub fn on_port<T: Backend>(sorted: &[T], end: End) -> impl Iterator<Item = &T> {
    let wildcard = end.on_wildcard();
    let first = sorted.partition_point(|backend| backend.end() < wildcard);
    let rest = sorted.get(first..).unwrap_or_default().iter();
    rest.take_while(move |backend| backend.end().on_wildcard() == wildcard)
}

/// Whether answers can be told apart: no end of a one-packet service is another destination's too.
///
/// # Errors
///
/// [`Refusal::SharedDestination`].
pub fn check<T: Backend>(sorted: &[T]) -> Result<(), Refusal> {
    // The one before, and the first of this protocol, port and family: only that one, and those
    // with the same end, can be on the wildcard address.
    let mut last: Option<&T> = None;
    let mut first: Option<&T> = None;
    for backend in sorted {
        let end = backend.end();
        if first.is_none_or(|first| first.end().on_wildcard() != end.on_wildcard()) {
            first = None;
        }
        for other in [last, first].into_iter().flatten() {
            let one_packet = other.is_one_packet() || backend.is_one_packet();
            if one_packet && other.end().overlaps(end) {
                return Err(Refusal::SharedDestination);
            }
        }
        first = first.or(Some(backend));
        last = Some(backend);
    }
    Ok(())
}

/// Whether a service with these destinations can schedule each packet by itself.
///
/// # Errors
///
/// [`Refusal::OnePacketProtocol`]; [`Refusal::OnePacketAddress`] when a service on the wildcard
/// address has a destination on another one, from which the address that the client has used does
/// not follow.
pub fn check_one_packet<'a>(
    service: &ServiceKey,
    mut destinations: impl Iterator<Item = &'a DestinationKey>,
) -> Result<(), Refusal> {
    if service.protocol != Protocol::Udp {
        return Err(Refusal::OnePacketProtocol);
    }
    if service.is_wildcard() && destinations.any(|d| !d.address.is_unspecified()) {
        return Err(Refusal::OnePacketAddress);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;
    use std::vec::Vec;

    #[derive(Clone, Copy, Debug)]
    struct Row(End, bool);

    impl Backend for Row {
        fn end(&self) -> End {
            self.0
        }

        fn is_one_packet(&self) -> bool {
            self.1
        }
    }

    fn address(text: &str) -> Address {
        match text.parse().unwrap() {
            IpAddr::V4(ip) => Address::V4(ip.octets()),
            IpAddr::V6(ip) => Address::V6(ip.octets()),
        }
    }

    fn end(protocol: Protocol, at: &str, port: u16) -> End {
        End {
            protocol,
            port,
            address: address(at),
        }
    }

    /// Rows of UDP as (address, port, one packet), in their order.
    fn rows(of: &[(&str, u16, bool)]) -> Vec<Row> {
        let row = |&(at, port, one): &(&str, u16, bool)| Row(end(Protocol::Udp, at, port), one);
        let mut rows: Vec<Row> = of.iter().map(row).collect();
        sort(&mut rows);
        rows
    }

    #[test]
    fn the_very_end_goes_before_the_wildcard() {
        let rows = rows(&[
            ("192.0.2.1", 81, false),
            ("0.0.0.0", 80, true),
            ("192.0.2.1", 80, false),
            ("::", 82, true),
        ]);
        let found = |at, port, local| {
            let end = end(Protocol::Udp, at, port);
            find(&rows, end, || local).map(|row| (row.1, row.0.address.is_unspecified()))
        };
        assert_eq!(found("192.0.2.1", 80, true), Some((false, false)));
        assert_eq!(found("192.0.2.2", 80, true), Some((true, true)));
        assert_eq!(found("192.0.2.2", 80, false), None);
        assert_eq!(found("192.0.2.1", 82, true), None);
        assert_eq!(found("2001:db8::1", 82, true), Some((true, true)));
        assert_eq!(found("2001:db8::1", 80, true), None);
        assert!(find(&rows, end(Protocol::Tcp, "192.0.2.1", 80), || true).is_none());
        // Whether an address is the host's is asked for the wildcard alone.
        let exact = end(Protocol::Udp, "192.0.2.1", 81);
        assert!(find(&rows, exact, || panic!("asked")).is_some());
    }

    #[test]
    fn all_on_a_port_are_found() {
        let hosts = ["0.0.0.0", "192.0.2.1", "192.0.2.1", "192.0.2.2"];
        let mut of: Vec<(&str, u16, bool)> = Vec::new();
        for port in [79, 80, 81] {
            of.extend(hosts.map(|host| (host, port, false)));
            of.push(("2001:db8::1", port, false));
        }
        let rows = rows(&of);
        let found = |at, port| -> Vec<Address> {
            let end = end(Protocol::Udp, at, port);
            on_port(&rows, end).map(|row| row.0.address).collect()
        };
        for port in [79, 80, 81] {
            for at in ["0.0.0.0", "192.0.2.9", "192.0.2.1"] {
                assert_eq!(found(at, port), hosts.map(address));
            }
            assert_eq!(found("2001:db8::9", port), [address("2001:db8::1")]);
        }
        assert!(found("192.0.2.1", 82).is_empty() && found("192.0.2.1", 1).is_empty());
        assert_eq!(
            on_port(&rows, end(Protocol::Tcp, "192.0.2.1", 80)).count(),
            0
        );
        assert_eq!(
            on_port(&rows, end(Protocol::Sctp, "192.0.2.1", 80)).count(),
            0
        );
    }

    #[test]
    fn ends_that_two_have() {
        let refused = |of: &[(&str, u16, bool)]| check(&rows(of)).is_err();
        for one in [false, true] {
            for other in [false, true] {
                let any = one || other;
                let pair = |a, b| refused(&[(a, 80, one), (b, 80, other)]);
                assert_eq!(pair("192.0.2.1", "192.0.2.1"), any);
                assert_eq!(pair("192.0.2.1", "0.0.0.0"), any);
                assert_eq!(pair("0.0.0.0", "0.0.0.0"), any);
                assert_eq!(pair("2001:db8::1", "::"), any);
                assert!(!pair("192.0.2.1", "192.0.2.2"));
                assert!(!pair("192.0.2.1", "::"));
                assert!(!pair("0.0.0.0", "::"));
                assert!(!refused(&[
                    ("192.0.2.1", 80, one),
                    ("192.0.2.1", 81, other)
                ]));
            }
        }
        // What lies between does not hide it.
        let mut of = Vec::from([("0.0.0.0", 80, false)]);
        let hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        of.extend(hosts.map(|host| (host, 80, false)));
        assert!(!refused(&of));
        of.push(("192.0.2.4", 80, true));
        assert!(refused(&of));
        assert!(!refused(&of[1..]));
    }

    #[test]
    fn every_pair_is_seen() {
        let hosts = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "::", "2001:db8::1"];
        let any: Vec<(&str, u16, bool)> = hosts
            .iter()
            .flat_map(|host| [(*host, 80, false), (*host, 80, true), (*host, 81, true)])
            .collect();
        // All sets of three of these.
        for a in 0..any.len() {
            for b in a..any.len() {
                for c in b..any.len() {
                    let rows = rows(&[any[a], any[b], any[c]]);
                    let clash = |x: &Row, y: &Row| (x.1 || y.1) && x.0.overlaps(y.0);
                    let wanted = (0..3).any(|i| (0..i).any(|j| clash(&rows[i], &rows[j])));
                    assert_eq!(check(&rows).is_err(), wanted, "{rows:?}");
                }
            }
        }
    }

    #[test]
    fn services_that_cannot() {
        let key = |number, at: &str| ServiceKey::new(number, address(at).octets(), 53).unwrap();
        let at = |at: &str| DestinationKey {
            address: address(at),
            port: 8001,
        };
        let (own, any) = (at("192.0.2.1"), at("0.0.0.0"));
        let check =
            |service: &ServiceKey, of: &[DestinationKey]| check_one_packet(service, of.iter());
        for number in [6, 132] {
            let refusal = Err(Refusal::OnePacketProtocol);
            assert_eq!(check(&key(number, "192.0.2.1"), &[]), refusal);
        }
        assert_eq!(check(&key(17, "192.0.2.1"), &[own]), Ok(()));
        assert_eq!(check(&key(17, "0.0.0.0"), &[any]), Ok(()));
        let refusal = Err(Refusal::OnePacketAddress);
        assert_eq!(check(&key(17, "0.0.0.0"), &[any, own]), refusal);
    }
}
