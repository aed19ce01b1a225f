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
/// Guarded by: the config mutex.
pub(crate) struct Configured {
    pub(crate) service: Arc<Service>,
    pub(crate) settings: Settings,
    /// In the order in which they were added, which is that of the schedulers.
    pub(crate) destinations: KVVec<Arc<Destination>>,
    /// The number of the last change between rewriting and steering.
    pub(crate) switched_by: u64,
}

impl Configured {
    /// Returns `true` if the last change between rewriting and steering is settled.
    pub(crate) fn has_switched(&self, settled: &Settled) -> bool {
        settled.has(self.switched_by)
    }

    /// Returns `true` if a packet to one of its destinations may still get an entry.
    pub(crate) fn makes_entries(&self, settled: &Settled) -> bool {
        !self.service.steers_new() || !self.has_switched(settled)
    }

    /// Returns `true` if packets are rewritten: of new connections, or of those that there are.
    pub(crate) fn has_entries(&self, settled: &Settled) -> bool {
        self.makes_entries(settled) || self.destinations.iter().any(|d| d.has_entries())
    }

    /// Returns its destination of the key.
    pub(crate) fn destination(&self, key: &DestinationKey) -> Option<&Arc<Destination>> {
        self.destinations.iter().find(|d| d.key == *key)
    }

    /// Returns whether it steers with these settings and destinations; refused if they do not go
    /// together.
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
/// Guarded by: the config mutex.
pub(crate) struct Config {
    /// In the order of their keys; boxed, so that adding or removing one moves pointers only.
    pub(crate) services: KVVec<KBox<Configured>>,
    /// The number of their destinations.
    pub(crate) listed: u32,
    /// Deleted destinations that have connections.
    pub(crate) lingering: Lingering,
    /// The sets of ports may have ports that nothing needs any more.
    pub(crate) stale_ports: bool,
    /// The listeners to events.
    pub(crate) listeners: Listeners,
    /// What all services carried together.
    pub(crate) totals: Totals,
    /// The time of the last step of the rates.
    pub(crate) estimated: Instant<Monotonic>,
    /// Counts changes, from 1 on; by it the reader of a dump sees that the dump is inconsistent.
    pub(crate) generation: u32,
    /// The number of the last change: see [`settled`].
    pub(crate) published: u64,
    /// Allows to write to the sets of ports.
    pub(crate) ports: PortsWriter,
    /// What was replaced and packets may still read.
    pub(crate) retired: Retired,
}

impl Config {
    /// An empty configuration. May sleep.
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

    /// Returns the services, in the order of their keys.
    pub(crate) fn services(&self) -> &[KBox<Configured>] {
        &self.services
    }

    /// Returns the number of changes, for dumps.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns `true` if there is no service and no deleted destination with connections.
    pub(crate) fn is_empty(&self) -> bool {
        self.services.is_empty() && self.lingering.is_empty()
    }

    /// Returns the service of the key.
    pub(crate) fn find(&self, key: &ServiceKey) -> Option<&Configured> {
        Some(self.services.get(self.position(key).ok()?)?)
    }

    /// Returns what all services carried since the last zeroing, deleted ones included, and the
    /// rates.
    pub(crate) fn totals(&self) -> Report {
        self.totals.report(stats_of(&self.services))
    }

    /// Returns what all services carried on one CPU since the namespace exists, whatever was set to
    /// zero.
    pub(crate) fn ever_on(&self, cpu: u32) -> Volume {
        self.totals.ever_on(cpu, stats_of(&self.services))
    }

    /// Returns the index of the service, or the one to insert it at.
    pub(crate) fn position(&self, key: &ServiceKey) -> Result<usize, usize> {
        self.services.binary_search_by(|c| c.service.key.cmp(key))
    }

    /// Returns `Ok` if the namespace may have another service.
    pub(crate) fn check_services(&self, sysctls: &Sysctls) -> Result<(), Refusal> {
        match u32::try_from(self.services.len()) {
            Ok(there) if there < sysctls.svc_max() => Ok(()),
            _ => Err(Refusal::TooManyServices),
        }
    }

    /// Returns `Ok` if the services of the namespace may have `more` destinations. Deleted ones
    /// with connections are counted apart, so that all can be replaced while there are connections.
    pub(crate) fn check_destinations(&self, sysctls: &Sysctls, more: u32) -> Result<(), Refusal> {
        let most = sysctls.dest_max();
        let listed = self.listed.checked_add(more);
        let lingering = u32::try_from(self.lingering.len());
        match listed.is_some_and(|count| count <= most) && lingering.is_ok_and(|d| d <= most) {
            true => Ok(()),
            false => Err(Refusal::TooManyDestinations),
        }
    }

    /// Returns the number of the change that is being made.
    pub(crate) fn next(&self) -> u64 {
        self.published.saturating_add(1)
    }

    /// Returns `true` if all changes are settled and all that was replaced is freed.
    pub(crate) fn is_settled(&self, settled: &Settled) -> bool {
        self.retired.is_empty() && settled.has(self.published)
    }
}

/// Returns the statistics of each service.
pub(crate) fn stats_of(services: &[KBox<Configured>]) -> impl Iterator<Item = &Arc<Stats>> {
    services
        .iter()
        .map(|configured| &configured.service.shared.stats)
}
