// SPDX-License-Identifier: GPL-2.0

//! The command line: commands, options and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rlvs_client::endpoint::ServiceId;
use rlvs_client::settings::TimeoutSettings;

use dest::DestCommand;
use service::ServiceCommand;

pub mod dest;
pub mod man;
pub mod service;

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
  2  the command line is wrong, or a document")]
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
        /// Add the rates per second, measured over one second or this many; the
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
    /// A template records the destination that a client's next connections to
    /// a persistent service go to. EXPIRES is in seconds from now, if no
    /// further connection is opened; an expired template stays while a
    /// connection is open.
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

    /// Print changes of the state of destinations, as JSON lines
    ///
    /// Prints one JSON object on each line, without delay: time (seconds since
    /// 1970), event, service (protocol, address, port) and destination
    /// (address, port). Events are up, down (no process listens), draining
    /// (with in_flight), drained, resumed, overloaded, not-overloaded and
    /// retried (with count). The first line is the event watching; states that
    /// are unusual at that time follow within two seconds. The event lost
    /// stands for events that came faster than they were read. Ends when it is
    /// interrupted, or when the module is unloaded. Needs CAP_NET_ADMIN.
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
    /// An entry expires after its timeout without a packet. A service can have
    /// timeouts of its own: see rlvs service edit. Without an option the
    /// timeouts are shown.
    #[command(after_help = "\
Examples:
  rlvs timeouts
  rlvs timeouts --udp 30
  rlvs timeouts --tcp 0")]
    Timeouts {
        #[command(flatten)]
        options: TimeoutOptions,
        /// Print JSON
        #[arg(long, conflicts_with = "TimeoutOptions")]
        json: bool,
    },

    /// Print the configuration as a document
    ///
    /// The document has everything that can be set by this command: one line
    /// for each service and each range of destinations, as arguments of this
    /// command, and one for the timeouts. rlvs restore and rlvs apply take it.
    /// What sysctls say is not part of it.
    #[command(after_help = "\
Examples:
  rlvs save
  rlvs save > /etc/rlvs.conf")]
    Save,

    /// Add what a document says to the configuration
    ///
    /// The document has lines such as rlvs save prints: service add, dest add
    /// and timeouts with their options; # begins a comment. All of it is read
    /// before anything is changed. If a service is there already, nothing is
    /// changed; if the kernel refuses something, what was done before is
    /// undone.
    #[command(after_help = "\
Examples:
  rlvs restore /etc/rlvs.conf
  rlvs save | ip netns exec other rlvs restore
  ipvsadm -S -n > old; modprobe -r ip_vs; rlvs restore --ipvsadm old")]
    Restore {
        /// The document; without it or if it is -, standard input
        file: Option<PathBuf>,
        /// The document is what ipvsadm -S -n prints; destinations get the
        /// method nat, on a loopback address steer
        #[arg(long)]
        ipvsadm: bool,
    },

    /// Make the configuration what a document says
    ///
    /// Only what differs is changed: what stays keeps its connections, and
    /// its place among the destinations of its service. What the document does
    /// not have is deleted; its connections finish by themselves. Timeouts
    /// that it does not have become the defaults. The document is that of
    /// rlvs restore.
    ///
    /// The kernel makes one change after the other: additions before
    /// deletions, as far as that can be. If it refuses one, those before it
    /// are undone. With --dry-run the exit status is 0 if nothing is to be
    /// changed, 1 if something is, and 2 after an error.
    #[command(after_help = "\
Examples:
  rlvs apply /etc/rlvs.conf
  rlvs apply /etc/rlvs.conf --dry-run")]
    Apply {
        /// The document; - is standard input
        file: PathBuf,
        /// Print the changes as arguments of this command, and make none
        #[arg(long)]
        dry_run: bool,
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

/// Options for the timeouts of the namespace.
#[derive(Debug, Default, Args)]
pub struct TimeoutOptions {
    /// Timeout of an established TCP connection, in seconds; 0: the default,
    /// 900
    #[arg(long, value_name = "SECONDS")]
    pub tcp: Option<u32>,
    /// Timeout of a TCP connection that one side has closed, in seconds; 0: the
    /// default, 120
    #[arg(long, value_name = "SECONDS")]
    pub tcp_fin: Option<u32>,
    /// Timeout of a UDP flow, in seconds; 0: the default, 300
    #[arg(long, value_name = "SECONDS")]
    pub udp: Option<u32>,
}

impl TimeoutOptions {
    /// Returns what is to be set.
    pub fn settings(&self) -> TimeoutSettings {
        TimeoutSettings {
            tcp: self.tcp,
            tcp_fin: self.tcp_fin,
            udp: self.udp,
        }
    }

    /// Returns `true` if nothing is to be set.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_none() && self.tcp_fin.is_none() && self.udp.is_none()
    }
}

/// The shells that have completion scripts.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[cfg(test)]
mod tests;
