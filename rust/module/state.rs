// SPDX-License-Identifier: GPL-2.0

//! The state of a network namespace.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use rlvs_core::{
    address::{V4, V6},
    udp::Flows,
};
use rlvs_kext::{
    flow_table::FlowTable,
    memory::KEPT,
    netns::Setup,
    ratelimit::Limit,
    rcu::{Rcu, RcuBox},
    refusal::Mark,
};

use crate::{
    config::{settled::Settled, Config},
    defence::DropPacket,
    family::IpFamily,
    primitives::Word,
    service::{
        map::{Backends, Services},
        timeouts::TimeoutSettings,
    },
    stats::Events,
    sysctl::Sysctls,
    table::{
        ceiling::{self, Ceiling},
        ports::Ports,
        Tables,
    },
    tracking::Tracked,
};

/// Everything of a network namespace. Documentation/locking.rst says what guards each field.
#[pin_data]
pub(crate) struct State {
    /// The configuration; its mutex also guards what is published from it.
    /// Guarded by: itself, the config mutex.
    #[pin]
    pub(crate) config: Mutex<Config>,
    /// Guarded by: RCU; replaced under the config mutex.
    pub(crate) services: Rcu<Services>,
    /// Guarded by: RCU; replaced under the config mutex.
    pub(crate) backends: Rcu<Backends>,
    /// The number of the last change that every packet under way has seen.
    pub(crate) settled: Settled,
    /// The ports of services whose packets are rewritten.
    pub(crate) service_ports: Ports,
    /// The ports of destinations whose packets are rewritten, of deleted ones while they have
    /// connections.
    pub(crate) destination_ports: Ports,
    /// The ports of services that steer.
    pub(crate) steered_ports: Ports,
    /// The ports to which packets are looked at: `service_ports`, `destination_ports`, and those of
    /// private destinations of services that steer.
    pub(crate) watched_ports: Ports,
    pub(crate) tracked: Tracked,
    pub(crate) v4: Tables<V4>,
    pub(crate) v6: Tables<V6>,
    /// The mark of answers to refused packets.
    pub(crate) refusals: Mark,
    pub(crate) events: Events,
    pub(crate) sysctls: Sysctls,
    /// The timeouts that were set for the namespace.
    pub(crate) timeouts: TimeoutSettings,
    pub(crate) drop_packet: DropPacket,
    /// UDP's part of [`State::used`].
    pub(crate) udp: Arc<Flows<Word>>,
    /// Limits the message that the connection table is full.
    pub(crate) full_message: Limit,
    /// Limits the message that UDP has its share of the connection table.
    pub(crate) udp_full_message: Limit,
    pub(crate) ceiling: Ceiling,
}

impl State {
    /// Makes the state of a new namespace. May sleep.
    pub(crate) fn new<'a>(setup: &'a Setup<'a, Self>) -> impl PinInit<Self, Error> + use<'a> {
        try_pin_init!(Self {
            config <- new_mutex!(Config::new()?, "rlvs_config"),
            services: Rcu::new(RcuBox::new(Services::default())?),
            backends: Rcu::new(RcuBox::new(Backends::default())?),
            settled: Settled::new(),
            service_ports: Ports::new()?,
            destination_ports: Ports::new()?,
            steered_ports: Ports::new()?,
            watched_ports: Ports::new()?,
            tracked: Tracked::new(),
            v4: Tables::new(Arc::pin_init(FlowTable::new(), KEPT)?)?,
            v6: Tables::new(Arc::pin_init(FlowTable::cached(setup.shared().clone()), KEPT)?)?,
            refusals: Mark::new(setup.net())?,
            events: Events::new()?,
            sysctls: Sysctls::new(setup, ceiling::share())?,
            timeouts: TimeoutSettings::new(),
            drop_packet: DropPacket::new(),
            udp: Arc::new(Flows::default(), KEPT)?,
            full_message: Limit::new(),
            udp_full_message: Limit::new(),
            ceiling: Ceiling::new(setup.net()),
        }? Error)
    }

    /// Returns the number of connection entries of both families; other CPUs may be changing it.
    pub(crate) fn entries(&self) -> u32 {
        self.both(|v4| v4.connections.len(), |v6| v6.connections.len())
    }

    /// Returns the number of buckets of the connection tables of both families.
    pub(crate) fn buckets(&self) -> u32 {
        self.both(|v4| v4.connections.buckets(), |v6| v6.connections.buckets())
    }

    /// Returns the number of templates of both families; other CPUs may be changing it.
    pub(crate) fn templates(&self) -> u32 {
        self.both(|v4| v4.templates.len(), |v6| v6.templates.len())
    }

    /// Returns the number that `conn_max` bounds.
    pub(crate) fn used(&self) -> u32 {
        self.both(Tables::used, Tables::used)
    }

    /// Returns `true` if no packet of a connection is expected any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.v4.is_idle() && self.v6.is_idle()
    }

    fn both(
        &self,
        four: impl FnOnce(&Tables<V4>) -> u32,
        six: impl FnOnce(&Tables<V6>) -> u32,
    ) -> u32 {
        four(&self.v4).saturating_add(six(&self.v6))
    }
}

/// An address family that a namespace has tables of.
pub(crate) trait InState: IpFamily {
    /// Returns the namespace's tables of this family.
    fn tables(state: &State) -> &Tables<Self>;
}

impl InState for V4 {
    #[inline]
    fn tables(state: &State) -> &Tables<Self> {
        &state.v4
    }
}

impl InState for V6 {
    #[inline]
    fn tables(state: &State) -> &Tables<Self> {
        &state.v6
    }
}
