// SPDX-License-Identifier: GPL-2.0

//! Changes of destinations.

use core::iter::once;
use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    config::{self, check_uncounted, ServiceKey},
    refusal::Refusal,
};
use rlvs_kext::{memory::KEPT, rcu::RcuBox};

use super::{
    edit::{copy_of, Edit, Failure, Range},
    publish::{check_abort, check_flags, pool_of, with_all, without_all},
    Transaction, Unsettled,
};
use crate::{
    config::{lingering::Room, Config},
    service::{Destination, DestinationSettings},
};

impl<'a> Transaction<'a> {
    /// Adds destinations: all of them or none.
    pub(crate) fn add_destinations(
        mut self,
        service: &ServiceKey,
        range: &Range,
        settings: DestinationSettings,
    ) -> Result<Unsettled<'a>, Failure> {
        let state = self.ns.state();
        let index = self
            .config
            .position(service)
            .map_err(|_| Refusal::NoService)?;
        let configured = self.config.services.get(index).ok_or(Refusal::NoService)?;
        if configured.destinations.iter().any(|d| range.contains(d)) {
            return Err(Refusal::DestinationExists.into());
        }
        self.config
            .check_destinations(&state.sysctls, range.ports.len())?;
        // A deleted destination of the present service that still has connections is used again, so
        // that these are counted. So is one without any if there are listeners: its events go on.
        let stats = configured.service.shared.stats.clone();
        let has_events = self.config.listeners.are_present();
        let returns = |d: &Destination| {
            !d.must_abort()
                && Arc::ptr_eq(&d.service_stats, &stats)
                && (has_events || !d.counts.is_drained())
        };
        let mut all = copy_of(configured.destinations.iter())?;
        for key in range.keys() {
            let mut left = self.config.lingering.at(*service, key);
            let destination = match left.find(|d| returns(d)) {
                Some(old) => old,
                None => {
                    let shared = &configured.service.shared;
                    Destination::new(*service, shared, &state.udp, key, settings)?
                }
            };
            all.push(destination, KEPT)?;
        }
        let planned = |d: &Destination| range.contains(d).then_some(settings.weight);
        // A destination that is used again still has the method of its last life.
        let methods = all.iter().map(|d| match range.contains(d) {
            true => settings.method,
            false => d.method(),
        });
        let steers = config::steers(service.protocol, &configured.settings, methods)?;
        let pool = pool_of(&configured.settings, steers, all.iter(), planned)?;
        let flags = configured.settings.flags;
        check_flags(service, flags, &all)?;
        let bounds = once(settings.thresholds);
        check_uncounted(service.protocol, &configured.settings, bounds)?;
        let added = all.iter().filter(|d| range.contains(d));
        let backends = RcuBox::new(with_all(self.backends(), flags, added)?)?;

        let private = |d: &Destination| match range.contains(d) {
            true => settings.private,
            false => d.is_private(),
        };
        self.add_ports(configured, steers, &all, private);
        self.config.stale_ports = true;
        let Config {
            services,
            listed,
            lingering,
            retired,
            ..
        } = &mut *self.config;
        let configured = services.get_mut(index).ok_or(Refusal::NoService)?;
        for returned in all.iter().filter(|d| d.is_deleted()) {
            lingering.remove(returned);
            returned.set(settings);
            returned.set_deleted(false);
        }
        configured.destinations = all;
        *listed = listed.saturating_add(range.ports.len());
        // Before the pool: a packet may come from a destination as soon as one is sent there.
        state.backends.replace(backends, retired);
        self.publish(index, pool);
        Ok(self.added())
    }

    /// Changes destinations: all of them or none.
    pub(crate) fn set_destinations(
        mut self,
        service: &ServiceKey,
        range: &Range,
        edit: &Edit,
    ) -> Result<Unsettled<'a>, Failure> {
        let index = self.config.position(service);
        let index = index.map_err(|_| Refusal::NoService)?;
        let configured = self.config.services.get(index).ok_or(Refusal::NoService)?;
        let changed = range.of(&configured.destinations)?;
        for destination in changed.iter() {
            let bounds = once(edit.of(destination)?.thresholds);
            check_uncounted(service.protocol, &configured.settings, bounds)?;
        }
        let all = &configured.destinations;
        let methods = all.iter().map(|d| match range.contains(d) {
            true => edit.method_of(d),
            false => d.method(),
        });
        let steers = config::steers(service.protocol, &configured.settings, methods)?;
        let switches = steers != configured.service.steers_new();
        // A scheduler that follows the weights keeps its place in the order.
        let weight = edit.weight;
        let for_weights =
            weight.is_some() && configured.settings.kind.is_made_for_weights(all.len());
        let pool = if switches || for_weights {
            let planned = |d: &Destination| weight.filter(|_| range.contains(d));
            Some(pool_of(&configured.settings, steers, all.iter(), planned)?)
        } else {
            None
        };
        let private = |d: &Destination| match range.contains(d) {
            true => edit.private.unwrap_or_else(|| d.is_private()),
            false => d.is_private(),
        };
        self.add_ports(configured, steers, all, private);
        self.config.stale_ports |= switches || edit.private == Some(false);
        let number = self.config.next();
        for destination in changed.iter() {
            // A packet that has seen the old weight may be about to give it a connection.
            if weight == Some(0) && destination.weight() != 0 {
                destination.leave(number);
            }
            destination.set(edit.of(destination)?);
        }
        let is_seen = pool.is_none() && weight != Some(0);
        match pool {
            Some(pool) => self.publish(index, pool),
            None => self.configured(service)?.service.catch_up(),
        }
        if is_seen {
            self.report(&changed);
            return Ok(self.added());
        }
        Ok(self.changed(changed))
    }

    /// Deletes destinations: all of them or none. If it `aborts`, their connections are marked for
    /// [`crate::change::abort::Abort`], and it is refused unless all of them are known.
    pub(crate) fn delete_destinations(
        mut self,
        service: &ServiceKey,
        range: &Range,
        aborts: bool,
    ) -> Result<Unsettled<'a>, Failure> {
        let state = self.ns.state();
        let index = self.config.position(service);
        let index = index.map_err(|_| Refusal::NoService)?;
        let configured = self.config.services.get(index).ok_or(Refusal::NoService)?;
        let deleted = range.of(&configured.destinations)?;
        check_abort(&deleted, aborts)?;
        let staying = configured.destinations.iter();
        let staying = copy_of(staying.filter(|d| !range.contains(d)))?;
        let steers = configured.would_steer(&configured.settings, staying.iter())?;
        let pool = pool_of(&configured.settings, steers, staying.iter(), |_| None)?;
        let backends = RcuBox::new(without_all(self.backends(), deleted.iter())?)?;
        let room = Room::new(deleted.len())?;

        let private = Destination::is_private;
        self.add_ports(configured, steers, &staying, private);
        state.backends.replace(backends, &mut self.config.retired);
        self.configured(service)?.destinations = staying;
        self.publish(index, pool);
        Ok(self.deleted(deleted, room, aborts))
    }
}
