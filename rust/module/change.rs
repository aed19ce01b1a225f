// SPDX-License-Identifier: GPL-2.0

//! Changes of the configuration: what a request does to it, from either netlink family.
//!
//! A change first allocates everything that it needs, so that it fails before anything is visible,
//! then publishes it for the next packet. It does not wait for packets that are under way:
//! [`Unsettled`] does.

use kernel::{
    prelude::*,
    sync::{
        lock::{mutex::MutexBackend, Guard},
        rcu, Arc,
    },
};
use rlvs_core::{config::ServiceKey, refusal::Refusal};
use rlvs_kext::{
    netns::Handle,
    rcu::{Pace, Retired},
};

use crate::{
    config::{settled::NOTHING, Config, Configured},
    event,
    service::{
        map::{Backends, Services},
        Destination,
    },
    state::State,
};
use edit::Failure;

pub(crate) mod abort;
mod destination;
pub(crate) mod edit;
pub(crate) mod local;
mod publish;
mod service;

/// How many values that were replaced may wait to be freed. The request that adds the last one
/// frees them all, so that a stream of changes takes no more memory than that.
const MOST_RETIRED: usize = 512;

/// A change of a namespace's configuration: holds its mutex. Process context; every change sleeps.
pub(crate) struct Transaction<'a> {
    ns: &'a Handle<'a, State>,
    config: Guard<'a, Config, MutexBackend>,
}

impl<'a> Transaction<'a> {
    /// Locks the configuration. May sleep.
    pub(crate) fn begin(ns: &'a Handle<'a, State>) -> Self {
        Self {
            ns,
            config: ns.state().config.lock(),
        }
    }

    /// Returns the service of the key.
    pub(crate) fn find(&self, key: &ServiceKey) -> Option<&Configured> {
        self.config.find(key)
    }

    /// Returns the services as they are published, to be changed and published again.
    pub(super) fn services(&self) -> Services {
        self.ns.state().services.read(&rcu::read_lock()).clone()
    }

    /// Returns the destinations by their ends as they are published, to be changed and published
    /// again.
    fn backends(&self) -> Backends {
        self.ns.state().backends.read(&rcu::read_lock()).clone()
    }

    /// Marks the change of this number as settled, after a grace period, and sends the events of
    /// the destinations that it has changed.
    fn settled(self, number: u64, changed: &[Arc<Destination>]) {
        self.ns.state().settled.set(number);
        self.report(changed);
    }

    /// Returns all changes that are not settled, with all that was replaced; `None` if all are.
    pub(crate) fn unsettled(mut self) -> Option<Unsettled<'a>> {
        if self.config.is_settled(&self.ns.state().settled) {
            return None;
        }
        Some(Unsettled {
            ns: self.ns,
            number: self.config.published,
            destinations: KVVec::new(),
            retired: core::mem::take(&mut self.config.retired),
        })
    }

    /// Ends a change that only added something: no packet has to be waited for.
    fn added(self) -> Unsettled<'a> {
        self.made(NOTHING, KVVec::new())
    }

    /// Ends a change of these destinations: packets under way may go by what was before.
    fn changed(self, destinations: KVVec<Arc<Destination>>) -> Unsettled<'a> {
        self.report(&destinations);
        let number = self.config.next();
        self.made(number, destinations)
    }

    /// Ends a change. `number` is that of the change which its request may wait for.
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

    /// Returns the service of the key, to be changed.
    fn configured(&mut self, key: &ServiceKey) -> Result<&mut Configured, Failure> {
        let index = self.config.position(key).map_err(|_| Refusal::NoService)?;
        let found = self.config.services.get_mut(index);
        Ok(&mut **found.ok_or(Refusal::NoService)?)
    }

    /// Sends events about changed destinations at once, instead of with the periodic work.
    fn report(&self, changed: &[Arc<Destination>]) {
        if self.config.listeners.are_present() {
            for destination in changed {
                event::report_changes(self.ns, destination);
            }
        }
    }
}

/// A change that was made and is not settled.
#[must_use = "a change is settled, or left to the periodic work"]
pub(crate) struct Unsettled<'a> {
    ns: &'a Handle<'a, State>,
    number: u64,
    /// The destinations that were changed.
    destinations: KVVec<Arc<Destination>>,
    /// What was replaced and is to be freed with this value.
    retired: Retired,
}

impl Unsettled<'_> {
    /// Leaves the change to the periodic work. Process context, without the configuration's mutex;
    /// sleeps only when much is to be freed.
    pub(crate) fn leave(self) {
        if !self.retired.is_empty() {
            self.retired.free(self.ns, Pace::Hurried);
        }
    }

    /// Waits until no packet goes by what was before, and sends the events of its destinations.
    /// Process context, without the configuration's mutex; sleeps for a grace period, if there is
    /// anything to wait for.
    pub(crate) fn settle(self, pace: Pace) {
        if self.number == NOTHING {
            return self.leave();
        }
        self.retired.free(self.ns, pace);
        Transaction::begin(self.ns).settled(self.number, &self.destinations);
    }
}
