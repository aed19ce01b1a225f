// SPDX-License-Identifier: GPL-2.0

//! Which destination a packet comes from, by its source alone.
//!
//! A packet that a destination sends is found by its connection's entry. One-packet scheduling
//! makes none ([`Flags::ONE_PACKET`]): there the service follows from the destination's end. So no
//! other service may have a destination there, and the service's own address has to follow from it.
//!
//! [`Flags::ONE_PACKET`]: crate::schedule::flags::Flags::ONE_PACKET

use crate::{
    address::{Address, Protocol},
    key::{DestinationKey, ServiceKey},
    refusal::Refusal,
    tree::{Share, Tree},
};

/// What a packet that a destination sends has as its source. Ends of one protocol, port and family
/// follow each other in their order, the one on the wildcard address first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey {
    /// The protocol.
    pub protocol: Protocol,
    /// The port, in host byte order.
    pub port: u16,
    /// The address; the wildcard stands for any address of the host.
    pub address: Address,
}

impl BackendKey {
    /// Creates the key of a service's destination.
    pub fn new(service: &ServiceKey, destination: &DestinationKey) -> Self {
        Self {
            protocol: service.protocol,
            port: destination.port,
            address: destination.address,
        }
    }

    /// Returns this key with the wildcard address.
    #[inline]
    fn on_wildcard(self) -> Self {
        Self {
            address: Address::unspecified(self.address.family()),
            ..self
        }
    }
}

/// What a namespace's destinations are ordered by: the end, then the service.
type Key = (BackendKey, ServiceKey);

/// A destination, as its user has it, and whether its service schedules each packet by itself.
#[derive(Clone)]
struct Backend<T> {
    is_one_packet: bool,
    destination: T,
}

/// The destinations of a namespace by their ends. Never changed in place: see [`Tree`].
pub struct Backends<T, M: Share> {
    tree: Tree<Key, Backend<T>, M>,
    /// How many belong to services that schedule each packet by itself.
    one_packet: usize,
}

impl<T, M: Share> Default for Backends<T, M> {
    fn default() -> Self {
        Self {
            tree: Tree::default(),
            one_packet: 0,
        }
    }
}

impl<T, M: Share> Clone for Backends<T, M> {
    fn clone(&self) -> Self {
        Self {
            tree: self.tree.clone(),
            one_packet: self.one_packet,
        }
    }
}

impl<T, M: Share> Backends<T, M> {
    /// Returns the destination that a packet comes from: one on the very address, else one on the
    /// wildcard address if `is_local` says that the address is the host's. Of several on the same
    /// end any is found.
    #[inline]
    pub fn find(&self, end: BackendKey, is_local: impl FnOnce() -> bool) -> Option<&T> {
        Some(&self.backend(end, is_local)?.destination)
    }

    /// Returns the destination that a packet comes from, as [`Self::find`] does, if its service
    /// schedules each packet by itself.
    #[inline]
    pub fn find_one_packet(&self, end: BackendKey, is_local: impl FnOnce() -> bool) -> Option<&T> {
        if self.one_packet == 0 {
            return None;
        }
        let found = self.backend(end, is_local)?;
        found.is_one_packet.then_some(&found.destination)
    }

    #[inline]
    fn backend(&self, end: BackendKey, is_local: impl FnOnce() -> bool) -> Option<&Backend<T>> {
        self.at(end)
            .or_else(|| self.at(end.on_wildcard()).filter(|_| is_local()))
    }

    /// Returns the first one on the very end.
    #[inline]
    fn at(&self, end: BackendKey) -> Option<&Backend<T>> {
        let (key, found) = self.tree.first(|key| key.0 < end)?;
        (key.0 == end).then_some(found)
    }

    /// Returns the destinations on the very end.
    pub fn on_end(&self, end: BackendKey) -> impl Iterator<Item = &T> {
        let rest = self.tree.from(move |key| key.0 < end);
        let on_end = rest.take_while(move |(key, _)| key.0 == end);
        on_end.map(|(_, found)| &found.destination)
    }

    /// Returns the destinations of the end's protocol, port and family, on whichever address.
    #[inline]
    pub fn on_port(&self, end: BackendKey) -> impl Iterator<Item = &T> {
        self.all_on_port(end).map(|found| &found.destination)
    }

    fn all_on_port(&self, end: BackendKey) -> impl Iterator<Item = &Backend<T>> {
        let wildcard = end.on_wildcard();
        let rest = self.tree.from(move |key| key.0 < wildcard);
        let on_port = rest.take_while(move |(key, _)| key.0.on_wildcard() == wildcard);
        on_port.map(|(_, found)| found)
    }

    /// Returns `true` if the service of an answer would be ambiguous with another destination on
    /// this end: where a one-packet service has one, no other destination can be.
    fn clashes(&self, end: BackendKey, is_one_packet: bool) -> bool {
        if !is_one_packet && self.one_packet == 0 {
            return false;
        }
        // Of several on one end, and of all that overlap with one on the wildcard address, none is
        // of a one-packet service: they would clash already. So the first one stands for the
        // others.
        let clashes = |found: &Backend<T>| is_one_packet || found.is_one_packet;
        match self.at(end.on_wildcard()) {
            Some(found) => clashes(found),
            None if end.address.is_unspecified() => self.all_on_port(end).any(clashes),
            None => self.at(end).is_some_and(clashes),
        }
    }
}

impl<T: Clone, M: Share> Backends<T, M> {
    /// Returns a copy with another destination of a service. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::SharedDestination`] when the service of an answer would be ambiguous: no end of a
    /// one-packet service is another destination's too. [`Refusal::NoMemory`].
    pub fn with(
        &self,
        service: &ServiceKey,
        key: &DestinationKey,
        is_one_packet: bool,
        destination: T,
    ) -> Result<Self, Refusal> {
        let end = BackendKey::new(service, key);
        if self.clashes(end, is_one_packet) {
            return Err(Refusal::SharedDestination);
        }
        let backend = Backend {
            is_one_packet,
            destination,
        };
        let more = usize::from(is_one_packet);
        Ok(Self {
            tree: self.tree.with((end, *service), backend)?,
            one_packet: self.one_packet.saturating_add(more),
        })
    }

    /// Returns a copy without a service's destination. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn without(&self, service: &ServiceKey, key: &DestinationKey) -> Result<Self, Refusal> {
        let key = (BackendKey::new(service, key), *service);
        let is_one_packet = self.tree.get(&key).is_some_and(|found| found.is_one_packet);
        let less = usize::from(is_one_packet);
        Ok(Self {
            tree: self.tree.without(&key)?,
            one_packet: self.one_packet.saturating_sub(less),
        })
    }
}

/// Returns `Ok` if a service with these destinations can schedule each packet by itself.
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
    use crate::testing::address;
    use std::{rc::Rc, vec::Vec};

    struct Host;

    impl Share for Host {
        type Shared<T> = Rc<T>;

        fn share<T>(value: T) -> Option<Rc<T>> {
            Some(Rc::new(value))
        }
    }

    /// A destination of its number's service.
    #[derive(Clone, Copy, Debug)]
    struct Row {
        service: ServiceKey,
        key: DestinationKey,
        one_packet: bool,
    }

    impl Row {
        fn end(&self) -> BackendKey {
            BackendKey::new(&self.service, &self.key)
        }

        fn clashes(&self, other: &Self) -> bool {
            let (a, b) = (self.end(), other.end());
            (self.one_packet || other.one_packet)
                && a.on_wildcard() == b.on_wildcard()
                && (a.address == b.address
                    || a.address.is_unspecified()
                    || b.address.is_unspecified())
        }
    }

    fn end(protocol: Protocol, at: &str, port: u16) -> BackendKey {
        BackendKey {
            protocol,
            port,
            address: address(at),
        }
    }

    /// Rows of UDP as (address, port, one packet), each of another service.
    fn rows(of: &[(&str, u16, bool)]) -> Vec<Row> {
        let row = |(&(at, port, one_packet), number): (&(&str, u16, bool), u16)| Row {
            service: ServiceKey::new(17, address(at).octets(), number).unwrap(),
            key: DestinationKey {
                address: address(at),
                port,
            },
            one_packet,
        };
        of.iter().zip(1000..).map(row).collect()
    }

    type Rows = Backends<Row, Host>;

    fn with(backends: &Rows, row: &Row) -> Result<Rows, Refusal> {
        backends.with(&row.service, &row.key, row.one_packet, *row)
    }

    fn backends(rows: &[Row]) -> Result<Rows, Refusal> {
        rows.iter()
            .try_fold(Rows::default(), |all, row| with(&all, row))
    }

    #[test]
    fn the_very_end_goes_before_the_wildcard() {
        let rows = rows(&[
            ("192.0.2.1", 81, false),
            ("0.0.0.0", 80, false),
            ("192.0.2.1", 80, false),
            ("::", 82, true),
        ]);
        let all = backends(&rows).unwrap();
        let found = |at, port, local| {
            let end = end(Protocol::Udp, at, port);
            let found = all.find(end, || local)?;
            let one_packet = all.find_one_packet(end, || local).is_some();
            assert_eq!(one_packet, found.one_packet);
            Some((found.one_packet, found.key.address.is_unspecified()))
        };
        assert_eq!(found("192.0.2.1", 80, true), Some((false, false)));
        assert_eq!(found("192.0.2.2", 80, true), Some((false, true)));
        assert_eq!(found("192.0.2.2", 80, false), None);
        assert_eq!(found("192.0.2.1", 82, true), None);
        assert_eq!(found("2001:db8::1", 82, true), Some((true, true)));
        assert_eq!(found("2001:db8::1", 80, true), None);
        let other = end(Protocol::Tcp, "192.0.2.1", 80);
        assert!(all.find(other, || true).is_none());
        // Whether an address is the host's is asked for the wildcard alone.
        let exact = end(Protocol::Udp, "192.0.2.1", 81);
        assert!(all.find(exact, || panic!("asked")).is_some());
    }

    #[test]
    fn all_on_a_port_are_found() {
        let hosts = ["0.0.0.0", "192.0.2.1", "192.0.2.1", "192.0.2.2"];
        let mut of: Vec<(&str, u16, bool)> = Vec::new();
        for port in [79, 80, 81] {
            of.extend(hosts.map(|host| (host, port, false)));
            of.push(("2001:db8::1", port, false));
        }
        let all = backends(&rows(&of)).unwrap();
        let found = |at, port| -> Vec<Address> {
            let end = end(Protocol::Udp, at, port);
            all.on_port(end).map(|row| row.key.address).collect()
        };
        for port in [79, 80, 81] {
            for at in ["0.0.0.0", "192.0.2.9", "192.0.2.1"] {
                assert_eq!(found(at, port), hosts.map(address));
            }
            assert_eq!(found("2001:db8::9", port), [address("2001:db8::1")]);
            let on_end = |at| all.on_end(end(Protocol::Udp, at, port)).count();
            let at = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "192.0.2.9", "::"];
            assert_eq!(at.map(on_end), [1, 2, 1, 0, 0]);
        }
        assert!(found("192.0.2.1", 82).is_empty() && found("192.0.2.1", 1).is_empty());
        for protocol in [Protocol::Tcp, Protocol::Sctp] {
            assert_eq!(all.on_port(end(protocol, "192.0.2.1", 80)).count(), 0);
        }
    }

    #[test]
    fn ends_that_two_have() {
        let refused = |of: &[(&str, u16, bool)]| backends(&rows(of)).is_err();
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
    }

    /// All sets of three of some rows, in any order: what is refused, and what is found after one
    /// was taken out again.
    #[test]
    fn every_pair_is_seen() {
        let hosts = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "::", "2001:db8::1"];
        let any: Vec<(&str, u16, bool)> = hosts
            .iter()
            .flat_map(|host| [(*host, 80, false), (*host, 80, true), (*host, 81, true)])
            .collect();
        for a in &any {
            for b in &any {
                for c in &any {
                    let rows = rows(&[*a, *b, *c]);
                    let wanted = (0..3).any(|i| (0..i).any(|j| rows[i].clashes(&rows[j])));
                    let all = backends(&rows);
                    assert_eq!(all.is_err(), wanted, "{rows:?}");
                    let Ok(all) = all else {
                        continue;
                    };
                    for row in &rows {
                        let others = all.without(&row.service, &row.key).unwrap();
                        assert!(with(&others, row).is_ok());
                        let left = rows.iter().filter(|other| other.service != row.service);
                        let one_packet = left.filter(|other| other.one_packet).count();
                        assert_eq!(others.one_packet, one_packet);
                        let at = |rows: &Rows| rows.on_port(row.end()).count();
                        assert_eq!(at(&others), at(&all) - 1);
                    }
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
