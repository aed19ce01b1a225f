// SPDX-License-Identifier: GPL-2.0

//! Changes of services.

use core::iter::empty;
use kernel::{prelude::*, time::Instant};
use rlvs_core::{
    config::{check_uncounted, ServiceKey},
    refusal::Refusal,
    schedule::{Change, Kind, Settings},
};
use rlvs_kext::{memory::KEPT, rcu::RcuBox};

use super::{
    edit::{copy_of, Failure},
    publish::{check_abort, check_flags, pool_of, with_all, without_all},
    Transaction, Unsettled,
};
use crate::{
    config::{lingering::Room, settled::NOTHING, stats_of, Config, Configured},
    service::{
        map::{Backends, Services},
        timeouts::TimeoutChange,
        Destination, Service,
    },
};

impl<'a> Transaction<'a> {
    /// Adds a service without destinations.
    pub(crate) fn add_service(
        mut self,
        key: ServiceKey,
        change: &Change,
        timeouts: &TimeoutChange,
    ) -> Result<Unsettled<'a>, Failure> {
        let settings = Settings::new(Kind::Wlc).changed(change)?;
        let Err(index) = self.config.position(&key) else {
            return Err(Refusal::ServiceExists.into());
        };
        check_flags(&key, settings.flags, &[])?;
        check_uncounted(key.protocol, &settings, empty())?;
        self.config.check_services(&self.ns.state().sysctls)?;
        let pool = pool_of(&settings, false, [].iter(), |_| None)?;
        let left = self.config.lingering.of(key).next();
        let service = Service::new(key, pool, left.as_ref())?;
        let services = RcuBox::new(self.services().with(&service)?)?;
        let configured = Configured {
            service: service.clone(),
            settings,
            destinations: KVVec::new(),
            switched_by: NOTHING,
        };
        let configured = KBox::new(configured, KEPT)?;
        self.config.services.reserve(1, KEPT)?;
        if self.config.is_empty() {
            // The periodic work does not run while there is nothing.
            self.config.listeners.begin(self.ns.net());
            self.config.estimated = Instant::now();
        }
        self.ns.attach()?;

        // The statistics and timeouts of a deleted service of this key are this one's, from zero
        // on.
        if left.is_some() {
            for left in self.config.lingering.of(key) {
                left.stats.zero();
            }
            self.config.totals.returns(&service.shared.stats);
        }
        service.shared.stats.zero();
        service.shared.timeouts.set(&TimeoutChange::UNSET);
        service.shared.timeouts.set(timeouts);
        service
            .shared
            .timeouts
            .set_persistence(settings.persistence.seconds());
        // Cannot fail: there is room, and the index is inside.
        let _ = self
            .config
            .services
            .insert_within_capacity(index, configured);
        let state = self.ns.state();
        state.watched_ports.add(key.port, &self.config.ports);
        state.service_ports.add(key.port, &self.config.ports);
        state.services.replace(services, &mut self.config.retired);
        Ok(self.added())
    }

    /// Changes how a service schedules, and its timeouts.
    pub(crate) fn set_service(
        mut self,
        key: &ServiceKey,
        change: &Change,
        timeouts: &TimeoutChange,
    ) -> Result<Unsettled<'a>, Failure> {
        let state = self.ns.state();
        let index = self.config.position(key).map_err(|_| Refusal::NoService)?;
        let configured = self.config.services.get(index).ok_or(Refusal::NoService)?;
        let settings = configured.settings.changed(change)?;
        let is_other = settings != configured.settings;
        if is_other {
            let all = &configured.destinations;
            let steers = configured.would_steer(&settings, all.iter())?;
            let pool = pool_of(&settings, steers, all.iter(), |_| None)?;
            check_flags(key, settings.flags, all)?;
            check_uncounted(key.protocol, &settings, all.iter().map(|d| d.thresholds()))?;
            let backends = without_all(self.backends(), all.iter())?;
            let backends = with_all(backends, settings.flags, all.iter())?;
            let backends = RcuBox::new(backends)?;
            let private = Destination::is_private;
            self.add_ports(configured, steers, all, private);
            self.config.stale_ports = true;
            state.backends.replace(backends, &mut self.config.retired);
            let configured = self.configured(key)?;
            configured.settings = settings;
            // Before the pool: a packet that finds the service persistent makes a template of so
            // many seconds.
            let seconds = settings.persistence.seconds();
            configured.service.shared.timeouts.set_persistence(seconds);
            self.publish(index, pool);
        }
        self.configured(key)?.service.shared.timeouts.set(timeouts);
        Ok(match is_other {
            true => self.changed(KVVec::new()),
            false => self.added(),
        })
    }

    /// Sets timeouts of the namespace.
    pub(crate) fn set_timeouts(self, timeouts: &TimeoutChange) {
        self.ns.state().timeouts.set(timeouts);
    }

    /// Deletes a service with its destinations. If it `aborts`, their connections are marked for
    /// [`crate::change::abort::Abort`], and it is refused unless all of them are known.
    pub(crate) fn delete_service(
        mut self,
        key: &ServiceKey,
        aborts: bool,
    ) -> Result<Unsettled<'a>, Failure> {
        let index = self.config.position(key).map_err(|_| Refusal::NoService)?;
        let services = RcuBox::new(self.services().without(key)?)?;
        let deleted = copy_of(self.configured(key)?.destinations.iter())?;
        let room = Room::new(deleted.len())?;
        self.config.totals.reserve(1)?;
        check_abort(&deleted, aborts)?;
        let backends = RcuBox::new(without_all(self.backends(), deleted.iter())?)?;

        let removed = self.config.services.remove(index);
        let removed = removed.map_err(|_| Refusal::NoService)?;
        self.config.totals.leave(key, &removed.service.shared.stats);
        let (state, retired) = (self.ns.state(), &mut self.config.retired);
        state.services.replace(services, retired);
        state.backends.replace(backends, retired);
        Ok(self.deleted(deleted, room, aborts))
    }

    /// Deletes every service. If it `aborts`, destinations that were deleted before and still have
    /// connections are marked as well; it is refused unless all connections are known.
    pub(crate) fn flush(mut self, aborts: bool) -> Result<Unsettled<'a>, Failure> {
        let empty = RcuBox::new(Services::default())?;
        let no_backends = RcuBox::new(Backends::default())?;
        let config = &mut *self.config;
        let listed = config.services.iter().flat_map(|c| c.destinations.iter());
        let deleted = copy_of(listed)?;
        check_abort(&deleted, aborts)?;
        let room = Room::new(deleted.len())?;
        config.totals.reserve(config.services.len())?;

        if aborts {
            config.lingering.iter().for_each(|d| d.mark_abort());
        }
        for configured in config.services.iter() {
            let service = &configured.service;
            config.totals.leave(&service.key, &service.shared.stats);
        }
        config.services.clear();
        let (state, retired) = (self.ns.state(), &mut config.retired);
        state.services.replace(empty, retired);
        state.backends.replace(no_backends, retired);
        Ok(self.deleted(deleted, room, aborts))
    }

    /// Sets the statistics of one service, or of all, to zero.
    pub(crate) fn zero(mut self, key: Option<&ServiceKey>) -> Result<(), Failure> {
        let zero = |configured: &Configured| {
            configured.service.shared.stats.zero();
            for destination in configured.destinations.iter() {
                destination.stats.zero();
            }
        };
        match key {
            Some(key) => zero(self.configured(key)?),
            None => {
                let Config {
                    services, totals, ..
                } = &mut *self.config;
                services.iter().for_each(|configured| zero(configured));
                totals.zero(stats_of(services));
            }
        }
        Ok(())
    }
}
