// SPDX-License-Identifier: GPL-2.0

//! rlvs: one address and port served by many local ports.
//!
//! This crate carries out what `rlvs_core` decides, with what `rlvs_kext` makes safe:
//! - [`namespace`] is what is registered in a network namespace, [`state`] its data, which has
//!   everything else;
//! - [`ipvs`] and [`netlink`] answer requests: those of ip_vs's clients, and rlvs's own;
//! - [`packet`] handles packets, [`packet::forward`] has the ways of forwarding;
//! - [`periodic`] is the periodic work, [`change`] what requests do to the configuration;
//! - [`event`] and [`drain`] report changes of destinations;
//! - [`config`] is what is configured, [`table`] what packets are looked up in;
//! - [`service`] has the virtual services and destinations, as packets see them;
//! - [`stats`], [`defence`], [`sysctl`], [`family`], [`tracking`], [`presence`] and [`primitives`]
//!   are what the others build on.
//!
//! Documentation/architecture.rst describes the way of a packet, Documentation/locking.rst what
//! guards each field.

#![forbid(unsafe_code)]

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::{
    genetlink::{self, IpvsName},
    memory::KEPT,
    netns,
};

mod change;
pub(crate) mod config;
mod defence;
mod drain;
mod event;
mod family;
mod ipvs;
mod namespace;
mod netlink;
mod packet;
mod periodic;
mod presence;
mod primitives;
mod service;
mod state;
mod stats;
mod sysctl;
mod table;
mod tracking;

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
    _family: genetlink::Registration<netlink::Rlvs>,
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
        table::ceiling::prepare();
        let cache = table::connection::Cache::new()?;
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
