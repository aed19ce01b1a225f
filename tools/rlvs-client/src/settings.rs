// SPDX-License-Identifier: GPL-2.0

//! What can be set of services, destinations and the namespace.

use clap::builder::PossibleValuesParser;
use clap::Args;

use crate::endpoint::{DestinationRange, ServiceId};
use crate::flags::Flag;
use crate::spec;

/// What can be set of a virtual service.
#[derive(Debug, Default, Args)]
pub struct ServiceSettings {
    /// Scheduler: rr, wrr, lc, wlc, sed, nq, fo, ovf, sh, dh, mh, lblc, lblcr,
    /// twos or p2c [a new service has: wlc]
    #[arg(long, value_name = "NAME")]
    pub scheduler: Option<String>,
    /// Flags that are to be set, all others are cleared: sh-port and mh-port
    /// schedule by the client's port as well as its address; sh-fallback and
    /// mh-fallback give a client another destination when its own takes no
    /// new connections; sloppy lets a packet in mid-stream open a connection;
    /// uncounted steers without remembering what connections there are, which
    /// takes no memory; ops, for UDP, schedules each packet by itself, without
    /// connections; none clears all
    #[arg(long, value_name = "FLAG,...", value_delimiter = ',')]
    pub flags: Option<Vec<Flag>>,
    /// Slots of the table of the scheduler mh: 4093, as in IPVS, or 65537
    #[arg(long, value_name = "SLOTS")]
    pub table_size: Option<u32>,
    /// Timeout of an established TCP connection, in seconds; 0: that of the
    /// namespace holds
    #[arg(long, value_name = "SECONDS")]
    pub timeout_tcp: Option<u32>,
    /// Timeout of a TCP connection that one side has closed; 0 as above
    #[arg(long, value_name = "SECONDS")]
    pub timeout_fin: Option<u32>,
    /// Timeout of a UDP flow; 0 as above
    #[arg(long, value_name = "SECONDS")]
    pub timeout_udp: Option<u32>,
    /// Give a client's connections to the destination of its last one, for so
    /// many seconds after that was opened, or while one is open; 0: don't
    #[arg(long, value_name = "SECONDS")]
    pub persistent: Option<u32>,
    /// Clients whose addresses have so many leading bits in common count as
    /// one for --persistent [a new service has: the whole address]
    #[arg(long, value_name = "LENGTH")]
    pub prefix: Option<u8>,
    /// The same as an IPv4 mask, such as 255.255.255.0
    #[arg(long, value_name = "MASK", value_parser = prefix_of_mask, conflicts_with = "prefix")]
    pub netmask: Option<u8>,
    /// Let a destination whose process has begun to listen come to its full
    /// share of new connections in so many seconds; 0: at once
    #[arg(long, value_name = "SECONDS")]
    pub slow_start: Option<u32>,
}

/// The prefix length that an IPv4 mask stands for.
fn prefix_of_mask(text: &str) -> Result<u8, String> {
    let wrong = || "a mask is four numbers, first ones then zeros in binary".to_string();
    let mask: std::net::Ipv4Addr = text.parse().map_err(|_| wrong())?;
    let bits = mask.to_bits();
    let ones = bits.leading_ones();
    if ones + bits.trailing_zeros() < u32::BITS {
        return Err(wrong());
    }
    u8::try_from(ones).map_err(|_| wrong())
}

/// Which timeouts of the namespace are to be set.
#[derive(Debug, Default, Args)]
pub struct TimeoutSettings {
    /// Of an established TCP connection, in seconds; 0: the default, 900
    #[arg(long, value_name = "SECONDS")]
    pub tcp: Option<u32>,
    /// Of a TCP connection that one side has closed; 0: the default, 120
    #[arg(long, value_name = "SECONDS")]
    pub tcp_fin: Option<u32>,
    /// Of a UDP flow; 0: the default, 300
    #[arg(long, value_name = "SECONDS")]
    pub udp: Option<u32>,
}

impl TimeoutSettings {
    /// Whether nothing is to be set.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_none() && self.tcp_fin.is_none() && self.udp.is_none()
    }
}

/// Which destinations of which service.
#[derive(Debug, Args)]
pub struct DestinationTarget {
    #[arg(help = SERVICE_HELP)]
    pub service: ServiceId,
    /// Destination: ADDRESS:PORT, or :PORT on the service's own address; a
    /// range of ports is FIRST-LAST
    #[arg(value_name = "DEST")]
    pub destination: DestinationRange,
}

/// What can be set of a destination.
#[derive(Debug, Default, Args)]
pub struct DestinationSettings {
    /// Share of the new connections relative to the other destinations, 0 to
    /// 65535; 0 stops new connections [a new destination has: 1]
    #[arg(long, value_name = "NUMBER")]
    pub weight: Option<u32>,
    /// With so many connections, active and inactive, it gets no new ones; 0
    /// is no bound [a new destination has: 0]
    #[arg(long, value_name = "NUMBER")]
    pub max_connections: Option<u32>,
    /// A destination that reached the bound gets new connections again with
    /// fewer than these; 0 is three quarters of the bound [a new destination
    /// has: 0]
    #[arg(long, value_name = "NUMBER")]
    pub min_connections: Option<u32>,
    /// Forwarding method: nat rewrites packets; steer, for TCP, hands a
    /// client's SYN to the destination's listening socket and rewrites
    /// nothing; auto steers where the whole service can. All destinations of
    /// a service have the same one in use [a new destination has: auto]
    #[arg(long, value_name = "METHOD", value_parser = PossibleValuesParser::new(spec::FORWARDING_METHOD))]
    pub method: Option<String>,
    /// Refuse new connections from outside of the host that go straight to its
    /// address and port: only services lead there
    #[arg(long)]
    pub private: bool,
    /// Take --private back [a new destination is not private]
    #[arg(long, conflicts_with = "private")]
    pub public: bool,
    /// Take only a listening socket that this user has made for the
    /// destination's, by name or number: another one's counts as not listening
    #[arg(long, value_name = "USER", value_parser = user_number)]
    pub user: Option<u32>,
    /// Take --user back [a new destination has: any user]
    #[arg(long, conflicts_with = "user")]
    pub any_user: bool,
}

/// What stands for any user.
const ANY_USER: u32 = u32::MAX;

/// The number of a user, or of one with this name, as id(1) knows it.
fn user_number(user: &str) -> Result<u32, String> {
    let number = |digits: &str| digits.parse().ok().filter(|number| *number != ANY_USER);
    if let Some(number) = number(user) {
        return Ok(number);
    }
    let unknown = || format!("there is no user '{user}'");
    let found = std::process::Command::new("id")
        .args(["-u", "--", user])
        .output();
    let found = found.map_err(|error| format!("id(1) cannot be asked: {error}"))?;
    let text = String::from_utf8(found.stdout).map_err(|_| unknown())?;
    number(text.trim())
        .filter(|_| found.status.success())
        .ok_or_else(unknown)
}

impl DestinationSettings {
    /// The user whose sockets are taken, if anything was said of it.
    pub fn owner(&self) -> Option<u32> {
        self.user.or(self.any_user.then_some(ANY_USER))
    }

    /// Whether the destination is to be private, if anything was said of it.
    pub fn privacy(&self) -> Option<u8> {
        match (self.private, self.public) {
            (true, _) => Some(1),
            (_, true) => Some(0),
            _ => None,
        }
    }
}

pub const SERVICE_HELP: &str = "\
Virtual service: PROTOCOL://ADDRESS:PORT, where PROTOCOL is tcp, udp or sctp; an IPv6 address \
is written in brackets, * is any local IPv4 address and [::] any local IPv6 address";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_prefix_length() {
        for (mask, length) in [
            ("255.255.255.255", 32),
            ("255.255.255.0", 24),
            ("128.0.0.0", 1),
        ] {
            assert_eq!(prefix_of_mask(mask), Ok(length));
        }
    }
}
