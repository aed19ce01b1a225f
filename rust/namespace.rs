// SPDX-License-Identifier: GPL-2.0

//! The state of a network namespace.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use rlvs_core::address::{V4, V6};
use rlvs_kext::{
    flow_table::FlowTable,
    inet::Net,
    log::Limit,
    netfilter::Entry,
    netns::{Handle, Namespace},
    rcu::Rcu,
};

use crate::{
    connections::Table,
    control::config::Config,
    defence::DropPacket,
    expiry,
    hooks::{Answer, Incoming, LocalClient},
    ports::Ports,
    services::Services,
    stats::Events,
    sysctls::Sysctls,
    timeouts::Tuned,
};

/// Everything of a network namespace. Documentation/locking.rst tells what guards each field.
#[pin_data]
pub(crate) struct State {
    /// The configuration, and the right to change what is published from it.
    #[pin]
    pub(crate) config: Mutex<Config>,
    pub(crate) services: Rcu<Services>,
    pub(crate) service_ports: Ports,
    /// Also of deleted destinations, as long as they have connections.
    pub(crate) destination_ports: Ports,
    pub(crate) connections4: Arc<Table<V4>>,
    pub(crate) connections6: Arc<Table<V6>>,
    pub(crate) events: Events,
    pub(crate) sysctls: Sysctls,
    /// The timeouts that were set for the namespace.
    pub(crate) timeouts: Tuned,
    pub(crate) drop_packet: DropPacket,
    /// For the message that the connection table is full.
    pub(crate) full_message: Limit,
}

impl State {
    /// Connection entries of both families; other CPUs may be changing it.
    pub(crate) fn entries(&self) -> u32 {
        self.connections4
            .len()
            .saturating_add(self.connections6.len())
    }
}

impl Namespace for State {
    const HOOKS: &'static [Entry<Self>] = &[
        Entry::of::<Incoming<V4>>(),
        Entry::of::<Incoming<V6>>(),
        Entry::of::<LocalClient<V4>>(),
        Entry::of::<LocalClient<V6>>(),
        Entry::of::<Answer<V4>>(),
        Entry::of::<Answer<V6>>(),
    ];

    const TICK_MS: u32 = 1000;

    fn new(net: &Net) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            config <- new_mutex!(Config::new(), "rlvs_config"),
            services: Rcu::new(KBox::new(Services::new(KVVec::new()), GFP_KERNEL)?),
            service_ports: Ports::new()?,
            destination_ports: Ports::new()?,
            connections4: Arc::pin_init(FlowTable::new(), GFP_KERNEL)?,
            connections6: Arc::pin_init(FlowTable::new(), GFP_KERNEL)?,
            events: Events::new()?,
            sysctls: Sysctls::new(net)?,
            timeouts: Tuned::new(),
            drop_packet: DropPacket::new(),
            full_message: Limit::new(),
        }? Error)
    }

    fn tick(ns: &Handle<'_, Self>) {
        expiry::tick(ns);
    }
}
