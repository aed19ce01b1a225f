// SPDX-License-Identifier: GPL-2.0

//! Commands that change something.

use rlvs_client::client::Client;
use rlvs_client::request::Reply;
use rlvs_client::spec::{self, command};

use super::{execute, parse, run, service};
use crate::error::Error;
use crate::fake::{Fake, Seen};

/// Edits a destination with each of these options; returns what was sent.
fn edited_with(options: &[&str]) -> Vec<Seen> {
    let mut fake = Fake::default();
    for option in options {
        let line = format!("rlvs dest edit tcp://192.0.2.10:80 :8001 {option}");
        run(&mut fake, &line).unwrap();
    }
    fake.requests
}

#[test]
fn flags_are_sent_as_bits() {
    use spec::service::*;
    let mut fake = Fake::default();
    let add = "rlvs service add tcp://192.0.2.10:80 --scheduler mh --table-size 65537";
    run(&mut fake, &format!("{add} --flags mh-port,mh-fallback")).unwrap();
    run(
        &mut fake,
        "rlvs service edit tcp://192.0.2.10:80 --flags none",
    )
    .unwrap();
    // Which scheduler the service has, is asked for.
    let of_sh = || vec![service(6, "192.0.2.10", 80, "sh")];
    fake.answer(of_sh());
    let edit = "rlvs service edit tcp://192.0.2.10:80 --flags";
    run(&mut fake, &format!("{edit} sh-port")).unwrap();
    fake.answer(of_sh());
    let error = run(&mut fake, &format!("{edit} mh-port")).unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
    let error = run(&mut fake, &format!("{edit} mh-port --scheduler sh")).unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");

    let (add, set) = (command::SERVICE_ADD.number, command::SERVICE_SET.number);
    let get = command::SERVICE_GET.number;
    assert_eq!(fake.commands(), [add, set, get, set, get]);
    let attributes = |index: usize| fake.requests[index].attributes();
    assert_eq!(attributes(0).require(FLAGS).unwrap(), 0x18);
    assert_eq!(attributes(0).require(TABLE_SIZE).unwrap(), 65537);
    assert_eq!(attributes(1).require(FLAGS).unwrap(), 0);
    assert!(attributes(1).get(SCHEDULER).unwrap().is_none());
    assert_eq!(attributes(3).require(FLAGS).unwrap(), 0x10);
    assert!(attributes(0).get(FLAGS_MASK).unwrap().is_none());
}

#[test]
fn a_note_is_no_output() {
    let mut fake = Fake::default();
    fake.answers.push_back(Ok(Reply {
        messages: Vec::new(),
        note: Some("the address is not here".into()),
    }));
    let command = parse("rlvs service add tcp://192.0.2.10:80").unwrap();
    let done = execute(&command, &mut Client::new(&mut fake)).unwrap();
    assert_eq!(done.note.as_deref(), Some("the address is not here"));
    assert_eq!(done.output, "");
}

#[test]
fn a_range_is_one_request() {
    use spec::destination::*;
    let mut fake = Fake::default();
    let line = "rlvs dest add tcp://192.0.2.10:80 :8001-8004 --weight 70000 --method nat";
    assert_eq!(run(&mut fake, line).unwrap(), "");
    assert_eq!(fake.requests.len(), 1);
    assert_eq!(fake.requests[0].command, command::DESTINATION_ADD.number);
    let attributes = fake.requests[0].attributes();
    assert!(attributes.get(ADDRESS).unwrap().is_none());
    assert_eq!(attributes.require(PORT).unwrap(), 8001);
    assert_eq!(attributes.require(LAST_PORT).unwrap(), 8004);
    assert_eq!(attributes.require(WEIGHT).unwrap(), 70000);
    assert_eq!(attributes.require(METHOD).unwrap(), 0);
    let service = attributes.require(SERVICE).unwrap();
    let address = service.require(spec::service::ADDRESS).unwrap();
    assert_eq!(address, [192, 0, 2, 10]);
}

#[test]
fn options_that_are_not_given_are_not_sent() {
    use spec::{destination, service};
    let mut fake = Fake::default();
    for line in [
        "rlvs service add tcp://192.0.2.10:80",
        "rlvs service del tcp://192.0.2.10:80",
        "rlvs service zero",
        "rlvs dest edit tcp://192.0.2.10:80 192.0.2.11:9000 --weight 0",
        "rlvs dest del tcp://192.0.2.10:80 :8001",
        "rlvs flush",
    ] {
        run(&mut fake, line).unwrap();
    }
    let attributes = |index: usize| fake.requests[index].attributes();
    assert!(attributes(0).get(service::SCHEDULER).unwrap().is_none());
    assert!(attributes(0).get(service::FLAGS).unwrap().is_none());
    assert!(attributes(0).get(service::TABLE_SIZE).unwrap().is_none());
    assert!(attributes(1).get(service::CUT).unwrap().is_none());
    assert!(fake.requests[2].bytes.is_empty());
    assert!(attributes(3).get(destination::METHOD).unwrap().is_none());
    assert!(attributes(3).get(destination::LAST_PORT).unwrap().is_none());
    assert!(attributes(4).get(destination::WEIGHT).unwrap().is_none());
    assert!(attributes(4).get(destination::CUT).unwrap().is_none());
    assert!(fake.requests[5].bytes.is_empty());
}

#[test]
fn private_and_public_are_sent() {
    use spec::destination::PRIVATE;
    let sent = edited_with(&["--private", "--public", "--weight 1"]);
    let sent: Vec<_> = sent
        .iter()
        .map(|request| request.attributes().get(PRIVATE).unwrap())
        .collect();
    assert_eq!(sent, [Some(1), Some(0), None]);
}

#[test]
fn users_are_sent() {
    use spec::destination::USER;
    let sent = edited_with(&["--user 33", "--user root", "--any-user", "--weight 1"]);
    let sent: Vec<_> = sent
        .iter()
        .map(|request| request.attributes().get(USER).unwrap())
        .collect();
    assert_eq!(sent, [Some(33), Some(0), Some(u32::MAX), None]);
    for wrong in ["4294967295", "no-such-user", "-1", ""] {
        let line = format!("rlvs dest edit tcp://192.0.2.10:80 :8001 --user={wrong}");
        assert!(parse(&line).is_err(), "{line}");
    }
}

#[test]
fn now_cuts() {
    use spec::{destination, service};
    let mut fake = Fake::default();
    for line in [
        "rlvs service del tcp://192.0.2.10:80 --now",
        "rlvs flush --now",
        "rlvs dest del tcp://192.0.2.10:80 :8001 --now",
    ] {
        run(&mut fake, line).unwrap();
    }
    let attributes = |index: usize| fake.requests[index].attributes();
    assert!(attributes(0).get(service::CUT).unwrap().is_some());
    assert!(attributes(1).get(service::CUT).unwrap().is_some());
    assert!(attributes(2).get(destination::CUT).unwrap().is_some());
}
