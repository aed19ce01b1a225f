// SPDX-License-Identifier: GPL-2.0

use proptest::prelude::*;

use super::*;
use crate::testing;

fn no_user(name: &str) -> Result<u32, String> {
    name.parse()
        .map_err(|_| format!("there is no user '{name}'"))
}

fn read_text(text: &str) -> Result<Configuration, Mistake> {
    read(text, &no_user)
}

#[test]
fn a_document_is_what_people_write() {
    let text = "
# The shop.
timeouts --udp=30 --tcp 0
service add tcp://192.0.2.10:443 --flags none   # wlc
  dest add tcp://192.0.2.10:443 :8001-8003 --weight 2 --private
dest add tcp://192.0.2.10:443 :8004 --weight=2 --private --any-user
service add tcp://192.0.2.10:80 --persistent 360 --netmask 255.255.255.0
";
    let configuration = read_text(text).unwrap();
    assert_eq!(
        write(&configuration),
        "timeouts --tcp 900 --udp 30\n\
         service add tcp://192.0.2.10:443 --scheduler wlc\n\
         dest add tcp://192.0.2.10:443 :8001-8004 --weight 2 --private\n\
         service add tcp://192.0.2.10:80 --scheduler wlc --persistent 360 --prefix 24\n"
    );
    assert_eq!(read_text("\n# nothing\n"), Ok(Configuration::default()));
}

#[test]
fn mistakes_are_found_where_they_are() {
    let web = "service add tcp://192.0.2.10:80\n";
    for (text, line, column, part) in [
        ("flush", 1, 1, "'flush' has no place here"),
        (
            "\n service del tcp://192.0.2.10:80",
            2,
            10,
            "use service add",
        ),
        ("service", 1, 8, "add is missing"),
        ("service add", 1, 12, "SERVICE is missing"),
        ("service add 192.0.2.10:80", 1, 13, "PROTOCOL://"),
        ("service add tcp://192.0.2.10:0", 1, 1, "port 0"),
        ("service add tcp://*:80 --flags sh", 1, 32, "use ops, "),
        (
            "service add tcp://*:80 --flags sh-port",
            1,
            1,
            "is for the scheduler sh",
        ),
        (
            "service add tcp://*:80 --table-size 4093",
            1,
            1,
            "only the scheduler mh",
        ),
        (
            "service add tcp://*:80 --prefix 24",
            1,
            1,
            "only a persistent",
        ),
        (
            "service add tcp://*:80 --netmask 1.2.3.4",
            1,
            34,
            "ones, then zeros",
        ),
        (
            "service add tcp://*:80 --weight 1",
            1,
            24,
            "no option '--weight'",
        ),
        (
            "service add tcp://*:80 rr",
            1,
            24,
            "'rr' is one word too many",
        ),
        (
            "service add tcp://*:80 --slow-start=x",
            1,
            37,
            "'x': invalid",
        ),
        (
            "service add tcp://*:80 --slow-start",
            1,
            36,
            "a value is missing",
        ),
        ("timeouts --tcp 1 --tcp 2", 1, 24, "set before"),
        ("dest add tcp://*:80 :8001", 1, 1, "no service tcp://*:80"),
        (
            "dest add tcp://192.0.2.10:80 :8002-8001",
            2,
            1,
            "below the first",
        ),
        (
            "dest add tcp://192.0.2.10:80 :1 --user é --weight 1",
            2,
            40,
            "no user 'é'",
        ),
        (
            "dest add tcp://192.0.2.10:80 :1 --private --public",
            2,
            43,
            "set before",
        ),
        (
            "dest add tcp://192.0.2.10:80 :1 --weight 65536",
            2,
            1,
            "0 to 65535",
        ),
        (
            "dest add tcp://192.0.2.10:80 :1 --min-connections 1",
            2,
            1,
            "above max",
        ),
        (
            "dest add tcp://192.0.2.10:80 :1 --method é x",
            2,
            42,
            "not a forwarding method",
        ),
        (
            "dest add tcp://192.0.2.10:80 [::1]:1",
            2,
            1,
            "address family",
        ),
        ("service add tcp://192.0.2.10:80", 2, 1, "already"),
    ] {
        let text = match line {
            2 if !text.starts_with('\n') => format!("{web}{text}"),
            _ => text.to_string(),
        };
        let mistake = read_text(&text).unwrap_err();
        assert_eq!(
            (mistake.line, mistake.column),
            (line, column),
            "{text}: {mistake}"
        );
        assert!(mistake.text.contains(part), "{text}: {mistake}");
    }
    let twice = format!("{web}dest add tcp://192.0.2.10:80 :1-3\ndest add tcp://192.0.2.10:80 :2");
    let mistake = read_text(&twice).unwrap_err().to_string();
    assert_eq!(mistake, "3:1: the destination :2 is there already");
}

/// Something that a document is made of, or nearly.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "service ",
        "dest ",
        "add ",
        "timeouts ",
        "tcp://*:8 ",
        ":8 ",
        "--tcp=",
        "--weight ",
        "7 ",
        "--",
        "é",
        "#",
        "=",
        "\n",
        " ",
    ])
}

proptest! {
    #[test]
    fn what_is_written_reads_back(configuration in testing::configuration()) {
        prop_assert_eq!(read_text(&write(&configuration)), Ok(configuration));
    }

    #[test]
    fn any_text_is_read_or_refused(words in prop::collection::vec(word(), 0..12)) {
        if let Ok(configuration) = read_text(&words.concat()) {
            prop_assert_eq!(read_text(&write(&configuration)), Ok(configuration));
        }
    }
}
