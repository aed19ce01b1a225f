// SPDX-License-Identifier: GPL-2.0

//! How a change is published to packets.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    config::{backends::check_one_packet, ServiceKey},
    refusal::Refusal,
    schedule::{flags::Flags, Settings},
};
use rlvs_kext::rcu::RcuBox;

use super::{
    edit::{copy_of, Failure},
    Transaction, Unsettled,
};
use crate::{
    config::{lingering::Room, Configured},
    service::{map::Backends, Destination, NewPool, Pool},
};

/// Refuses a deletion that `aborts` connections if some of these destinations are not recorded.
pub(super) fn check_abort(destinations: &[Arc<Destination>], aborts: bool) -> Result<(), Refusal> {
    if aborts && destinations.iter().any(|d| d.has_unknown()) {
        return Err(Refusal::UncountedCut);
    }
    Ok(())
}

/// Refuses flags that a service cannot have with these destinations.
pub(super) fn check_flags(
    key: &ServiceKey,
    flags: Flags,
    destinations: &[Arc<Destination>],
) -> Result<(), Refusal> {
    if !flags.has(Flags::ONE_PACKET) {
        return Ok(());
    }
    check_one_packet(key, destinations.iter().map(|d| &d.key))
}

/// Adds destinations of a service that has these flags to `backends`. May sleep.
pub(super) fn with_all<'a>(
    backends: Backends,
    flags: Flags,
    mut destinations: impl Iterator<Item = &'a Arc<Destination>>,
) -> Result<Backends, Refusal> {
    let is_one_packet = flags.has(Flags::ONE_PACKET);
    destinations.try_fold(backends, |all, d| {
        all.with(&d.service_key, &d.key, is_one_packet, d.clone())
    })
}

/// Removes destinations from `backends`. May sleep.
pub(super) fn without_all<'a>(
    backends: Backends,
    mut destinations: impl Iterator<Item = &'a Arc<Destination>>,
) -> Result<Backends, Refusal> {
    destinations.try_fold(backends, |all, d| all.without(&d.service_key, &d.key))
}

/// Makes a pool of the destinations, boxed to be published. `planned` returns the weight of each
/// that is to get another one. May sleep.
pub(super) fn pool_of<'a>(
    settings: &Settings,
    steers: bool,
    destinations: impl Iterator<Item = &'a Arc<Destination>>,
    planned: impl Fn(&Destination) -> Option<u16>,
) -> Result<NewPool, Failure> {
    let pool = Pool::new(settings, steers, copy_of(destinations)?, planned)?;
    Ok(RcuBox::new(pool)?)
}

impl<'a> Transaction<'a> {
    /// Publishes a pool of the service at this index.
    pub(super) fn publish(&mut self, index: usize, pool: NewPool) {
        let config = &mut *self.config;
        let number = config.next();
        if let Some(configured) = config.services.get_mut(index) {
            if configured.service.steers_new() != pool.steers() {
                configured.switched_by = number;
            }
            configured.service.publish(pool, &mut config.retired);
        }
    }

    /// Adds the ports of a service and of `destinations`, which it is about to have, to the sets
    /// that packets test. `private` returns `true` for a destination that is or will be private.
    pub(super) fn add_ports(
        &self,
        of: &Configured,
        steers: bool,
        destinations: &[Arc<Destination>],
        private: impl Fn(&Destination) -> bool,
    ) {
        let (state, writer) = (self.ns.state(), &self.config.ports);
        let port = of.service.key.port;
        if steers {
            state.steered_ports.add(port, writer);
        } else {
            state.watched_ports.add(port, writer);
            state.service_ports.add(port, writer);
        }
        for destination in destinations {
            let port = destination.key.port;
            if !steers || private(destination) {
                state.watched_ports.add(port, writer);
            }
            if !steers {
                state.destination_ports.add(port, writer);
            }
        }
    }

    /// Ends a deletion: keeps the destinations, which no new packet picks, until their connections
    /// are gone, those of packets under way included.
    pub(super) fn deleted(
        mut self,
        deleted: KVVec<Arc<Destination>>,
        mut room: Room,
        aborts: bool,
    ) -> Unsettled<'a> {
        let number = self.config.next();
        let count = u32::try_from(deleted.len()).unwrap_or(u32::MAX);
        self.config.listed = self.config.listed.saturating_sub(count);
        for destination in deleted.iter() {
            destination.set_deleted(true);
            destination.leave(number);
            // Before the mutex is unlocked: a destination that is marked is never added again.
            if aborts {
                destination.mark_abort();
            }
            self.config.lingering.add(destination, &mut room);
        }
        self.config.stale_ports = true;
        self.changed(deleted)
    }
}
