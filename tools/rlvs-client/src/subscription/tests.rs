// SPDX-License-Identifier: GPL-2.0

//! Datagrams put together by hand, as the kernel lays them out.

use super::*;
use crate::attribute::Builder;
use crate::endpoint::{Protocol, ServiceId};
use crate::event::DestinationId;
use crate::malformed::Malformed;
use crate::message::raw;
use crate::spec::{command, event, service};

const FAMILY: u16 = 30;

/// A generic netlink message.
fn message(family: u16, command: u8, attributes: Builder) -> Vec<u8> {
    let payload = [&[command, 1, 0, 0], &attributes.into_bytes()[..]].concat();
    raw::message(family, 0, 0, &payload)
}

/// The attributes of an event about 192.0.2.10:8001 of tcp://192.0.2.10:80.
fn attributes(kind: u8) -> Builder {
    let mut of = Builder::default();
    of.put(service::PROTOCOL, 6)
        .put(service::ADDRESS, &[192, 0, 2, 10])
        .put(service::PORT, 80);
    let mut attributes = Builder::default();
    attributes
        .put(event::TYPE, kind)
        .put(event::SERVICE, of.attributes())
        .put(event::ADDRESS, &[192, 0, 2, 10])
        .put(event::PORT, 8001);
    attributes
}

#[test]
fn events_are_distinguished_from_what_else_comes() {
    let number = command::EVENT.number;
    let mut draining = attributes(2);
    draining.put(event::IN_FLIGHT, 3);
    let mut retried = attributes(7);
    retried.put(event::COUNT, 9);
    // Three in one datagram, one of another family and one of another kind.
    let datagram = [
        message(FAMILY, number, draining),
        message(FAMILY + 1, number, attributes(0)),
        message(FAMILY, number + 1, attributes(0)),
        message(FAMILY, number, retried),
        // A change that only a newer module reports.
        message(FAMILY, number, attributes(99)),
    ]
    .concat();
    let wanted = [
        ("draining", Some(3), None),
        ("retried", None, Some(9)),
        ("99", None, None),
    ];
    let address = [192, 0, 2, 10].into();
    let wanted = wanted.map(|(name, in_flight, count)| {
        Notice::Event(Event {
            name: name.into(),
            service: ServiceId {
                protocol: Protocol(6),
                address,
                port: 80,
            },
            destination: DestinationId {
                address,
                port: 8001,
            },
            in_flight,
            count,
        })
    });
    assert_eq!(notices(&datagram, FAMILY).unwrap(), wanted);
    assert!(notices(&datagram[..21], FAMILY).is_err());
}

#[test]
fn events_against_the_specification_are_errors() {
    let mut incomplete = Builder::default();
    incomplete.put(event::TYPE, 1);
    let datagram = message(FAMILY, command::EVENT.number, incomplete);
    assert!(matches!(
        notices(&datagram, FAMILY),
        Err(Error::Reply(Malformed::Missing("service")))
    ));
}

#[test]
fn the_end_of_the_family_is_an_error() {
    let gone = |family: u16| {
        let mut of = Builder::default();
        of.put(controller::FAMILY_ID, family);
        notices(
            &message(controller::ID, controller::DELETE_FAMILY, of),
            FAMILY,
        )
    };
    assert_eq!(gone(FAMILY + 1).unwrap(), []);
    assert!(matches!(gone(FAMILY), Err(Error::Unloaded)));
}
