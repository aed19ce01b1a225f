// SPDX-License-Identifier: GPL-2.0

//! The configuration of a namespace and its changes.
//!
//! [`Config`] is behind the namespace's mutex and is what changes start from. A change first makes
//! everything it needs, so that it fails before anything is visible, then publishes it for the next
//! packet. It does not wait for packets that are under way: what has to is [`Unsettled`].

use core::iter::{empty, once};
use kernel::{
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, rcu, Arc},
    time::{Instant, Monotonic},
};
use rlvs_core::{
    address::{Address, PortRange},
    config::{
        self, backends::check_one_packet, check_uncounted, DestinationKey, Method, Presence,
        ServiceKey,
    },
    estimate::{self, Volume},
    refusal::Refusal,
    schedule::{flags::Flags, threshold::Thresholds, Change, Kind, Settings},
};
use rlvs_kext::{
    memory::KEPT,
    netns::Handle,
    rcu::{RcuBox, Retired},
    task,
    user::User,
};

use unsettled::{Unsettled, MOST_RETIRED, NOTHING};

use crate::{
    config::lingering::{Draining, Room},
    drain,
    event::{self, Listeners},
    presence::is_here,
    service::{
        timeouts, Backends, Destination, DestinationSettings, NewPool, Pool, Service, Services,
    },
    state::State,
    stats::{totals::Overall, Report, Stats},
};

pub(crate) mod lingering;
pub(crate) mod listeners;
pub(crate) mod unsettled;

/// A service as it is configured.
pub(crate) struct Configured {
    pub(crate) service: Arc<Service>,
    pub(crate) settings: Settings,
    /// In the order in which they were added, which schedulers go by.
    pub(crate) destinations: KVVec<Arc<Destination>>,
    /// The number of the last change between rewriting and steering.
    switched_by: u64,
}

impl Configured {
    /// Whether the last change between rewriting and steering is settled.
    fn has_switched(&self, state: &State) -> bool {
        state.settled.has(self.switched_by)
    }

    /// Whether packets to any of its destinations may get an entry.
    fn makes_entries(&self, state: &State) -> bool {
        !self.service.steers_new() || !self.has_switched(state)
    }

    /// Whether its packets are rewritten, or still those of some connections.
    fn has_entries(&self, state: &State) -> bool {
        self.makes_entries(state) || self.destinations.iter().any(|d| d.has_entries())
    }

    /// Its destination of the key.
    pub(crate) fn destination(&self, key: &DestinationKey) -> Option<&Arc<Destination>> {
        self.destinations.iter().find(|d| d.key == *key)
    }

    /// Whether it steers once these are its settings, and its destinations those that there are
    /// after it.
    fn would_steer<'a>(
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
    services: KVVec<KBox<Configured>>,
    /// How many destinations they have.
    listed: u32,
    /// Deleted destinations that have connections.
    draining: Draining,
    /// Ports may be in the port sets that nothing needs any more.
    stale_ports: bool,
    /// The listeners to events.
    listeners: Listeners,
    /// What all services carried together.
    overall: Overall,
    /// When the rates were gone on with.
    estimated: Instant<Monotonic>,
    /// Counts changes, from 1 on; readers of a dump see by it that the dump is of two states.
    generation: u32,
    /// The number of the last change: see [`Unsettled`].
    published: u64,
    /// What packets may still see of what was replaced.
    retired: Retired,
}

/// Why a change was not made.
pub(crate) enum Failure {
    /// It is not possible.
    Refused(Refusal),
    /// The kernel could not carry it out.
    Error(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error == ENOMEM {
            return Self::Refused(Refusal::NoMemory);
        }
        Self::Error(error)
    }
}

impl From<kernel::alloc::AllocError> for Failure {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Self::Refused(Refusal::NoMemory)
    }
}

/// A change of destinations; what is absent stays.
#[derive(Clone, Copy, Default)]
pub(crate) struct Edit {
    pub(crate) weight: Option<u16>,
    pub(crate) upper: Option<u32>,
    pub(crate) lower: Option<u32>,
    pub(crate) private: Option<bool>,
    /// `Some(None)`: any user's socket may listen there.
    pub(crate) user: Option<Option<User>>,
    pub(crate) method: Option<Method>,
}

impl Edit {
    /// What a destination has after it.
    fn of(&self, destination: &Destination) -> Result<DestinationSettings, Failure> {
        let old = destination.thresholds();
        Ok(DestinationSettings {
            weight: self.weight.unwrap_or_else(|| destination.weight()),
            thresholds: Thresholds::new(
                self.upper.unwrap_or_else(|| old.upper()),
                self.lower.unwrap_or_else(|| old.lower()),
            )?,
            private: self.private.unwrap_or_else(|| destination.is_private()),
            user: self.user.unwrap_or_else(|| destination.user()),
            method: self.method_of(destination),
        })
    }

    /// The method that is asked for after it.
    fn method_of(&self, destination: &Destination) -> Method {
        self.method.unwrap_or_else(|| destination.method())
    }
}

/// Destinations on one address and the ports of a range.
pub(crate) struct Range {
    pub(crate) address: Address,
    pub(crate) ports: PortRange,
}

impl Range {
    /// One destination.
    pub(crate) fn one(key: DestinationKey) -> Result<Self, Refusal> {
        Ok(Self {
            address: key.address,
            ports: PortRange::new(key.port, key.port)?,
        })
    }

    /// The keys, in the order of their ports.
    pub(crate) fn keys(&self) -> impl Iterator<Item = DestinationKey> + '_ {
        self.ports.iter().map(|port| DestinationKey {
            address: self.address,
            port,
        })
    }

    fn contains(&self, destination: &Destination) -> bool {
        let key = &destination.key;
        key.address == self.address && self.ports.contains(key.port)
    }

    /// Those of `destinations` that are in the range; refused when one of the range is missing.
    fn of(&self, destinations: &[Arc<Destination>]) -> Result<KVVec<Arc<Destination>>, Failure> {
        let found = copy_of(destinations.iter().filter(|d| self.contains(d)))?;
        // Keys are unique, so that as many are the same ones.
        if u32::try_from(found.len()) != Ok(self.ports.len()) {
            return Err(Refusal::NoDestination.into());
        }
        Ok(found)
    }
}

impl Config {
    /// Nothing is configured. May sleep.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            services: KVVec::new(),
            listed: 0,
            draining: Draining::new(),
            stale_ports: false,
            listeners: Listeners::default(),
            overall: Overall::new()?,
            estimated: Instant::now(),
            generation: 1,
            published: NOTHING,
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
        self.services.is_empty() && self.draining.is_empty()
    }

    /// The service of the key.
    pub(crate) fn find(&self, key: &ServiceKey) -> Option<&Configured> {
        Some(self.services.get(self.position(key).ok()?)?)
    }

    /// What all services carried since the last zeroing, deleted ones included, and their rates.
    pub(crate) fn overall(&self) -> Report {
        self.overall.report(stats_of(&self.services))
    }

    /// What they carried on one CPU, whatever was set to zero.
    pub(crate) fn ever_on(&self, cpu: u32) -> Volume {
        self.overall.ever_on(cpu, stats_of(&self.services))
    }

    /// Goes on with all rates when it is time for it. Called once a second.
    pub(crate) fn estimate(&mut self) {
        let elapsed = self.estimated.elapsed().as_millis();
        let elapsed = u32::try_from(elapsed).unwrap_or(u32::MAX);
        // Half a second of tolerance: the step goes with the nearest call.
        if elapsed < estimate::PERIOD_MS.saturating_sub(500) {
            return;
        }
        self.estimated = Instant::now();
        for configured in self.services.iter() {
            configured.service.stats.estimate(elapsed);
            for destination in configured.destinations.iter() {
                destination.stats.estimate(elapsed);
            }
            task::cond_resched();
        }
        let listed = stats_of(&self.services);
        self.overall.estimate(elapsed, listed);
    }

    /// Where the service is, or where it belongs.
    fn position(&self, key: &ServiceKey) -> Result<usize, usize> {
        self.services.binary_search_by(|c| c.service.key.cmp(key))
    }

    /// The periodic walk over the connections has ended, and has seen all of them if it is
    /// `complete`: sends events about the destinations, and drops those that are gone.
    pub(crate) fn walked(&mut self, ns: &Handle<'_, State>, complete: bool) {
        let Self {
            services,
            draining,
            listeners,
            ..
        } = self;
        let all = || {
            let listed = services.iter().flat_map(|c| c.destinations.iter());
            Iterator::chain(listed, draining.iter())
        };
        for destination in all() {
            drain::walked(destination, complete);
        }
        event::look_at_all(ns, listeners, all());
        for configured in services.iter() {
            let service = &configured.service;
            listeners::look(ns.net(), service, &configured.destinations);
            let is_over = !service.steers_new() && configured.has_switched(ns.state());
            if is_over && service.steers() {
                service.end_steering();
            }
        }
        self.forget_drained(ns.state());
        if self.overall.has_left() {
            let draining = &self.draining;
            self.overall.forget(|key, stats| {
                let mut of = draining.of(*key);
                of.any(|d| Arc::ptr_eq(&d.service_stats, stats))
            });
        }
    }

    /// Lets go of deleted destinations without connections, and of ports that nothing has.
    fn forget_drained(&mut self, state: &State) {
        self.stale_ports |= self.draining.forget_drained(|d| is_settled(d, state));
        if !self.stale_ports {
            return;
        }
        // Connections outlive their service, and its method: their ports are needed as long as they
        // are there. So are those of what packets under way may still make an entry of.
        let may_have = |d: &Destination| d.has_entries() || !is_settled(d, state);
        let left = || self.draining.iter().filter(|d| may_have(d));
        let listed = self.services.iter().filter(|c| c.has_entries(state));
        let listed = listed.map(|c| c.service.key.port);
        let services = Iterator::chain(listed, left().map(|d| d.service_key.port));
        let listed = self.services.iter().flat_map(|c| {
            let all = c.makes_entries(state);
            let of = c.destinations.iter();
            of.filter(move |d| all || d.has_entries())
        });
        let destinations = Iterator::chain(listed, left()).map(|d| d.key.port);
        let steered = self.services.iter().filter(|c| c.service.steers());
        let steered = steered.map(|c| c.service.key.port);
        let all = self.services.iter().flat_map(|c| c.destinations.iter());
        let private = all.filter(|d| d.is_private()).map(|d| d.key.port);
        // Short of memory, the sets stay too large until the next time.
        let stale = state.service_ports.clear_and_add(services, self).is_err()
            || state.steered_ports.clear_and_add(steered, self).is_err()
            || state
                .destination_ports
                .clear_and_add(destinations, self)
                .is_err()
            || state
                .watched_ports
                .unite(
                    [&state.service_ports, &state.destination_ports],
                    private,
                    self,
                )
                .is_err();
        // Some end while their service, or other connections of their destination, go on.
        let switches = |c: &KBox<Configured>| {
            !c.has_switched(state) || c.service.steers_new() && c.has_entries(state)
        };
        self.stale_ports = stale || left().count() != 0 || self.services.iter().any(switches);
    }

    /// Whether the namespace may have another service.
    fn check_services(&self, state: &State) -> Result<(), Refusal> {
        match u32::try_from(self.services.len()) {
            Ok(there) if there < state.sysctls.svc_max() => Ok(()),
            _ => Err(Refusal::TooManyServices),
        }
    }

    /// Whether the services of the namespace may have so many destinations more. Deleted ones that
    /// drain are counted apart, so that all can be replaced by others while there are connections.
    fn check_destinations(&self, state: &State, more: u32) -> Result<(), Refusal> {
        let most = state.sysctls.dest_max();
        let listed = self.listed.checked_add(more);
        let draining = u32::try_from(self.draining.len());
        match listed.is_some_and(|count| count <= most) && draining.is_ok_and(|d| d <= most) {
            true => Ok(()),
            false => Err(Refusal::TooManyDestinations),
        }
    }

    /// Publishes a pool of a service.
    fn publish(&mut self, index: usize, pool: NewPool) {
        let number = self.next();
        if let Some(configured) = self.services.get_mut(index) {
            if configured.service.steers_new() != pool.steers() {
                configured.switched_by = number;
            }
            configured.service.publish(pool, &mut self.retired);
        }
    }

    /// The number of the change that is being made.
    fn next(&self) -> u64 {
        self.published.saturating_add(1)
    }

    /// Whether all changes are settled.
    pub(crate) fn is_settled(&self, state: &State) -> bool {
        self.retired.is_empty() && state.settled.has(self.published)
    }

    /// Adds the ports that packets are to be looked at for once a service has these destinations, of
    /// which those are private that `private` says.
    fn add_ports(
        &self,
        state: &State,
        of: &Configured,
        steers: bool,
        destinations: &[Arc<Destination>],
        private: impl Fn(&Destination) -> bool,
    ) {
        let port = of.service.key.port;
        if steers {
            state.steered_ports.add(port, self);
        } else {
            state.watched_ports.add(port, self);
            state.service_ports.add(port, self);
        }
        for destination in destinations {
            let port = destination.key.port;
            if !steers || private(destination) {
                state.watched_ports.add(port, self);
            }
            if !steers {
                state.destination_ports.add(port, self);
            }
        }
    }
}

/// Whether no packet is under way that may give the destination a connection, if it is given none
/// any more.
fn is_settled(destination: &Destination, state: &State) -> bool {
    state.settled.has(destination.left_by())
}

/// Whether the connections of destinations that are to be deleted can be ended, if that is what the
/// deletion `cuts`: all of them are known.
fn check_cut(destinations: &[Arc<Destination>], cuts: bool) -> Result<(), Refusal> {
    if cuts && destinations.iter().any(|d| d.has_unknown()) {
        return Err(Refusal::UncountedCut);
    }
    Ok(())
}

/// Whether a service can have its flags with these destinations.
fn check_flags(
    key: &ServiceKey,
    flags: Flags,
    destinations: &[Arc<Destination>],
) -> Result<(), Refusal> {
    if !flags.has(Flags::ONE_PACKET) {
        return Ok(());
    }
    check_one_packet(key, destinations.iter().map(|d| &d.key))
}

/// These backends with destinations of a service that has these flags.
fn with_all<'a>(
    backends: Backends,
    flags: Flags,
    mut destinations: impl Iterator<Item = &'a Arc<Destination>>,
) -> Result<Backends, Refusal> {
    let is_one_packet = flags.has(Flags::ONE_PACKET);
    destinations.try_fold(backends, |all, d| {
        all.with(&d.service_key, &d.key, is_one_packet, d.clone())
    })
}

/// These backends without destinations.
fn without_all<'a>(
    backends: Backends,
    mut destinations: impl Iterator<Item = &'a Arc<Destination>>,
) -> Result<Backends, Refusal> {
    destinations.try_fold(backends, |all, d| all.without(&d.service_key, &d.key))
}

/// The right to change a namespace's configuration. Process context; every change sleeps.
pub(crate) struct Changes<'a> {
    ns: &'a Handle<'a, State>,
    config: Guard<'a, Config, MutexBackend>,
}

impl<'a> Changes<'a> {
    /// Waits for the right.
    pub(crate) fn begin(ns: &'a Handle<'a, State>) -> Self {
        Self {
            ns,
            config: ns.state().config.lock(),
        }
    }

    /// The service of the key, as it is now.
    pub(crate) fn find(&self, key: &ServiceKey) -> Option<&Configured> {
        self.config.find(key)
    }

    /// Whether an address is the host's, or may be expected to become it.
    pub(crate) fn presence(&self, address: &Address) -> Presence {
        let net = self.ns.net();
        let is_tentative = || matches!(address, Address::V6(octets) if net.has_address6(octets));
        let mut services = self.config.services.iter();
        if is_here(net, address, false) != Some(false) {
            Presence::Here
        } else if services.any(|c| c.service.key.address == *address) || is_tentative() {
            Presence::Expected
        } else {
            Presence::Elsewhere
        }
    }

    /// What packets look services up in, as it is now.
    fn services(&self) -> Services {
        self.ns.state().services.read(&rcu::read_lock()).clone()
    }

    /// What answers without an entry are looked up in, as it is now.
    fn backends(&self) -> Backends {
        self.ns.state().backends.read(&rcu::read_lock()).clone()
    }

    /// A grace period has passed after the change of this number; sends the events of the
    /// destinations that it has changed.
    pub(crate) fn settled(self, number: u64, changed: &[Arc<Destination>]) {
        self.ns.state().settled.set(number);
        self.tell(changed);
    }

    /// All changes that were made so far, if they are not settled, with all that was replaced.
    pub(crate) fn unsettled(mut self) -> Option<Unsettled<'a>> {
        if self.config.is_settled(self.ns.state()) {
            return None;
        }
        Some(Unsettled {
            ns: self.ns,
            number: self.config.published,
            destinations: KVVec::new(),
            retired: core::mem::take(&mut self.config.retired),
        })
    }

    /// The change was made, and no packet has to be waited for.
    fn added(self) -> Unsettled<'a> {
        self.made(NOTHING, KVVec::new())
    }

    /// The change was made: packets under way may go by what was before, of these destinations too.
    fn changed(self, destinations: KVVec<Arc<Destination>>) -> Unsettled<'a> {
        self.tell(&destinations);
        let number = self.config.next();
        self.made(number, destinations)
    }

    /// The change was made. `number` is what its request may wait for.
    fn made(mut self, number: u64, destinations: KVVec<Arc<Destination>>) -> Unsettled<'a> {
        let config = &mut *self.config;
        config.generation = config.generation.checked_add(1).unwrap_or(1);
        config.published = config.next();
        let retired = match config.retired.len() {
            ..MOST_RETIRED => Retired::default(),
            _ => core::mem::take(&mut config.retired),
        };
        Unsettled {
            ns: self.ns,
            number,
            destinations,
            retired,
        }
    }

    fn configured(&mut self, key: &ServiceKey) -> Result<&mut Configured, Failure> {
        let index = self.config.position(key).map_err(|_| Refusal::NoService)?;
        let found = self.config.services.get_mut(index);
        Ok(&mut **found.ok_or(Refusal::NoService)?)
    }

    /// Adds a service without destinations.
    pub(crate) fn add_service(
        mut self,
        key: ServiceKey,
        change: &Change,
        timeouts: &timeouts::Change,
    ) -> Result<Unsettled<'a>, Failure> {
        let settings = Settings::new(Kind::Wlc).changed(change)?;
        let Err(index) = self.config.position(&key) else {
            return Err(Refusal::ServiceExists.into());
        };
        check_flags(&key, settings.flags, &[])?;
        check_uncounted(key.protocol, &settings, empty())?;
        self.config.check_services(self.ns.state())?;
        let pool = pool_of(&settings, false, [].iter(), |_| None)?;
        let left = self.config.draining.of(key).next();
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
            // The periodic work may not have looked for long.
            self.config.listeners.begin(self.ns.net());
            self.config.estimated = Instant::now();
        }
        self.ns.attach()?;

        // What is left of a deleted service becomes this one's, which is new otherwise.
        if left.is_some() {
            for left in self.config.draining.of(key) {
                left.stats.zero();
            }
            self.config.overall.returns(&service.stats);
        }
        service.stats.zero();
        service.timeouts.set(&timeouts::Change::UNSET);
        service.timeouts.set(timeouts);
        service
            .timeouts
            .set_persistence(settings.persistence.seconds());
        // There is room, and the place is inside: this does not fail.
        let _ = self
            .config
            .services
            .insert_within_capacity(index, configured);
        let state = self.ns.state();
        state.watched_ports.add(key.port, &self.config);
        state.service_ports.add(key.port, &self.config);
        state.services.replace(services, &mut self.config.retired);
        Ok(self.added())
    }

    /// Changes how a service schedules, and its timeouts.
    pub(crate) fn set_service(
        mut self,
        key: &ServiceKey,
        change: &Change,
        timeouts: &timeouts::Change,
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
            self.config
                .add_ports(state, configured, steers, all, private);
            self.config.stale_ports = true;
            state.backends.replace(backends, &mut self.config.retired);
            let configured = self.configured(key)?;
            configured.settings = settings;
            // First: a packet that finds the service persistent takes the seconds for its own.
            let seconds = settings.persistence.seconds();
            configured.service.timeouts.set_persistence(seconds);
            self.config.publish(index, pool);
        }
        self.configured(key)?.service.timeouts.set(timeouts);
        Ok(match is_other {
            true => self.changed(KVVec::new()),
            false => self.added(),
        })
    }

    /// Changes the timeouts of the namespace.
    pub(crate) fn set_timeouts(self, timeouts: &timeouts::Change) {
        self.ns.state().timeouts.set(timeouts);
    }

    /// Deletes a service with its destinations. If it `cuts`, their connections are marked for
    /// [`crate::change::abort::Cut`], and it is refused unless all of them are known.
    pub(crate) fn delete_service(
        mut self,
        key: &ServiceKey,
        cuts: bool,
    ) -> Result<Unsettled<'a>, Failure> {
        let index = self.config.position(key).map_err(|_| Refusal::NoService)?;
        let services = RcuBox::new(self.services().without(key)?)?;
        let deleted = copy_of(self.configured(key)?.destinations.iter())?;
        let room = Room::new(deleted.len())?;
        self.config.overall.reserve(1)?;
        check_cut(&deleted, cuts)?;
        let backends = RcuBox::new(without_all(self.backends(), deleted.iter())?)?;

        let removed = self.config.services.remove(index);
        let removed = removed.map_err(|_| Refusal::NoService)?;
        self.config.overall.leave(&removed.service);
        let (state, retired) = (self.ns.state(), &mut self.config.retired);
        state.services.replace(services, retired);
        state.backends.replace(backends, retired);
        Ok(self.deleted(deleted, room, cuts))
    }

    /// Deletes every service. If it `cuts`, what was deleted before and still has connections is
    /// meant as well. Refused as [`Self::delete_service`] is.
    pub(crate) fn flush(mut self, cuts: bool) -> Result<Unsettled<'a>, Failure> {
        let empty = RcuBox::new(Services::default())?;
        let no_backends = RcuBox::new(Backends::default())?;
        let config = &mut *self.config;
        let listed = config.services.iter().flat_map(|c| c.destinations.iter());
        let deleted = copy_of(listed)?;
        check_cut(&deleted, cuts)?;
        let room = Room::new(deleted.len())?;
        config.overall.reserve(config.services.len())?;

        if cuts {
            config.draining.iter().for_each(|d| d.mark_cut());
        }
        for configured in config.services.iter() {
            config.overall.leave(&configured.service);
        }
        config.services.clear();
        let (state, retired) = (self.ns.state(), &mut config.retired);
        state.services.replace(empty, retired);
        state.backends.replace(no_backends, retired);
        Ok(self.deleted(deleted, room, cuts))
    }

    /// Remembers destinations that packets which come now no longer pick, until their connections
    /// are gone: those that were found by packets under way too.
    fn deleted(
        mut self,
        deleted: KVVec<Arc<Destination>>,
        mut room: Room,
        cuts: bool,
    ) -> Unsettled<'a> {
        let number = self.config.next();
        let count = u32::try_from(deleted.len()).unwrap_or(u32::MAX);
        self.config.listed = self.config.listed.saturating_sub(count);
        for destination in deleted.iter() {
            destination.set_deleted(true);
            destination.leave(number);
            // Before the mutex is given back: what is to be cut does not come back.
            if cuts {
                destination.mark_cut();
            }
            self.config.draining.add(destination, &mut room);
        }
        self.config.stale_ports = true;
        self.changed(deleted)
    }

    /// Sends events about changed destinations at once, instead of with the periodic work.
    fn tell(&self, changed: &[Arc<Destination>]) {
        if self.config.listeners.are_present() {
            for destination in changed {
                event::look_at(self.ns, destination);
            }
        }
    }

    /// Sets the statistics of one service, or of all, to zero.
    pub(crate) fn zero(mut self, key: Option<&ServiceKey>) -> Result<(), Failure> {
        let zero = |configured: &Configured| {
            configured.service.stats.zero();
            for destination in configured.destinations.iter() {
                destination.stats.zero();
            }
        };
        match key {
            Some(key) => zero(self.configured(key)?),
            None => {
                let Config {
                    services, overall, ..
                } = &mut *self.config;
                services.iter().for_each(|configured| zero(configured));
                overall.zero(stats_of(services));
            }
        }
        Ok(())
    }

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
        self.config.check_destinations(state, range.ports.len())?;
        // One that was deleted and still has connections comes back with them, so that they are
        // counted: as the present service's, which it was before. One without any is as good as
        // new, but its events go on.
        let stats = configured.service.stats.clone();
        let has_events = self.config.listeners.are_present();
        let returns = |d: &Destination| {
            !d.is_cut()
                && Arc::ptr_eq(&d.service_stats, &stats)
                && (has_events || !d.counts.is_drained())
        };
        let mut all = copy_of(configured.destinations.iter())?;
        for key in range.keys() {
            let mut left = self.config.draining.at(*service, key);
            let destination = match left.find(|d| returns(d)) {
                Some(old) => old,
                None => Destination::new(&configured.service, &state.udp, key, settings)?,
            };
            all.push(destination, KEPT)?;
        }
        let planned = |d: &Destination| range.contains(d).then_some(settings.weight);
        // One that comes back still has the method that it was asked for last.
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
        self.config
            .add_ports(state, configured, steers, &all, private);
        self.config.stale_ports = true;
        let Config {
            services,
            listed,
            draining,
            retired,
            ..
        } = &mut *self.config;
        let configured = services.get_mut(index).ok_or(Refusal::NoService)?;
        for returned in all.iter().filter(|d| d.is_deleted()) {
            draining.remove(returned);
            returned.set(settings);
            returned.set_deleted(false);
        }
        configured.destinations = all;
        *listed = listed.saturating_add(range.ports.len());
        // First: a packet may come from a destination as soon as one is sent there.
        state.backends.replace(backends, retired);
        self.config.publish(index, pool);
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
        self.config
            .add_ports(self.ns.state(), configured, steers, all, private);
        self.config.stale_ports |= switches || edit.private == Some(false);
        let number = self.config.next();
        for destination in changed.iter() {
            // A packet that has just seen the old weight may be giving its connection there still.
            if weight == Some(0) && destination.weight() != 0 {
                destination.leave(number);
            }
            destination.set(edit.of(destination)?);
        }
        let is_seen = pool.is_none() && weight != Some(0);
        match pool {
            Some(pool) => self.config.publish(index, pool),
            None => self.configured(service)?.service.catch_up(),
        }
        if is_seen {
            self.tell(&changed);
            return Ok(self.added());
        }
        Ok(self.changed(changed))
    }

    /// Deletes destinations: all of them or none. Refused as [`Self::delete_service`] is.
    pub(crate) fn delete_destinations(
        mut self,
        service: &ServiceKey,
        range: &Range,
        cuts: bool,
    ) -> Result<Unsettled<'a>, Failure> {
        let state = self.ns.state();
        let index = self.config.position(service);
        let index = index.map_err(|_| Refusal::NoService)?;
        let configured = self.config.services.get(index).ok_or(Refusal::NoService)?;
        let deleted = range.of(&configured.destinations)?;
        check_cut(&deleted, cuts)?;
        let staying = configured.destinations.iter();
        let staying = copy_of(staying.filter(|d| !range.contains(d)))?;
        let steers = configured.would_steer(&configured.settings, staying.iter())?;
        let pool = pool_of(&configured.settings, steers, staying.iter(), |_| None)?;
        let backends = RcuBox::new(without_all(self.backends(), deleted.iter())?)?;
        let room = Room::new(deleted.len())?;

        let private = Destination::is_private;
        self.config
            .add_ports(state, configured, steers, &staying, private);
        state.backends.replace(backends, &mut self.config.retired);
        self.configured(service)?.destinations = staying;
        self.config.publish(index, pool);
        Ok(self.deleted(deleted, room, cuts))
    }
}

/// The statistics of each service.
fn stats_of(services: &[KBox<Configured>]) -> impl Iterator<Item = &Arc<Stats>> {
    services.iter().map(|configured| &configured.service.stats)
}

/// A list of the same destinations.
fn copy_of<'a>(
    destinations: impl Iterator<Item = &'a Arc<Destination>>,
) -> Result<KVVec<Arc<Destination>>, Failure> {
    let mut copy = KVVec::with_capacity(destinations.size_hint().0, KEPT)?;
    for destination in destinations {
        copy.push(destination.clone(), KEPT)?;
    }
    Ok(copy)
}

/// A pool of the destinations, boxed to be published. `planned` has the weight of each that is
/// to get another one.
fn pool_of<'a>(
    settings: &Settings,
    steers: bool,
    destinations: impl Iterator<Item = &'a Arc<Destination>>,
    planned: impl Fn(&Destination) -> Option<u16>,
) -> Result<NewPool, Failure> {
    let pool = Pool::new(settings, steers, copy_of(destinations)?, planned)?;
    Ok(RcuBox::new(pool)?)
}
