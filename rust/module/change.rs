// SPDX-License-Identifier: GPL-2.0

//! Transaction of the configuration: what a request does to it, whichever netlink family it came by.
//!
//! A change first makes everything it needs, so that it fails before anything is visible, then
//! publishes it for the next packet. It does not wait for packets that are under way: what has to is
//! [`Unsettled`].

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

/// So many values that were replaced may wait to be freed. The request that leaves the last of them
/// frees them all, so that changes without end take no more memory than that.
const MOST_RETIRED: usize = 512;

/// The right to change a namespace's configuration. Process context; every change sleeps.
pub(crate) struct Transaction<'a> {
    ns: &'a Handle<'a, State>,
    config: Guard<'a, Config, MutexBackend>,
}

impl<'a> Transaction<'a> {
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

    /// What packets look services up in, as it is now.
    pub(super) fn services(&self) -> Services {
        self.ns.state().services.read(&rcu::read_lock()).clone()
    }

    /// What answers without an entry are looked up in, as it is now.
    fn backends(&self) -> Backends {
        self.ns.state().backends.read(&rcu::read_lock()).clone()
    }

    /// A grace period has passed after the change of this number; sends the events of the
    /// destinations that it has changed.
    fn settled(self, number: u64, changed: &[Arc<Destination>]) {
        self.ns.state().settled.set(number);
        self.report(changed);
    }

    /// All changes that were made so far, if they are not settled, with all that was replaced.
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

    /// The change was made, and no packet has to be waited for.
    fn added(self) -> Unsettled<'a> {
        self.made(NOTHING, KVVec::new())
    }

    /// The change was made: packets under way may go by what was before, of these destinations too.
    fn changed(self, destinations: KVVec<Arc<Destination>>) -> Unsettled<'a> {
        self.report(&destinations);
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
