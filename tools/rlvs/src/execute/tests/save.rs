// SPDX-License-Identifier: GPL-2.0

//! The configuration as a document, and back.

use rlvs_client::attribute::Builder;
use rlvs_client::client::Client;
use rlvs_client::document;
use rlvs_client::endpoint::ServiceId;
use rlvs_client::error::Error as ClientError;
use rlvs_client::refusal::Refusal;
use rlvs_client::request::Message;
use rlvs_client::spec::{self, command};

use super::{parse, run, service, service_with};
use crate::cli::dest::{user_number, DestCommand};
use crate::cli::service::ServiceCommand;
use crate::cli::Command;
use crate::error::Error;
use crate::fake::{message, octets, stats, Fake};
use crate::restore;

fn timeouts(udp: u32) -> Message {
    use spec::timeouts::*;
    let mut attributes = Builder::default();
    attributes.put(TCP, 900).put(TCP_FIN, 120).put(UDP, udp);
    message(attributes)
}

fn destination(address: &str, port: u16, method: u8, user: Option<u32>) -> Message {
    use spec::destination::*;
    let mut attributes = Builder::default();
    attributes
        .put(ADDRESS, &octets(address))
        .put(PORT, port)
        .put(METHOD, 1)
        .put(REQUESTED_METHOD, method)
        .put(WEIGHT, 3)
        .put(MAX_CONNECTIONS, 0)
        .put(MIN_CONNECTIONS, 0)
        .put(TEMPLATES, 0)
        .put(PRIVATE, u8::from(user.is_some()))
        .put_some(USER, user)
        .put(STATS, stats(1).attributes());
    message(attributes)
}

/// Answers a request for everything that is configured.
fn busy() -> Fake {
    Fake::answering([
        vec![timeouts(30)],
        vec![
            service(6, "2001:db8::10", 443, "wlc"),
            service_with(6, "192.0.2.10", 80, "mh", 0x20010, Some(65537)),
        ],
        vec![],
        vec![
            destination("192.0.2.10", 8003, 2, None),
            destination("192.0.2.10", 8001, 2, None),
            destination("192.0.2.10", 8002, 2, None),
            destination("127.0.0.1", 8003, 1, Some(33)),
        ],
    ])
}

const DOCUMENT: &str = "\
timeouts --tcp 900 --tcp-fin 120 --udp 30
service add tcp://192.0.2.10:80 --scheduler mh --flags mh-port,uncounted --table-size 65537
dest add tcp://192.0.2.10:80 :8003 --weight 3
dest add tcp://192.0.2.10:80 :8001-8002 --weight 3
dest add tcp://192.0.2.10:80 127.0.0.1:8003 --weight 3 --method steer --private --user 33
service add tcp://[2001:db8::10]:443 --scheduler wlc
";

fn read(text: &str) -> rlvs_client::configuration::Configuration {
    document::read(text, &user_number).unwrap()
}

#[test]
fn all_settings_are_saved_in_the_order_of_destinations() {
    assert_eq!(run(&mut busy(), "rlvs save").unwrap(), DOCUMENT);
}

#[test]
fn what_has_no_name_here_is_not_left_out() {
    let mut fake = busy();
    let unknown = service_with(6, "192.0.2.10", 80, "rr", 1 << 30, None);
    fake.answers[1].as_mut().unwrap().messages = vec![unknown];
    let error = run(&mut fake, "rlvs save").unwrap_err().to_string();
    assert!(error.contains("'flags' has an unknown value"), "{error}");
}

#[test]
fn a_document_is_read_as_command_lines_are() {
    let document = read(DOCUMENT);
    let mut lines = DOCUMENT.lines().map(|line| {
        let command = parse(&format!("rlvs {line}")).unwrap();
        let mut of_line = rlvs_client::configuration::Configuration::default();
        match &command {
            Command::Timeouts { options, .. } => of_line.set_timeouts(&options.settings()),
            Command::Service(ServiceCommand::Add { service, options }) => {
                let settings = options.settings(service).unwrap();
                of_line.add_service(*service, &settings).unwrap();
            }
            Command::Dest(DestCommand::Add { target, options }) => {
                let id = &target.service;
                of_line.add_service(*id, &Default::default()).unwrap();
                let service = of_line.service_mut(id).unwrap();
                let settings = options.settings();
                service
                    .add_destinations(&target.destination, &settings)
                    .unwrap();
            }
            other => panic!("{other:?}"),
        }
        of_line
    });
    assert_eq!(lines.next().unwrap().timeouts, document.timeouts);
    let services: Vec<_> = lines.flat_map(|line| line.services).collect();
    let web = &document.services[0];
    assert_eq!(services[0].settings, web.settings);
    let destinations = services[1..4].iter().flat_map(|s| &s.destinations);
    assert!(destinations.eq(&web.destinations));
    assert_eq!(services[4], document.services[1]);
}

#[test]
fn what_is_there_is_not_restored_over() {
    let mut fake = busy();
    let error = restore::restore(&mut Client::new(&mut fake), &read(DOCUMENT)).unwrap_err();
    assert!(matches!(error, Error::Exists(_)));
    let both: Vec<ServiceId> = ["tcp://192.0.2.10:80", "tcp://[2001:db8::10]:443"]
        .map(|id| id.parse().unwrap())
        .into();
    let expected = format!(
        "nothing was changed, as there is already: {}, {}",
        both[0], both[1]
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(fake.requests.len(), 4);
}

#[test]
fn only_what_differs_is_changed() {
    let document = read(&DOCUMENT.replace(":8001-8002 --weight 3", ":8002 --weight 4"));
    let planned = restore::planned(&mut Client::new(&mut busy()), &document).unwrap();
    assert_eq!(
        planned,
        "dest edit tcp://192.0.2.10:80 :8002 --weight 4\n\
         dest del tcp://192.0.2.10:80 :8001\n"
    );
    let mut fake = busy();
    restore::apply(&mut Client::new(&mut fake), &document).unwrap();
    let changes = [&command::DESTINATION_SET, &command::DESTINATION_DEL];
    assert_eq!(fake.commands()[4..], changes.map(|command| command.number));
    let mut fake = busy();
    restore::apply(&mut Client::new(&mut fake), &read(DOCUMENT)).unwrap();
    assert_eq!(fake.requests.len(), 4);
}

#[test]
fn a_refusal_names_the_change_and_what_became_of_the_others() {
    for (undone, end) in [
        (true, "; the 2 changes before it were undone"),
        (
            false,
            "; the changes before it were undone, except for what these would have undone:\n  \
             service del tcp://192.0.2.10:80: no memory (ENOMEM)",
        ),
    ] {
        let refusal = |text: &str, errno| {
            Err(ClientError::Refused(Refusal {
                errno,
                text: Some(text.into()),
                fault: None,
            }))
        };
        let mut fake = Fake::answering([vec![timeouts(300)], vec![], vec![], vec![]]);
        fake.answers.push_back(refusal("too many", 28));
        if !undone {
            fake.answers.push_back(refusal("no memory", 12));
        }
        let error = restore::restore(&mut Client::new(&mut fake), &read(DOCUMENT)).unwrap_err();
        let change = "dest add tcp://192.0.2.10:80 :8003 --weight 3: too many (ENOSPC)";
        assert_eq!(error.to_string(), format!("{change}{end}"));
        let requests = [
            command::TIMEOUTS_GET.number,
            command::SERVICE_GET.number,
            command::TIMEOUTS_SET.number,
            command::SERVICE_ADD.number,
            command::DESTINATION_ADD.number,
            command::SERVICE_DEL.number,
            command::TIMEOUTS_SET.number,
        ];
        assert_eq!(fake.commands(), requests);
    }
}
