// SPDX-License-Identifier: GPL-2.0

//! Command lines, and what is generated from their definition.

use clap::CommandFactory;

use super::man::{completion, write_man_pages};
use super::*;
use crate::error::Error;

fn accepts(line: &str) -> bool {
    Cli::try_parse_from(line.split(' ')).is_ok()
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn commands_of_the_manual_are_accepted() {
    for line in [
        "rlvs service add tcp://192.0.2.10:80",
        "rlvs service add tcp://192.0.2.10:80 --scheduler wlc",
        "rlvs service add udp://[2001:db8::10]:53",
        "rlvs service add sctp://192.0.2.10:3868",
        "rlvs service add tcp://192.0.2.10:80 --scheduler sh --flags sh-port,sh-fallback",
        "rlvs service add tcp://192.0.2.10:80 --scheduler mh --table-size 65537",
        "rlvs service edit tcp://192.0.2.10:80 --scheduler rr",
        "rlvs service add tcp://192.0.2.10:80 --flags sloppy,sh-port --scheduler sh",
        "rlvs service add udp://192.0.2.10:53 --scheduler rr --flags ops",
        "rlvs service add tcp://192.0.2.10:80 --scheduler rr --flags uncounted",
        "rlvs service edit tcp://192.0.2.10:80 --flags none",
        "rlvs service edit tcp://192.0.2.10:80 --table-size 4093",
        "rlvs service del tcp://192.0.2.10:80 --now",
        "rlvs service zero",
        "rlvs dest add tcp://192.0.2.10:80 :8001-8004 --weight 2 --method nat",
        "rlvs dest add tcp://192.0.2.10:80 :8001 --weight 70000",
        "rlvs dest edit tcp://192.0.2.10:80 :8001 --weight 0 --method nat",
        "rlvs dest del tcp://192.0.2.10:80 192.0.2.11:9000 --now",
        "rlvs list",
        "rlvs list tcp://*:80 --json --stats",
        "rlvs conns --json",
        "rlvs counters --json",
        "rlvs flush --now",
        "rlvs watch",
        "rlvs dest drain tcp://192.0.2.10:80 :8001",
        "rlvs dest drain tcp://192.0.2.10:80 :8001-8004 --timeout 60",
        "rlvs dest add tcp://192.0.2.10:80 :8001 --private",
        "rlvs dest edit tcp://192.0.2.10:80 :8001 --public",
        "rlvs service add udp://192.0.2.10:53 --timeout-udp 30",
        "rlvs service edit tcp://192.0.2.10:80 --timeout-tcp 0 --timeout-fin 60",
        "rlvs timeouts",
        "rlvs timeouts --json",
        "rlvs timeouts --tcp 7200 --tcp-fin 0 --udp 30",
        "rlvs service add tcp://192.0.2.10:80 --persistent 360 --netmask 255.255.255.0",
        "rlvs service edit tcp://[2001:db8::10]:80 --persistent 360 --prefix 64",
        "rlvs service edit tcp://[2001:db8::10]:80 --slow-start 30",
        "rlvs templates",
        "rlvs templates --json",
        "rlvs save",
        "rlvs restore",
        "rlvs restore /etc/rlvs.conf",
        "rlvs restore --ipvsadm",
        "rlvs apply /etc/rlvs.conf --dry-run",
        "rlvs apply -",
        "rlvs completion fish",
    ] {
        assert!(accepts(line), "{line}");
    }
}

#[test]
fn wrong_usage_is_refused_with_status_2() {
    for line in [
        "rlvs",
        "rlvs serve",
        "rlvs service",
        "rlvs service add",
        "rlvs service add 192.0.2.10:80",
        "rlvs service edit tcp://192.0.2.10:80",
        "rlvs service edit tcp://192.0.2.10:80 --flags",
        "rlvs service edit tcp://192.0.2.10:80 --flags sh",
        "rlvs service edit tcp://192.0.2.10:80 --flags port",
        "rlvs service edit tcp://192.0.2.10:80 --flags scheduler-port",
        "rlvs service edit tcp://192.0.2.10:80 --table-size many",
        "rlvs dest add tcp://192.0.2.10:80",
        "rlvs dest add tcp://192.0.2.10:80 8001",
        "rlvs dest add tcp://192.0.2.10:80 :8001 --weight -1",
        "rlvs dest add tcp://192.0.2.10:80 :8001 --weight many",
        "rlvs dest add tcp://192.0.2.10:80 :8001 --method teleport",
        "rlvs dest edit tcp://192.0.2.10:80 :8001",
        "rlvs dest edit tcp://192.0.2.10:80 :8001 --public --private",
        "rlvs dest drain tcp://192.0.2.10:80",
        "rlvs dest drain tcp://192.0.2.10:80 :8001 --timeout -1",
        "rlvs watch now",
        "rlvs timeouts --udp -1",
        "rlvs timeouts --udp 30 --json",
        "rlvs timeouts 30",
        "rlvs service edit tcp://192.0.2.10:80 --persistent 360 --netmask 255.0.255.0",
        "rlvs service edit tcp://192.0.2.10:80 --persistent 360 --netmask 24",
        "rlvs service edit tcp://192.0.2.10:80 --netmask 255.0.0.0 --prefix 8",
        "rlvs service edit tcp://192.0.2.10:80 --persistent -1",
        "rlvs templates tcp",
        "rlvs list --xml",
        "rlvs save /etc/rlvs.conf",
        "rlvs apply",
        "rlvs apply /etc/rlvs.conf --ipvsadm",
        "rlvs completion powershell",
    ] {
        let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn every_command_has_help_with_examples() {
    fn check(command: &clap::Command) {
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name} has no description");
        let examples = command.get_after_help().map(ToString::to_string);
        assert!(
            examples.is_some_and(|text| text.starts_with("Examples:")),
            "{name} has no examples"
        );
        for subcommand in command.get_subcommands() {
            if !subcommand.is_hide_set() && subcommand.get_name() != "help" {
                check(subcommand);
            }
        }
    }
    check(&Cli::command());
}

#[test]
fn every_command_has_a_man_page() {
    let folder = std::env::temp_dir().join(format!("rlvs-man-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    write_man_pages(&folder).unwrap();
    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let add = page("rlvs-dest-add.8");
    assert!(add.contains("weight") && add.contains(".SH EXAMPLES"));
    assert!(!folder.join("rlvs-man.8").exists());
    assert!(page("rlvs.8").contains("rlvs\\-counters(8)"));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(write_man_pages(&folder), Err(Error::Output(..))));
}

#[test]
fn completions_know_the_commands() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let script = completion(shell);
        for word in ["service", "dest", "conns", "scheduler"] {
            assert!(script.contains(word), "{shell:?} lacks {word}");
        }
    }
}
