// SPDX-License-Identifier: GPL-2.0

//! Commands that list something.

use rlvs_client::attribute::Builder;
use rlvs_client::error::Error as ClientError;
use rlvs_client::refusal::Refusal;
use rlvs_client::request::Message;
use rlvs_client::spec::{self, command};

use super::{parse, run, service, service_with};
use crate::fake::{message, octets, stats, Fake};

fn destination(address: &str, port: u16, weight: u32) -> Message {
    use spec::destination::*;
    let mut attributes = Builder::default();
    attributes
        .put(ADDRESS, &octets(address))
        .put(PORT, port)
        .put(METHOD, 0)
        .put(WEIGHT, weight)
        .put(ACTIVE_CONNECTIONS, 3)
        .put(INACTIVE_CONNECTIONS, 4)
        .put(MAX_CONNECTIONS, weight / 2)
        .put(MIN_CONNECTIONS, weight / 4)
        .put(TEMPLATES, 2)
        .put(LISTENING, 1)
        .put(PRIVATE, u8::from(weight == 20))
        .put(IN_FLIGHT, 3)
        .put_some(DRAINED, (weight == 1).then_some(()))
        .put(STATS, stats(5).attributes());
    message(attributes)
}

fn connection(protocol: u8, client_port: u16, state: u8) -> Message {
    use spec::connection::*;
    let mut attributes = Builder::default();
    attributes
        .put(PROTOCOL, protocol)
        .put(CLIENT_ADDRESS, &octets("198.51.100.7"))
        .put(CLIENT_PORT, client_port)
        .put(SERVICE_ADDRESS, &octets("192.0.2.10"))
        .put(SERVICE_PORT, 80)
        .put(DESTINATION_ADDRESS, &octets("192.0.2.10"))
        .put(DESTINATION_PORT, 8001)
        .put(STATE, state)
        .put(EXPIRES, 900);
    message(attributes)
}

#[test]
fn list_prints_the_promised_json() {
    let mut fake = Fake::answering([
        vec![
            service(17, "2001:db8::10", 53, "rr"),
            service(6, "192.0.2.10", 80, "wlc"),
        ],
        vec![],
        vec![
            destination("192.0.2.10", 8002, 1),
            destination("192.0.2.10", 8001, 65535),
        ],
    ]);
    let text = run(&mut fake, "rlvs list --json").unwrap();
    let expected = concat!(
        r#"{"services":[{"protocol":"tcp","address":"192.0.2.10","port":80,"#,
        r#""scheduler":"wlc","flags":[],"destinations":["#,
        r#"{"address":"192.0.2.10","port":8001,"method":"nat","weight":65535,"#,
        r#""active_connections":3,"inactive_connections":4,"#,
        r#""max_connections":32767,"min_connections":16383,"templates":2,"listening":true,"#,
        r#""private":false,"in_flight":3,"drained":false,"#,
        r#""stats":{"connections":5,"in_packets":6,"out_packets":7,"in_bytes":8,"out_bytes":8589934592,"avoided":1}},"#,
        r#"{"address":"192.0.2.10","port":8002,"method":"nat","weight":1,"#,
        r#""active_connections":3,"inactive_connections":4,"#,
        r#""max_connections":0,"min_connections":0,"templates":2,"listening":true,"#,
        r#""private":false,"in_flight":3,"drained":true,"#,
        r#""stats":{"connections":5,"in_packets":6,"out_packets":7,"in_bytes":8,"out_bytes":8589934592,"avoided":1}}"#,
        r#"],"stats":{"connections":10,"in_packets":11,"out_packets":12,"in_bytes":13,"out_bytes":8589934592,"avoided":1}},"#,
        r#"{"protocol":"udp","address":"2001:db8::10","port":53,"#,
        r#""scheduler":"rr","flags":[],"destinations":[],"#,
        r#""stats":{"connections":10,"in_packets":11,"out_packets":12,"in_bytes":13,"out_bytes":8589934592,"avoided":1}}]}"#,
        "\n"
    );
    assert_eq!(text, expected);
    assert!(fake.requests.iter().all(|request| request.dump));
}

#[test]
fn list_prints_a_table() {
    let answers = || {
        [
            vec![
                service(6, "0.0.0.0", 80, "wlc"),
                service(6, "::", 443, "wrr"),
            ],
            vec![destination("0.0.0.0", 8001, 1)],
            vec![destination("2001:db8::11", 9000, 20)],
        ]
    };
    assert_eq!(
        run(&mut Fake::answering(answers()), "rlvs list").unwrap(),
        "\
SERVICE                SCHEDULER
  DESTINATION          METHOD       PROCESS    WEIGHT  MAX  MIN  ACTIVE  INACTIVE
tcp://*:80             wlc
  :8001                nat          listening       1    -    -       3         4
tcp://[::]:443         wrr
  [2001:db8::11]:9000  nat,private  listening      20   10    5       3         4
"
    );
    let text = run(&mut Fake::answering(answers()), "rlvs list --stats").unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].ends_with("CONNECTIONS  IN-PKTS  OUT-PKTS  IN-BYTES   OUT-BYTES  AVOIDED"));
    assert!(lines[2].ends_with(" 10       11        12        13  8589934592        1"));
    assert!(lines[3].ends_with(" 5        6         7         8  8589934592        1"));
}

#[test]
fn an_address_that_is_not_here_is_shown() {
    use rlvs_client::spec::{destination as d, service as v};
    let answers = |here: u8| {
        let mut of_service = Builder::default();
        of_service.put(v::HERE, here);
        let mut of_destination = Builder::default();
        of_destination.put(d::HERE, here);
        let mut service = service(6, "192.0.2.10", 80, "rr");
        service.0.extend(of_service.into_bytes());
        let mut destination = destination("192.0.2.10", 8001, 1);
        destination.0.extend(of_destination.into_bytes());
        [vec![service], vec![destination]]
    };
    for (here, words) in [(0, true), (1, false)] {
        let text = run(&mut Fake::answering(answers(here)), "rlvs list").unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[2].ends_with("rr (address not here)"), words, "{text}");
        assert_eq!(lines[3].contains(" address not here "), words, "{text}");
        assert_eq!(lines[3].contains(" listening "), !words, "{text}");
        let json = run(&mut Fake::answering(answers(here)), "rlvs list --json").unwrap();
        assert_eq!(
            json.matches(r#""here":false"#).count(),
            if words { 2 } else { 0 }
        );
        assert_eq!(
            json.matches(r#""here":true"#).count(),
            if words { 0 } else { 2 }
        );
    }
}

#[test]
fn what_is_not_counted_is_not_shown_as_none() {
    use rlvs_client::spec::{destination as d, service as v};
    let stats = |connections: u64| {
        let mut attributes = Builder::default();
        attributes
            .put(spec::stats::CONNECTIONS, connections)
            .put(spec::stats::AVOIDED, 2);
        attributes
    };
    let answers = || {
        let mut virtual_service = Builder::default();
        virtual_service
            .put(v::PROTOCOL, 6)
            .put(v::ADDRESS, &octets("192.0.2.10"))
            .put(v::PORT, 80)
            .put(v::SCHEDULER, "rr")
            .put(v::FLAGS, 0)
            .put(v::DESTINATIONS, 1)
            .put(v::STATS, stats(3).attributes());
        let mut steered = Builder::default();
        steered
            .put(d::ADDRESS, &octets("127.0.0.1"))
            .put(d::PORT, 8001)
            .put(d::METHOD, 1)
            .put(d::WEIGHT, 1)
            .put(d::ACTIVE_CONNECTIONS, 1)
            .put(d::INACTIVE_CONNECTIONS, 0)
            .put(d::STATS, stats(3).attributes())
            .put(d::MAX_CONNECTIONS, 0)
            .put(d::MIN_CONNECTIONS, 0)
            .put(d::TEMPLATES, 0)
            .put(d::LISTENING, 1)
            .put(d::PRIVATE, 0)
            .put(d::IN_FLIGHT, 0)
            .put(d::REQUESTED_METHOD, 2);
        [vec![message(virtual_service)], vec![message(steered)]]
    };
    let text = run(&mut Fake::answering(answers()), "rlvs list --stats").unwrap();
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .collect();
    assert_eq!(lines[2][2..], ["3", "-", "-", "-", "-", "2"]);
    assert_eq!(
        lines[3][1..],
        [
            "steer",
            "listening",
            "1",
            "-",
            "-",
            "1",
            "0",
            "3",
            "-",
            "-",
            "-",
            "-",
            "2"
        ]
    );
    let json = run(&mut Fake::answering(answers()), "rlvs list --json").unwrap();
    let end = concat!(
        r#""method":"steer","requested_method":"auto","weight":1,"active_connections":1,"#,
        r#""inactive_connections":0,"max_connections":0,"#,
        r#""min_connections":0,"templates":0,"listening":true,"#,
        r#""private":false,"in_flight":0,"drained":false,"#,
        r#""stats":{"connections":3,"avoided":2}}],"stats":{"connections":3,"avoided":2}}]}"#,
        "\n"
    );
    assert!(json.ends_with(end), "{json}");
}

#[test]
fn connections_that_are_not_counted_are_not_shown_as_none() {
    let answers = || {
        use spec::destination::*;
        let mut uncounted = Builder::default();
        uncounted
            .put(ADDRESS, &octets("192.0.2.10"))
            .put(PORT, 8001)
            .put(METHOD, 1)
            .put(WEIGHT, 1)
            .put(MAX_CONNECTIONS, 0)
            .put(MIN_CONNECTIONS, 0)
            .put(TEMPLATES, 0)
            .put(PRIVATE, 0)
            .put(STATS, stats(3).attributes());
        [
            vec![service_with(6, "192.0.2.10", 80, "rr", 1 << 17, None)],
            vec![message(uncounted)],
        ]
    };
    let text = run(&mut Fake::answering(answers()), "rlvs list").unwrap();
    let rows: Vec<Vec<_>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(rows[2][1..], ["rr", "uncounted"]);
    assert_eq!(rows[3][1..], ["steer", "-", "1", "-", "-", "-", "-"]);
    let json = run(&mut Fake::answering(answers()), "rlvs list --json").unwrap();
    for absent in ["active_connections", "inactive_connections", "in_flight"] {
        assert!(!json.contains(absent), "{json}");
    }
}

#[test]
fn rates_are_of_two_readings() {
    let reading = |times| {
        [
            vec![service(6, "192.0.2.10", 80, "wlc")],
            vec![destination("192.0.2.10", 8001, times)],
        ]
    };
    let answers = [reading(1), reading(1)].concat();
    let text = run(&mut Fake::answering(answers.clone()), "rlvs list --rate").unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].ends_with("CPS  IN-PPS  OUT-PPS  IN-BPS  OUT-BPS"));
    assert!(lines[2].ends_with(" 0       0        0       0        0"));
    let json = run(&mut Fake::answering(answers), "rlvs list --json --rate=1").unwrap();
    let rates = r#""rates":{"connections":0.0,"in_packets":0.0,"#;
    assert_eq!(json.matches(rates).count(), 2, "{json}");
    for wrong in ["--rate=0", "--rate=3601", "--rate=x", "--rate --stats"] {
        let line = format!("rlvs list {wrong}");
        assert!(parse(&line).is_err(), "{wrong}");
    }
}

#[test]
fn list_shows_flags_and_table_sizes() {
    let answers = || {
        [
            vec![
                service_with(6, "192.0.2.10", 80, "sh", 0x18, None),
                service_with(6, "192.0.2.10", 81, "mh", 0x10, Some(65537)),
                service_with(6, "192.0.2.10", 82, "mh", 0, Some(4093)),
            ],
            vec![],
            vec![],
            vec![],
        ]
    };
    let text = run(&mut Fake::answering(answers()), "rlvs list").unwrap();
    let schedulers: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("tcp://192.0.2.10:8"))
        .map(|line| line[1..].trim())
        .collect();
    assert_eq!(
        schedulers,
        ["sh sh-fallback,sh-port", "mh/65537 mh-port", "mh"]
    );
    let text = run(&mut Fake::answering(answers()), "rlvs list --json").unwrap();
    for expected in [
        r#""scheduler":"sh","flags":["sh-fallback","sh-port"],"destinations""#,
        r#""scheduler":"mh","flags":["mh-port"],"table_size":65537,"destinations""#,
        r#""scheduler":"mh","flags":[],"table_size":4093,"destinations""#,
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn list_of_one_service_asks_for_that_one() {
    let mut fake = Fake::answering([vec![service(6, "192.0.2.10", 80, "wlc")], vec![]]);
    let text = run(&mut fake, "rlvs list tcp://192.0.2.10:80").unwrap();
    assert!(text.contains("tcp://192.0.2.10:80"));
    assert_eq!(fake.requests[0].command, command::SERVICE_GET.number);
    assert!(!fake.requests[0].dump);
    let asked = fake.requests[1].attributes();
    let asked = asked.require(spec::destination::SERVICE).unwrap();
    assert_eq!(asked.require(spec::service::PORT).unwrap(), 80);
}

#[test]
fn a_service_deleted_meanwhile_is_left_out() {
    let gone = || Refusal {
        errno: 3,
        text: None,
        fault: None,
    };
    let mut fake = Fake::answering([vec![
        service(6, "192.0.2.10", 80, "wlc"),
        service(6, "192.0.2.10", 81, "wlc"),
    ]]);
    fake.answers.push_back(Err(ClientError::Refused(gone())));
    fake.answer(Vec::new());
    let text = run(&mut fake, "rlvs list").unwrap();
    assert!(!text.contains(":80") && text.contains(":81"));
    // Asked for by name, its absence is an error.
    let mut fake = Fake::default();
    fake.answers.push_back(Err(ClientError::Refused(gone())));
    assert!(run(&mut fake, "rlvs list tcp://192.0.2.10:80").is_err());
}

#[test]
fn connections_are_listed_in_order() {
    let answers = || {
        [vec![
            connection(132, 40000, 21),
            connection(6, 40001, 5),
            connection(6, 40000, 1),
        ]]
    };
    assert_eq!(
        run(&mut Fake::answering(answers()), "rlvs conns").unwrap(),
        "\
PROTOCOL  CLIENT              SERVICE        DESTINATION      STATE              EXPIRES
tcp       198.51.100.7:40000  192.0.2.10:80  192.0.2.10:8001  ESTABLISHED            900
tcp       198.51.100.7:40001  192.0.2.10:80  192.0.2.10:8001  TIME_WAIT              900
sctp      198.51.100.7:40000  192.0.2.10:80  192.0.2.10:8001  SHUTDOWN_ACK_SENT      900
"
    );
    let text = run(&mut Fake::answering(answers()), "rlvs conns --json").unwrap();
    let expected = concat!(
        r#"{"connections":[{"protocol":"tcp","service_address":"192.0.2.10","service_port":80,"#,
        r#""client_address":"198.51.100.7","client_port":40000,"#,
        r#""destination_address":"192.0.2.10","destination_port":8001,"#,
        r#""state":"ESTABLISHED","expires":900},"#,
    );
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn counters_are_listed() {
    let mut attributes = Builder::default();
    attributes
        .put(spec::counters::CONNECTIONS, 12)
        .put(spec::counters::NO_DESTINATION, 1 << 40);
    let reply = message(attributes);
    let mut fake = Fake::answering([vec![reply.clone()], vec![reply]]);
    assert_eq!(
        run(&mut fake, "rlvs counters --json").unwrap(),
        "{\"counters\":{\"connections\":12,\"no_destination\":1099511627776}}\n"
    );
    assert_eq!(
        run(&mut fake, "rlvs counters").unwrap(),
        "connections                12\nno_destination  1099511627776\n"
    );
}

#[test]
fn replies_against_the_specification_are_errors() {
    // A service without its statistics, and an address of three bytes.
    let mut incomplete = Builder::default();
    incomplete.put(spec::service::PROTOCOL, 6);
    let mut short = Builder::default();
    short
        .put(spec::service::PROTOCOL, 6)
        .put(spec::service::ADDRESS, &[192, 0, 2]);
    for attributes in [incomplete, short] {
        let reply = message(attributes);
        let error = run(&mut Fake::answering([vec![reply]]), "rlvs list").unwrap_err();
        assert!(error.to_string().contains("not understood"), "{error}");
    }
}
