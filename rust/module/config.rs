// SPDX-License-Identifier: GPL-2.0

//! The configuration of a namespace.
//!
//! [`Config`] is behind the namespace's mutex and is what changes start from: [`crate::change`].

use kernel::{
    prelude::*,
    sync::Arc,
    time::{Instant, Monotonic},
};
use rlvs_core::{
    config::{self, DestinationKey, ServiceKey},
    estimate::Volume,
    refusal::Refusal,
    schedule::Settings,
};
use rlvs_kext::rcu::Retired;

use crate::{
    service::{Destination, Service},
    stats::{totals::Totals, Report, Stats},
    sysctl::Sysctls,
    table::ports::PortsWriter,
};
use lingering::Lingering;
use listeners::Listeners;
use settled::{Settled, NOTHING};

pub(crate) mod lingering;
pub(crate) mod listeners;
pub(crate) mod settled;

/// A service as it is configured.
pub(crate) struct Configured {
    pub(crate) service: Arc<Service>,
    pub(crate) settings: Settings,
    /// In the order in which they were added, which schedulers go by.
    pub(crate) destinations: KVVec<Arc<Destination>>,
    /// The number of the last change between rewriting and steering.
    pub(crate) switched_by: u64,
}

impl Configured {
    /// Whether the last change between rewriting and steering is settled.
    pub(crate) fn has_switched(&self, settled: &Settled) -> bool {
        settled.has(self.switched_by)
    }

    /// Whether packets to any of its destinations may get an entry.
    pub(crate) fn makes_entries(&self, settled: &Settled) -> bool {
        !self.service.steers_new() || !self.has_switched(settled)
    }

    /// Whether its packets are rewritten, or still those of some connections.
    pub(crate) fn has_entries(&self, settled: &Settled) -> bool {
        self.makes_entries(settled) || self.destinations.iter().any(|d| d.has_entries())
    }

    /// Its destination of the key.
    pub(crate) fn destination(&self, key: &DestinationKey) -> Option<&Arc<Destination>> {
        self.destinations.iter().find(|d| d.key == *key)
    }

    /// Whether it steers once these are its settings, and its destinations those that there are
    /// after it.
    pub(crate) fn would_steer<'a>(
        &self,
        settings: &Settings,
        destinations: impl Iterator<Item = &'a Arc<Destination>>,
    ) -> Result<bool, Refusal> {
        let methods = destinations.map(|d| d.method());
        config::steers(self.service.key.protocol, settings, methods)
    }
}

/// The configuration of a namespace.
pub(crate) struct Config {
    /// In the order of their keys; in boxes, so that little has to move when one comes or goes.
    pub(crate) services: KVVec<KBox<Configured>>,
    /// How many destinations they have.
    pub(crate) listed: u32,
    /// Deleted destinations that have connections.
    pub(crate) lingering: Lingering,
    /// Ports may be in the port sets that nothing needs any more.
    pub(crate) stale_ports: bool,
    /// The listeners to events.
    pub(crate) listeners: Listeners,
    /// What all services carried together.
    pub(crate) totals: Totals,
    /// When the rates were gone on with.
    pub(crate) estimated: Instant<Monotonic>,
    /// Counts changes, from 1 on; readers of a dump see by it that the dump is of two states.
    pub(crate) generation: u32,
    /// The number of the last change: see [`Unsettled`].
    pub(crate) published: u64,
    /// Allows to write to the sets of ports.
    pub(crate) ports: PortsWriter,
    /// What packets may still see of what was replaced.
    pub(crate) retired: Retired,
}

impl Config {
    /// Nothing is configured. May sleep.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            services: KVVec::new(),
            listed: 0,
            lingering: Lingering::new(),
            stale_ports: false,
            listeners: Listeners::default(),
            totals: Totals::new()?,
            estimated: Instant::now(),
            generation: 1,
            published: NOTHING,
            ports: PortsWriter::new(),
            retired: Retired::default(),
        })
    }

    /// The services, in the order of their keys.
    pub(crate) fn services(&self) -> &[KBox<Configured>] {
        &self.services
    }

    /// Counts changes.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether there is no service and no deleted destination with connections.
    pub(crate) fn is_empty(&self) -> bool {
        self.services.is_empty() && self.lingering.is_empty()
    }

    /// The service of the key.
    pub(crate) fn find(&self, key: &ServiceKey) -> Option<&Configured> {
        Some(self.services.get(self.position(key).ok()?)?)
    }

    /// What all services carried since the last zeroing, deleted ones included, and their rates.
    pub(crate) fn totals(&self) -> Report {
        self.totals.report(stats_of(&self.services))
    }

    /// What they carried on one CPU, whatever was set to zero.
    pub(crate) fn ever_on(&self, cpu: u32) -> Volume {
        self.totals.ever_on(cpu, stats_of(&self.services))
    }

    /// Where the service is, or where it belongs.
    pub(crate) fn position(&self, key: &ServiceKey) -> Result<usize, usize> {
        self.services.binary_search_by(|c| c.service.key.cmp(key))
    }

    /// Whether the namespace may have another service.
    pub(crate) fn check_services(&self, sysctls: &Sysctls) -> Result<(), Refusal> {
        match u32::try_from(self.services.len()) {
            Ok(there) if there < sysctls.svc_max() => Ok(()),
            _ => Err(Refusal::TooManyServices),
        }
    }

    /// Whether the services of the namespace may have so many destinations more. Deleted ones that
    /// drain are counted apart, so that all can be replaced by others while there are connections.
    pub(crate) fn check_destinations(&self, sysctls: &Sysctls, more: u32) -> Result<(), Refusal> {
        let most = sysctls.dest_max();
        let listed = self.listed.checked_add(more);
        let lingering = u32::try_from(self.lingering.len());
        match listed.is_some_and(|count| count <= most) && lingering.is_ok_and(|d| d <= most) {
            true => Ok(()),
            false => Err(Refusal::TooManyDestinations),
        }
    }

    /// The number of the change that is being made.
    pub(crate) fn next(&self) -> u64 {
        self.published.saturating_add(1)
    }

    /// Whether all changes are settled.
    pub(crate) fn is_settled(&self, settled: &Settled) -> bool {
        self.retired.is_empty() && settled.has(self.published)
    }
}

/// The statistics of each service.
pub(crate) fn stats_of(services: &[KBox<Configured>]) -> impl Iterator<Item = &Arc<Stats>> {
    services
        .iter()
        .map(|configured| &configured.service.shared.stats)
}
