// SPDX-License-Identifier: GPL-2.0

//! rlvs: one address and port served by many local ports.
//!
//! This crate carries out what `rlvs_core` decides, with what `rlvs_kext` makes safe:
//! - [`namespace`] is the state of a network namespace, which has everything else;
//! - [`services`] are the virtual services and destinations, as packets see them;
//! - [`connections`] are the connection entries;
//! - [`steered`] counts the connections that have none, as the host carries them by itself;
//! - [`hooks`] handle packets;
//! - [`retry`] keeps the first packets of connections until they are answered;
//! - [`ceiling`] bounds the entries of all namespaces together;
//! - [`sysctls`] are the settings that an operator can change;
//! - [`defence`] is what is done against floods of new connections;
//! - [`expiry`] is the periodic work;
//! - [`drain`] tells when a destination's process can be stopped, [`draining`] has those that were
//!   deleted;
//! - [`notify`] tells what becomes of destinations;
//! - [`control`] answers netlink requests;
//! - [`ipvs`] answers those of ip_vs's clients, from the same configuration;
//! - [`overall`] sums up what all services carried;
//! - [`walk`] goes on with lists of connections that are told in parts.
//!
//! Documentation/architecture.rst tells how a packet walks, Documentation/locking.rst what guards
//! what.

#![forbid(unsafe_code)]

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::{
    genetlink::{self, IpvsName},
    memory::KEPT,
    netns,
};

mod ceiling;
mod changes;
mod connections;
mod control;
mod cut;
mod defence;
mod drain;
mod draining;
mod expiry;
mod family;
mod hooks;
mod ipvs;
mod keys;
mod listeners;
mod namespace;
mod notify;
mod overall;
mod ports;
mod presence;
mod retry;
mod services;
mod stats;
mod steered;
mod sysctls;
mod templates;
mod timeouts;
mod tracking;
mod walk;
mod word;

module! {
    type: Rlvs,
    name: "rlvs",
    authors: ["The rlvs authors"],
    description: "Virtual server for many local ports behind one address",
    license: "GPL",
    // No alias of a netlink family: by that any user may have the kernel load a module, and ip_vs
    // would be kept out.
}

/// The loaded module.
struct Rlvs {
    // Dropped in this order: requests end, then hooks and states go, then ip_vs may be loaded.
    _family: genetlink::Registration<control::Rlvs>,
    _ipvs: genetlink::Registration<ipvs::Ipvs>,
    _name: IpvsName,
}

impl kernel::Module for Rlvs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // First: ip_vs has other things of these names too.
        let name = IpvsName::take().map_err(|error| {
            if error != EEXIST {
                return error;
            }
            pr_err!("ip_vs is loaded, and only one of the two can be: unload it first\n");
            EBUSY
        })?;
        ceiling::prepare();
        let cache = connections::Cache::new()?;
        let states = Arc::new(netns::Registration::new(cache)?, KEPT)?;
        let family = genetlink::Registration::new(states.clone())?;
        let ipvs = genetlink::Registration::new(states)?;
        pr_info!("loaded\n");
        Ok(Self {
            _family: family,
            _ipvs: ipvs,
            _name: name,
        })
    }
}
