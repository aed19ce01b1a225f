// SPDX-License-Identifier: GPL-2.0

//! The command line: commands, options, help, completion and man pages.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use rlvs_client::endpoint::ServiceId;
use rlvs_client::error::Error;
use rlvs_client::settings::{
    DestinationSettings, DestinationTarget, ServiceSettings, TimeoutSettings, SERVICE_HELP,
};

/// Administers the rlvs load balancer of the Linux kernel
///
/// A virtual service is an address and port that clients connect to. Its
/// destinations are the local ports that processes listen on. New connections
/// are shared out among the destinations by the service's scheduler; a
/// connection stays with its destination.
///
/// All commands act on the network namespace that they are run in.
#[derive(Debug, Parser)]
#[command(name = "rlvs", version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  rlvs service add tcp://192.0.2.10:80
  rlvs dest add tcp://192.0.2.10:80 :8001-8004
  rlvs list

Exit status:
  0  done
  1  the kernel refused the request, or could not be asked
  2  the command line is wrong")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Top-level commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add, edit, delete or zero virtual services
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_help = "\
Examples:
  rlvs service add tcp://192.0.2.10:80 --scheduler rr
  rlvs service del udp://[2001:db8::10]:53")]
    Service(ServiceCommand),

    /// Add, edit, drain or delete destinations of a virtual service
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_help = "\
Examples:
  rlvs dest add tcp://192.0.2.10:80 :8001-8004 --weight 2
  rlvs dest edit tcp://192.0.2.10:80 :8001 --weight 0
  rlvs dest del tcp://192.0.2.10:80 :8001")]
    Dest(DestCommand),

    /// List virtual services and their destinations
    ///
    /// Services are ordered by protocol, address and port, destinations by
    /// address and port. A service of the wildcard address is shown as
    /// tcp://*:80 (IPv4) or tcp://[::]:80 (IPv6), in JSON with the address
    /// 0.0.0.0 or ::. A destination shown as :8001 is on the address that the
    /// client connected to. "address not here" stands for an address that is
    /// not one of this host at the moment.
    #[command(after_help = "\
Examples:
  rlvs list
  rlvs list tcp://192.0.2.10:80 --stats
  rlvs list --rate=10
  rlvs list --json | jq '.services[].destinations[] | {port, active_connections}'")]
    List {
        /// List only this virtual service
        #[arg(value_name = "SERVICE")]
        service: Option<ServiceId>,
        /// Print JSON, always with the statistics
        #[arg(long)]
        json: bool,
        /// Add the statistics: connections, packets and bytes
        #[arg(long)]
        stats: bool,
        /// Add the rates, per second, over the next second or so many; the
        /// kernel keeps totals, which are read twice
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
            default_missing_value = "1", value_parser = clap::value_parser!(u64).range(1..=3600),
            conflicts_with = "stats")]
        rate: Option<u64>,
    },

    /// List the connection entries
    ///
    /// EXPIRES is in seconds from now, if no further packet is seen.
    #[command(after_help = "\
Examples:
  rlvs conns
  rlvs conns --json | jq '.connections | length'")]
    Conns {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// List the persistence templates
    ///
    /// A template is where the next connections of a client of a persistent
    /// service go. EXPIRES is in seconds from now, if no further connection is
    /// opened; a template whose time is over stays while a connection is open.
    #[command(after_help = "\
Examples:
  rlvs templates
  rlvs templates --json | jq '.templates | length'")]
    Templates {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Show the counters of the network namespace
    ///
    /// Every packet that is dropped or refused is counted in one of them.
    #[command(after_help = "\
Examples:
  rlvs counters
  rlvs counters --json | jq .counters.no_destination")]
    Counters {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Print what becomes of destinations, as JSON lines
    ///
    /// Prints one JSON object on each line, at once: time (seconds since 1970),
    /// event, service (protocol, address, port) and destination (address,
    /// port). Events are up, down (no process listens), draining (with
    /// in_flight), drained, resumed, overloaded, not-overloaded and retried
    /// (with count). The first line is the event watching; what is unusual then
    /// is told within two seconds. The event lost says that events came faster
    /// than they were read. Ends when it is interrupted, or the module is
    /// unloaded. Needs CAP_NET_ADMIN.
    #[command(after_help = "\
Examples:
  rlvs watch
  rlvs watch | jq --unbuffered 'select(.event == \"down\")'")]
    Watch,

    /// Delete all virtual services
    ///
    /// Their connections finish by themselves unless --now is given.
    #[command(after_help = "\
Examples:
  rlvs flush
  rlvs flush --now")]
    Flush {
        /// Cut the connections at once
        #[arg(long)]
        now: bool,
    },

    /// Show or set the timeouts of the network namespace
    ///
    /// An entry expires when so many seconds have passed without a packet. A
    /// service can have timeouts of its own: rlvs service edit. Without an
    /// option the timeouts are shown.
    #[command(after_help = "\
Examples:
  rlvs timeouts
  rlvs timeouts --udp 30
  rlvs timeouts --tcp 0")]
    Timeouts {
        #[command(flatten)]
        settings: TimeoutSettings,
        /// Print JSON
        #[arg(long, conflicts_with = "TimeoutSettings")]
        json: bool,
    },

    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  rlvs completion bash > /etc/bash_completion.d/rlvs
  rlvs completion zsh > /usr/share/zsh/site-functions/_rlvs
  rlvs completion fish > /etc/fish/completions/rlvs.fish")]
    Completion {
        /// The shell
        shell: Shell,
    },

    /// Write the man pages, one for each command, into a folder
    #[command(hide = true)]
    Man {
        /// The folder, which must exist
        directory: PathBuf,
    },
}

/// Commands on virtual services.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Add a virtual service
    ///
    /// Its address need not be this host's yet: a note says so then, and until
    /// it is, packets to it are left alone.
    #[command(after_help = "\
Examples:
  rlvs service add tcp://192.0.2.10:80
  rlvs service add udp://[2001:db8::10]:53 --scheduler rr
  rlvs service add tcp://192.0.2.10:443 --scheduler sh --flags sh-port,sh-fallback
  rlvs service add sctp://192.0.2.10:3868
  rlvs service add tcp://192.0.2.10:443 --persistent 360 --netmask 255.255.255.0
  rlvs service add tcp://*:80")]
    Add {
        #[arg(help = SERVICE_HELP)]
        service: ServiceId,
        #[command(flatten)]
        settings: ServiceSettings,
    },

    /// Change a virtual service
    ///
    /// The change takes effect for the next connection. What is not given
    /// stays as it is, but a new scheduler comes without flags of its own.
    #[command(after_help = "\
Examples:
  rlvs service edit tcp://192.0.2.10:80 --scheduler wrr
  rlvs service edit tcp://192.0.2.10:443 --flags sh-port
  rlvs service edit tcp://192.0.2.10:443 --flags none")]
    #[command(mut_group("ServiceSettings", |group| group.required(true).multiple(true)))]
    Edit {
        #[arg(help = SERVICE_HELP)]
        service: ServiceId,
        #[command(flatten)]
        settings: ServiceSettings,
    },

    /// Delete a virtual service and its destinations
    ///
    /// Its connections finish by themselves unless --now is given.
    #[command(after_help = "\
Examples:
  rlvs service del tcp://192.0.2.10:80
  rlvs service del tcp://192.0.2.10:80 --now")]
    Del {
        #[arg(help = SERVICE_HELP)]
        service: ServiceId,
        /// Cut the connections at once
        #[arg(long)]
        now: bool,
    },

    /// Set statistics to zero
    #[command(after_help = "\
Examples:
  rlvs service zero tcp://192.0.2.10:80
  rlvs service zero")]
    Zero {
        /// The virtual service; without it, all of them
        service: Option<ServiceId>,
    },
}

/// Commands on destinations.
#[derive(Debug, Subcommand)]
pub enum DestCommand {
    /// Add a destination, or one on each port of a range
    ///
    /// If one of a range cannot be added, none is. The address need not be
    /// this host's yet: a note says so then, and until it is, the destination
    /// gets no connections. Other hosts are not forwarded to.
    #[command(after_help = "\
Examples:
  rlvs dest add tcp://192.0.2.10:80 :8001-8004
  rlvs dest add tcp://192.0.2.10:80 192.0.2.11:9000 --weight 2
  rlvs dest add udp://[2001:db8::10]:53 [2001:db8::11]:5301")]
    Add {
        #[command(flatten)]
        target: DestinationTarget,
        #[command(flatten)]
        settings: DestinationSettings,
    },

    /// Change a destination, or those on a range of ports
    ///
    /// The change takes effect for the next connection and disturbs none. What
    /// is not given stays as it is. With weight 0 a destination keeps its
    /// connections and is given no new ones.
    #[command(after_help = "\
Examples:
  rlvs dest edit tcp://192.0.2.10:80 :8001 --weight 0
  rlvs dest edit tcp://192.0.2.10:80 :8001-8004 --weight 3
  rlvs dest edit tcp://192.0.2.10:80 :8001 --max-connections 100 --min-connections 80")]
    #[command(mut_group("DestinationSettings", |group| group.required(true).multiple(true)))]
    Edit {
        #[command(flatten)]
        target: DestinationTarget,
        #[command(flatten)]
        settings: DestinationSettings,
    },

    /// Delete a destination, or those on a range of ports
    ///
    /// The connections finish by themselves unless --now is given.
    #[command(after_help = "\
Examples:
  rlvs dest del tcp://192.0.2.10:80 :8001
  rlvs dest del tcp://192.0.2.10:80 :8001-8004 --now")]
    Del {
        #[command(flatten)]
        target: DestinationTarget,
        /// Cut the connections at once
        #[arg(long)]
        now: bool,
    },

    /// Quiesce a destination, or those on a range of ports, and wait until
    /// their processes can be stopped
    ///
    /// Sets the weight to 0 and waits until nothing is in flight: no
    /// connection of the service that its process still has or has yet to
    /// accept, none that is being opened, no UDP flow that has not expired, and
    /// no persistence template that leads new connections there. Then the
    /// processes can be stopped, and nobody notices.
    ///
    /// If the time is over before, the exit status is 1 and the weight stays 0.
    /// Where the flag uncounted left connections unrecorded it is refused.
    #[command(after_help = "\
Examples:
  rlvs dest drain tcp://192.0.2.10:80 :8001 && systemctl restart web@8001
  rlvs dest drain tcp://192.0.2.10:80 :8001-8004 --timeout 60")]
    Drain {
        #[command(flatten)]
        target: DestinationTarget,
        /// Give up after so many seconds; without it, never
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u32>,
    },
}

/// The shells that completion scripts are made for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The completion script for a shell.
pub fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(shell, &mut Cli::command(), "rlvs", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes `rlvs.8`, `rlvs-service.8`, `rlvs-service-add.8` and so on.
pub fn write_man_pages(directory: &Path) -> Result<(), Error> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_man_page(&command, directory)
}

fn write_man_page(command: &clap::Command, directory: &Path) -> Result<(), Error> {
    let page = clap_mangen::Man::new(command.clone())
        .section("8")
        .manual("System Administration")
        .source(concat!("rlvs ", env!("CARGO_PKG_VERSION")));
    let file = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)
        // The generator has no better title for what follows the options.
        .map(|()| String::from_utf8_lossy(&text).replace(".SH EXTRA\nExamples:", ".SH EXAMPLES"))
        .and_then(|text| std::fs::write(&file, text))
        .map_err(|error| Error::Output(file.display().to_string(), error))?;
    let visible = |command: &&clap::Command| !command.is_hide_set();
    command
        .get_subcommands()
        .filter(visible)
        .try_for_each(|command| write_man_page(command, directory))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
