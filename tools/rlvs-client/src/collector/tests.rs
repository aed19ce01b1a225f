// SPDX-License-Identifier: GPL-2.0

//! Replies put together by hand, as the kernel lays them out.

use super::*;
use crate::attribute::Builder;
use crate::message::raw::message;
use crate::spec::{self, command};

const SEQUENCE: u32 = 7;
const FAMILY: u16 = 30;
const ERROR: u16 = 2;
const DONE: u16 = 3;

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
    let expected = [1, 2, 3, 4].map(|byte| Message(vec![byte; 8])).to_vec();
    assert_eq!(
        collector.datagram(&last).unwrap(),
        Some(Outcome::Complete(Reply {
            messages: expected,
            note: None,
        }))
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
    assert_eq!(outcome, Some(Outcome::Complete(Reply::default())));
}

#[test]
fn a_text_without_an_error_is_a_note() {
    let request = add();
    let mut ack = Builder::default();
    ack.put(extended_ack::MESSAGE, "the address is not here");
    let outcome = Collector::new(&request, SEQUENCE).datagram(&error(&request, 0, true, ack));
    let reply = Reply {
        messages: Vec::new(),
        note: Some("the address is not here".into()),
    };
    assert_eq!(outcome.unwrap(), Some(Outcome::Complete(reply)));
}

#[test]
fn replies_to_another_request_are_skipped() {
    let request = dump();
    let mut collector = Collector::new(&request, SEQUENCE);
    let stale = message(FAMILY, 2, SEQUENCE - 1, &[5, 1, 0, 0]);
    assert_eq!(collector.datagram(&stale).unwrap(), None);
    let end = done(2, 0, Builder::default());
    let outcome = collector.datagram(&end).unwrap();
    assert_eq!(outcome, Some(Outcome::Complete(Reply::default())));
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
