// SPDX-License-Identifier: GPL-2.0

//! The commands on virtual services.

use clap::{Args, Subcommand};
use rlvs_client::endpoint::ServiceId;
use rlvs_client::flags::Flag;
use rlvs_client::netmask::prefix_of_mask;
use rlvs_client::settings::ServiceSettings;

use crate::error::Error;

/// How a virtual service is written, for the help of every command that takes one.
pub const SERVICE_HELP: &str = "\
Virtual service: PROTOCOL://ADDRESS:PORT, where PROTOCOL is tcp, udp or sctp; an IPv6 address \
is written in brackets, * is any local IPv4 address and [::] any local IPv6 address";

/// Commands on virtual services.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Add a virtual service
    ///
    /// The address need not be one of this host yet: a note on stderr names
    /// that, and packets to the address are left alone until it is.
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
        options: ServiceOptions,
    },

    /// Change a virtual service
    ///
    /// The change takes effect for the next connection. Options that are not
    /// given keep their values, but a new scheduler clears the flags that
    /// belong to a scheduler.
    #[command(after_help = "\
Examples:
  rlvs service edit tcp://192.0.2.10:80 --scheduler wrr
  rlvs service edit tcp://192.0.2.10:443 --flags sh-port
  rlvs service edit tcp://192.0.2.10:443 --flags none")]
    #[command(mut_group("ServiceOptions", |group| group.required(true).multiple(true)))]
    Edit {
        #[arg(help = SERVICE_HELP)]
        service: ServiceId,
        #[command(flatten)]
        options: ServiceOptions,
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

/// Options for what can be set of a virtual service.
#[derive(Debug, Default, Args)]
pub struct ServiceOptions {
    /// Scheduler: rr, wrr, lc, wlc, sed, nq, fo, ovf, sh, dh, mh, lblc, lblcr,
    /// twos, p2c or jsq [a new service has: wlc]
    #[arg(long, value_name = "NAME")]
    pub scheduler: Option<String>,
    /// Flags to set; all others are cleared: sh-port and mh-port schedule by
    /// the client's port as well as its address; sh-fallback and mh-fallback
    /// give a client another destination when its own takes no new
    /// connections; sloppy lets a packet in mid-stream open a connection;
    /// uncounted steers without a record of each connection, which takes no
    /// memory; ops, for UDP, schedules each packet by itself, without
    /// connections; none clears all
    #[arg(long, value_name = "FLAG,...", value_delimiter = ',')]
    pub flags: Option<Vec<Flag>>,
    /// Slots of the table of the scheduler mh: 4093, as in IPVS, or 65537
    #[arg(long, value_name = "SLOTS")]
    pub table_size: Option<u32>,
    /// Timeout of an established TCP connection, in seconds; 0: the
    /// namespace's timeout
    #[arg(long, value_name = "SECONDS")]
    pub timeout_tcp: Option<u32>,
    /// Timeout of a TCP connection that one side has closed, in seconds; 0: the
    /// namespace's timeout
    #[arg(long, value_name = "SECONDS")]
    pub timeout_fin: Option<u32>,
    /// Timeout of a UDP flow, in seconds; 0: the namespace's timeout
    #[arg(long, value_name = "SECONDS")]
    pub timeout_udp: Option<u32>,
    /// Give a client's connections to the destination of its last one, for this
    /// many seconds after that was opened and while one is open; 0: off
    #[arg(long, value_name = "SECONDS")]
    pub persistent: Option<u32>,
    /// Treat clients whose addresses have this many leading bits in common as
    /// one for --persistent [a new service has: the whole address]
    #[arg(long, value_name = "LENGTH")]
    pub prefix: Option<u8>,
    /// Set --prefix by an IPv4 mask, such as 255.255.255.0
    #[arg(long, value_name = "MASK", value_parser = prefix_of_mask, conflicts_with = "prefix")]
    pub netmask: Option<u8>,
    /// Raise a destination whose process has begun to listen to its full share
    /// of new connections within this many seconds; 0: at once
    #[arg(long, value_name = "SECONDS")]
    pub slow_start: Option<u32>,
}

impl ServiceOptions {
    /// Returns what is to be set of `service`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if an option does not fit the service.
    pub fn settings(&self, service: &ServiceId) -> Result<ServiceSettings, Error> {
        if self.netmask.is_some() && service.address.is_ipv6() {
            return Err(Error::Usage("--netmask is for IPv4: use --prefix".into()));
        }
        Ok(ServiceSettings {
            scheduler: self.scheduler.clone(),
            flags: self.flags.clone(),
            table_size: self.table_size,
            timeout_tcp: self.timeout_tcp,
            timeout_fin: self.timeout_fin,
            timeout_udp: self.timeout_udp,
            persistent: self.persistent,
            persistent_prefix: self.prefix.or(self.netmask),
            slow_start: self.slow_start,
        })
    }
}
