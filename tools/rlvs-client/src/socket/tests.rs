// SPDX-License-Identifier: GPL-2.0

//! Replies put together by hand, as the kernel lays them out.

use super::*;
use crate::spec::command;

const SEQUENCE: u32 = 7;
const FAMILY: u16 = 30;
const ERROR: u16 = 2;
const DONE: u16 = 3;

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = (NETLINK_HEADER + payload.len()) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn data(flags: u16, attributes: &[u8]) -> Vec<u8> {
    message(
        FAMILY,
        flags,
        SEQUENCE,
        &[&[5, 1, 0, 0], attributes].concat(),
    )
}

fn done(flags: u16, code: i32, ack: Builder) -> Vec<u8> {
    let payload = [code.to_ne_bytes().to_vec(), ack.into_bytes()].concat();
    message(DONE, flags, SEQUENCE, &payload)
}

fn dump() -> Request {
    Request::dump(&command::SERVICE_GET, Builder::default())
}

/// A destination-add request; its weight stands at offset 28 of the message.
fn add() -> Request {
    let mut service = Builder::default();
    service.put(spec::service::PROTOCOL, 6);
    let mut attributes = Builder::default();
    attributes
        .put(spec::destination::SERVICE, service.attributes())
        .put(spec::destination::PORT, 80)
        .put(spec::destination::WEIGHT, 70000);
    Request::new(&command::DESTINATION_ADD, attributes)
}

/// An error message for a request, with or without a copy of all of it.
fn error(request: &Request, code: i32, capped: bool, ack: Builder) -> Vec<u8> {
    let copy = message(
        FAMILY,
        5,
        SEQUENCE,
        &[&[6, 1, 0, 0], &request.attributes[..]].concat(),
    );
    let copy = if capped {
        &copy[..NETLINK_HEADER]
    } else {
        &copy[..]
    };
    let capped = if capped { NLM_F_CAPPED } else { 0 };
    let payload = [&code.to_ne_bytes(), copy, &ack.into_bytes()].concat();
    message(ERROR, capped | NLM_F_ACK_TLVS, SEQUENCE, &payload)
}

fn refusal(request: &Request, datagram: &[u8]) -> Refusal {
    match Collector::new(request, SEQUENCE).datagram(datagram) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_dump_continues_over_datagrams() {
    let request = dump();
    let mut collector = Collector::new(&request, SEQUENCE);
    let first = [data(2, &[1; 8]), data(2, &[2; 8])].concat();
    assert_eq!(collector.datagram(&first).unwrap(), None);
    assert_eq!(collector.datagram(&data(2, &[3; 8])).unwrap(), None);
    let last = [data(2, &[4; 8]), done(2, 0, Builder::default())].concat();
    let expected = [1, 2, 3, 4].map(|byte| Reply(vec![byte; 8])).to_vec();
    assert_eq!(
        collector.datagram(&last).unwrap(),
        Some(Outcome::Complete(expected))
    );
}

#[test]
fn an_inconsistent_dump_is_noticed() {
    let request = dump();
    for inconsistent in 0..3 {
        let flags = |message| {
            2 | if message == inconsistent {
                NLM_F_DUMP_INTR
            } else {
                0
            }
        };
        let mut collector = Collector::new(&request, SEQUENCE);
        let datagram = [
            data(flags(0), &[]),
            data(flags(1), &[]),
            done(flags(2), 0, Builder::default()),
        ]
        .concat();
        let outcome = collector.datagram(&datagram).unwrap();
        assert_eq!(outcome, Some(Outcome::Interrupted));
    }
}

#[test]
fn a_dump_can_end_with_an_error() {
    let mut ack = Builder::default();
    ack.put(extended_ack::MESSAGE, "there is no such service");
    let request = dump();
    let refusal = refusal(&request, &done(2 | NLM_F_ACK_TLVS, -2, ack));
    assert_eq!(refusal.errno, 2);
    assert_eq!(refusal.text.as_deref(), Some("there is no such service"));
    assert_eq!(refusal.fault, None);
}

#[test]
fn an_error_names_text_and_attribute() {
    let request = add();
    for capped in [false, true] {
        let mut ack = Builder::default();
        ack.put(extended_ack::MESSAGE, "the weight is 0 to 65535")
            .put(extended_ack::OFFSET, 40);
        let refusal = refusal(&request, &error(&request, -34, capped, ack));
        assert_eq!(refusal.errno, 34);
        assert_eq!(refusal.text.as_deref(), Some("the weight is 0 to 65535"));
        assert_eq!(refusal.fault.unwrap().attribute, "weight");
    }
}

#[test]
fn an_error_names_what_is_missing() {
    let request = add();
    let mut ack = Builder::default();
    ack.put(extended_ack::MISSING_TYPE, 2)
        .put(extended_ack::MISSING_NEST, 20);
    let refusal = refusal(&request, &error(&request, -22, true, ack));
    let fault = refusal.fault.unwrap();
    assert_eq!((fault.set, fault.attribute), ("service", "address"));
    assert!(fault.missing);
}

#[test]
fn offsets_outside_the_request_are_no_attribute() {
    let request = add();
    for offset in [0, 16, 19, 21, 1000, u32::MAX] {
        let mut ack = Builder::default();
        ack.put(extended_ack::OFFSET, offset);
        let refusal = refusal(&request, &error(&request, -22, true, ack));
        assert_eq!(refusal.fault, None, "{offset}");
    }
}

#[test]
fn an_acknowledgement_ends_a_request() {
    let request = add();
    let mut collector = Collector::new(&request, SEQUENCE);
    let ack = error(&request, 0, true, Builder::default());
    let outcome = collector.datagram(&ack).unwrap();
    assert_eq!(outcome, Some(Outcome::Complete(Vec::new())));
}

#[test]
fn replies_to_another_request_are_skipped() {
    let request = dump();
    let mut collector = Collector::new(&request, SEQUENCE);
    let stale = message(FAMILY, 2, SEQUENCE - 1, &[5, 1, 0, 0]);
    assert_eq!(collector.datagram(&stale).unwrap(), None);
    let end = done(2, 0, Builder::default());
    let outcome = collector.datagram(&end).unwrap();
    assert_eq!(outcome, Some(Outcome::Complete(Vec::new())));
}

#[test]
fn garbage_is_an_error_and_no_crash() {
    let request = dump();
    let whole = [data(2, &[1; 8]), done(2, 0, Builder::default())].concat();
    for end in 1..whole.len() {
        // Cut within a message it is an error; between two, more is expected.
        let result = Collector::new(&request, SEQUENCE).datagram(&whole[..end]);
        assert_eq!(result.is_ok(), end == 28, "{end}: {result:?}");
    }
    for length in [0u32, 15, u32::MAX] {
        let mut bytes = whole.clone();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        assert!(Collector::new(&request, SEQUENCE).datagram(&bytes).is_err());
    }
}

/// The controller family is in every kernel, so the socket can be tried with
/// it on any machine.
#[test]
fn the_kernel_answers() {
    let mut netlink = Netlink {
        socket: Socket::new(NETLINK_GENERIC).unwrap(),
        family: control::ID,
        sequence: u32::MAX,
    };
    netlink.socket.set_ext_ack(true).unwrap();
    assert_eq!(netlink.resolve("nlctrl").unwrap(), control::ID);
    assert!(matches!(
        netlink.resolve("no-such-family"),
        Err(Error::NotLoaded)
    ));
    let all = Request::dump(&control::GET_FAMILY, Builder::default());
    let names: Vec<_> = netlink.request(&all).unwrap();
    assert!(names
        .iter()
        .any(|reply| reply.attributes().require(control::FAMILY_NAME).unwrap() == "nlctrl"));
    // A refusal of the kernel's own policy: text and attribute are its.
    let mut long = Builder::default();
    long.put(control::FAMILY_NAME, "a-name-that-is-much-too-long");
    match netlink.request(&Request::new(&control::GET_FAMILY, long)) {
        Err(Error::Refused(refusal)) => {
            assert!(refusal.text.is_some(), "{refusal:?}");
            assert_eq!(refusal.fault.unwrap().attribute, "family-name");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_are_told_from_what_else_comes() {
    use super::events::notices;
    use crate::event::Notice;
    let event = |family: u16, command: u8, attributes: &[u8]| {
        let payload = [&[command, 1, 0, 0], attributes].concat();
        message(family, 0, 0, &payload)
    };
    let number = command::EVENT.number;
    let mut of = Builder::default();
    of.put(spec::event::PORT, 8001);
    let attributes = of.into_bytes();
    // Two in one datagram, one of another family and one of another kind.
    let datagram = [
        event(FAMILY, number, &attributes),
        event(FAMILY + 1, number, &attributes),
        event(FAMILY, number + 1, &attributes),
        event(FAMILY, number, &[]),
    ]
    .concat();
    let found = notices(&datagram, FAMILY).unwrap();
    let wanted = [
        Notice::Event(Reply(attributes)),
        Notice::Event(Reply(Vec::new())),
    ];
    assert_eq!(found, wanted);
    // The controller says that a family is gone, this one or another.
    let gone = |family: u16| {
        let mut of = Builder::default();
        of.put(control::FAMILY_ID, family);
        notices(
            &event(control::ID, control::DELETE_FAMILY, &of.into_bytes()),
            FAMILY,
        )
    };
    assert_eq!(gone(FAMILY + 1).unwrap(), []);
    assert!(matches!(gone(FAMILY), Err(Error::Unloaded)));
    assert!(notices(&datagram[..21], FAMILY).is_err());
}
