// SPDX-License-Identifier: GPL-2.0

//! The commands on destinations.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use rlvs_client::endpoint::{DestinationRange, ServiceId};
use rlvs_client::method::Method;
use rlvs_client::settings::{DestinationSettings, SocketUser};
use rlvs_client::spec;

use super::service::SERVICE_HELP;

/// Commands on destinations.
#[derive(Debug, Subcommand)]
pub enum DestCommand {
    /// Add a destination, or one on each port of a range
    ///
    /// If one of a range cannot be added, none is. The address need not be one
    /// of this host yet: a note on stderr names that, and the destination gets
    /// no connections until it is. Packets are not forwarded to other hosts.
    #[command(after_help = "\
Examples:
  rlvs dest add tcp://192.0.2.10:80 :8001-8004
  rlvs dest add tcp://192.0.2.10:80 192.0.2.11:9000 --weight 2
  rlvs dest add udp://[2001:db8::10]:53 [2001:db8::11]:5301")]
    Add {
        #[command(flatten)]
        target: DestinationTarget,
        #[command(flatten)]
        options: DestinationOptions,
    },

    /// Change a destination, or those on a range of ports
    ///
    /// The change takes effect for the next connection and disturbs none.
    /// Options that are not given keep their values. With weight 0 a
    /// destination keeps its connections and gets no new ones.
    #[command(after_help = "\
Examples:
  rlvs dest edit tcp://192.0.2.10:80 :8001 --weight 0
  rlvs dest edit tcp://192.0.2.10:80 :8001-8004 --weight 3
  rlvs dest edit tcp://192.0.2.10:80 :8001 --max-connections 100 --min-connections 80")]
    #[command(mut_group("DestinationOptions", |group| group.required(true).multiple(true)))]
    Edit {
        #[command(flatten)]
        target: DestinationTarget,
        #[command(flatten)]
        options: DestinationOptions,
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
    /// processes can be stopped without an effect on clients.
    ///
    /// If the timeout is over before, the exit status is 1 and the weight stays
    /// 0. Refused where the flag uncounted left connections unrecorded.
    #[command(after_help = "\
Examples:
  rlvs dest drain tcp://192.0.2.10:80 :8001 && systemctl restart web@8001
  rlvs dest drain tcp://192.0.2.10:80 :8001-8004 --timeout 60")]
    Drain {
        #[command(flatten)]
        target: DestinationTarget,
        /// Give up after this many seconds; without it, never
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u32>,
    },
}

/// The destinations that a command is about.
#[derive(Debug, Args)]
pub struct DestinationTarget {
    #[arg(help = SERVICE_HELP)]
    pub service: ServiceId,
    /// Destination: ADDRESS:PORT, or :PORT on the service's own address; a
    /// range of ports is FIRST-LAST
    #[arg(value_name = "DEST")]
    pub destination: DestinationRange,
}

/// Options for what can be set of a destination.
#[derive(Debug, Default, Args)]
pub struct DestinationOptions {
    /// Share of the new connections relative to the other destinations, 0 to
    /// 65535; 0 stops new connections [a new destination has: 1]
    #[arg(long, value_name = "NUMBER")]
    pub weight: Option<u32>,
    /// Upper threshold: with this many connections, active and inactive, it
    /// gets no new ones; 0: no threshold [a new destination has: 0]
    #[arg(long, value_name = "NUMBER")]
    pub max_connections: Option<u32>,
    /// Lower threshold: after it reached the upper one, it gets new connections
    /// again with fewer than this many; 0: three quarters of the upper one [a
    /// new destination has: 0]
    #[arg(long, value_name = "NUMBER")]
    pub min_connections: Option<u32>,
    /// Forwarding method: nat rewrites packets; steer, for TCP, hands a
    /// client's SYN to the destination's listening socket and rewrites
    /// nothing; auto steers where the whole service can. All destinations of
    /// a service use one method [a new destination has: auto]
    #[arg(long, value_name = "METHOD", value_parser = methods())]
    pub method: Option<Method>,
    /// Refuse new connections from outside of the host that go straight to its
    /// address and port, past the service
    #[arg(long)]
    pub private: bool,
    /// Undo --private [a new destination is not private]
    #[arg(long, conflicts_with = "private")]
    pub public: bool,
    /// Use only listening sockets that this user, by name or number, has
    /// opened; sockets of other users count as not listening
    #[arg(long, value_name = "USER", value_parser = user_number)]
    pub user: Option<u32>,
    /// Undo --user [a new destination has: any user]
    #[arg(long, conflicts_with = "user")]
    pub any_user: bool,
}

impl DestinationOptions {
    /// Returns what is to be set of a destination.
    pub fn settings(&self) -> DestinationSettings {
        DestinationSettings {
            weight: self.weight,
            max_connections: self.max_connections,
            min_connections: self.min_connections,
            method: self.method,
            private: (self.private || self.public).then_some(self.private),
            user: match self.user {
                Some(number) => Some(SocketUser::Only(number)),
                None => self.any_user.then_some(SocketUser::Any),
            },
        }
    }
}

/// Returns the parser of a method's name, which shows the names in the help.
fn methods() -> impl TypedValueParser<Value = Method> {
    PossibleValuesParser::new(spec::FORWARDING_METHOD).try_map(|name| name.parse::<Method>())
}

/// The number that stands for any user in a request.
const ANY_USER: u32 = u32::MAX;

/// Returns the number of the user with this number or name, by id(1).
pub fn user_number(user: &str) -> Result<u32, String> {
    let number = |digits: &str| digits.parse().ok().filter(|number| *number != ANY_USER);
    if let Some(number) = number(user) {
        return Ok(number);
    }
    let unknown = || format!("there is no user '{user}'");
    let found = std::process::Command::new("id")
        .args(["-u", "--", user])
        .output();
    let found = found.map_err(|error| format!("id(1) cannot be run: {error}"))?;
    let text = String::from_utf8(found.stdout).map_err(|_| unknown())?;
    number(text.trim())
        .filter(|_| found.status.success())
        .ok_or_else(unknown)
}
