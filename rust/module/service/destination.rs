// SPDX-License-Identifier: GPL-2.0

//! A destination: its settings, its counts, and what packets and the periodic work find out.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};
use rlvs_core::{
    address::{Address, Endpoint, Ip, Protocol},
    config::{DestinationKey, Method, ServiceKey},
    connection::Counts,
    schedule::{slow_start, threshold::Thresholds},
    udp::Flows,
};
use rlvs_kext::{memory::KEPT, net::Net, rwonce::Once, sock::Listener, user::User};

use super::{
    marks::Mark, progress::DrainProgress, reported::Reported, shared::Shared,
    timeouts::TimeoutSettings,
};
use crate::{presence, primitives::Word, stats::Stats};

/// The settings of a destination.
#[derive(Clone, Copy)]
pub(crate) struct DestinationSettings {
    pub(crate) weight: u16,
    pub(crate) thresholds: Thresholds,
    /// Only services lead there from outside of the host.
    pub(crate) private: bool,
    /// The user whose socket has to listen there; `None` for any user's.
    pub(crate) user: Option<User>,
    /// The forwarding method that was asked for.
    pub(crate) method: Method,
}

/// A destination. Lives until it is deleted and its last connection is gone.
#[pin_data]
pub(crate) struct Destination {
    pub(crate) key: DestinationKey,
    /// Its service, which may have been deleted before it is gone.
    pub(crate) service_key: ServiceKey,
    /// The number of the forwarding method that was asked for. The one in use is the service's:
    /// `Service::steers`.
    /// Guarded by: atomic; written under the config mutex.
    method: Atomic<u32>,
    /// The last weight that was not 0, or 0.
    /// Guarded by: atomic; written under the config mutex.
    last_weight: Atomic<u32>,
    /// 0 to 65535.
    /// Guarded by: atomic; written under the config mutex.
    weight: Atomic<u32>,
    /// The thresholds of its connections. A packet between two writes may read one new and one old.
    /// Guarded by: atomic; written under the config mutex.
    upper: Atomic<u32>,
    /// Guarded by: atomic; written under the config mutex.
    lower: Atomic<u32>,
    /// At the upper threshold; cleared below the lower one (hysteresis).
    /// Guarded by: atomic; any packet, the last writer wins.
    full: Atomic<bool>,
    /// It is not the service's any more.
    /// Guarded by: atomic; written under the config mutex.
    deleted: Atomic<bool>,
    /// The number of the change since which it gets no new connections.
    /// Guarded by: atomic; written under the config mutex.
    left_by: Atomic<u64>,
    /// The last packet found no socket listening there, or there was no packet yet; and the second
    /// when one found a socket again. Only packets write these, for slow start.
    /// Guarded by: atomic; any packet, the last writer wins.
    not_listening: Atomic<bool>,
    /// Guarded by: atomic; any packet, the last writer wins.
    listens_since: Atomic<u32>,
    /// Hosts other than this one cannot connect straight to it.
    /// Guarded by: atomic; written under the config mutex.
    private: Atomic<bool>,
    /// The user whose socket has to listen there, [`User::NONE`] for any user's.
    /// Guarded by: atomic; written under the config mutex.
    user: Atomic<u32>,
    /// Its new connections are not recorded.
    /// Guarded by: atomic; written under the config mutex.
    uncounted: Atomic<bool>,
    /// Some connections of it may be unknown, as they were made while it was uncounted. Never
    /// unset.
    /// Guarded by: atomic; written under the config mutex.
    unknown: Atomic<bool>,
    /// How many templates lead to it.
    /// Guarded by: atomic; changed with the table of templates.
    templates: Atomic<u32>,
    /// How many of its connections have an entry, as their packets are rewritten.
    /// Guarded by: atomic; changed after the table of connections.
    entries: Atomic<u32>,
    /// How many connections it has, and its mark among the service's destinations.
    pub(crate) counts: Counts<Word, Mark>,
    /// What the periodic walks find of its connections while it drains.
    pub(crate) drain: DrainProgress,
    /// What was reported of it.
    pub(crate) reported: Reported,
    /// The destination was deleted, and its connections are to be ended. Never unset.
    /// Guarded by: atomic; set once, under the config mutex.
    abort: Atomic<bool>,
    #[pin]
    pub(crate) stats: Stats,
    /// Its service's; it belongs to one service all its life.
    pub(crate) service_stats: Arc<Stats>,
    /// Its service's.
    pub(crate) timeouts: Arc<TimeoutSettings>,
    /// Its namespace's.
    pub(crate) udp: Arc<Flows<Word>>,
}

impl Destination {
    /// Prepares a destination without connections, of the service of this key that shares `shared`;
    /// `udp` is the namespace's. May sleep.
    pub(crate) fn new(
        service_key: ServiceKey,
        shared: &Shared,
        udp: &Arc<Flows<Word>>,
        key: DestinationKey,
        settings: DestinationSettings,
    ) -> Result<Arc<Self>> {
        let weight = u32::from(settings.weight);
        Arc::pin_init(
            try_pin_init!(Self {
                key,
                service_key,
                method: Atomic::new(u32::from(settings.method.number())),
                last_weight: Atomic::new(weight),
                weight: Atomic::new(weight),
                upper: Atomic::new(settings.thresholds.upper()),
                lower: Atomic::new(settings.thresholds.lower()),
                full: Atomic::new(false),
                deleted: Atomic::new(false),
                left_by: Atomic::new(0),
                not_listening: Atomic::new(true),
                listens_since: Atomic::new(0),
                private: Atomic::new(settings.private),
                user: Atomic::new(settings.user.map_or(User::NONE, User::to_bits)),
                uncounted: Atomic::new(false),
                unknown: Atomic::new(false),
                templates: Atomic::new(0),
                entries: Atomic::new(0),
                counts: Counts::new(Mark::new(&shared.marks)),
                drain: DrainProgress::new(),
                reported: Reported::new(),
                abort: Atomic::new(false),
                stats <- Stats::new(),
                service_stats: shared.stats.clone(),
                timeouts: shared.timeouts.clone(),
                udp: udp.clone(),
            }? Error),
            KEPT,
        )
    }

    /// Returns the end of its process for a client that has sent to `service`: at that address, if
    /// the destination is on the wildcard one.
    pub(crate) fn end<A: Ip>(&self, service: A) -> Endpoint<A> {
        Endpoint {
            address: specific(self.key.address, service),
            port: self.key.port,
        }
    }

    /// Returns the end of its service for a client that it has answered from `own`.
    pub(crate) fn service_end<A: Ip>(&self, own: A) -> Endpoint<A> {
        Endpoint {
            address: specific(self.service_key.address, own),
            port: self.service_key.port,
        }
    }

    /// Returns whether its address is the host's at the moment, in a VRF or not; `None` for the
    /// wildcard. Any context but hard interrupt.
    pub(crate) fn is_here(&self, net: &Net) -> Option<bool> {
        let address = &self.key.address;
        presence::is_here(net, address, *address == self.service_key.address)
    }

    /// Returns the weight.
    pub(crate) fn weight(&self) -> u16 {
        u16::try_from(self.weight.read_once()).unwrap_or(u16::MAX)
    }

    /// Returns the thresholds of its connections.
    pub(crate) fn thresholds(&self) -> Thresholds {
        let (upper, lower) = (self.upper.read_once(), self.lower.read_once());
        Thresholds::new(upper, lower).unwrap_or_default()
    }

    /// Returns the last weight that was not 0; 0 if there was none.
    pub(super) fn last_weight(&self) -> u16 {
        u16::try_from(self.last_weight.read_once()).unwrap_or(u16::MAX)
    }

    /// Changes the settings. Must be called with the configuration's mutex held.
    pub(crate) fn set(&self, settings: DestinationSettings) {
        if settings.weight != 0 {
            self.last_weight.store(u32::from(settings.weight), Relaxed);
        }
        self.weight.store(u32::from(settings.weight), Relaxed);
        self.upper.store(settings.thresholds.upper(), Relaxed);
        self.lower.store(settings.thresholds.lower(), Relaxed);
        self.private.store(settings.private, Relaxed);
        let user = settings.user.map_or(User::NONE, User::to_bits);
        self.user.store(user, Relaxed);
        self.drain.forget();
        let method = u32::from(settings.method.number());
        self.method.store(method, Relaxed);
        self.counts.observer().set();
    }

    /// Returns the forwarding method that was asked for.
    pub(crate) fn method(&self) -> Method {
        let number = u8::try_from(self.method.read_once()).ok();
        number.and_then(Method::from_number).unwrap_or(Method::Auto)
    }

    /// Counts an entry, besides counting its connection. Any context.
    pub(crate) fn entry_made(&self) {
        self.entries.add(1, Relaxed);
    }

    /// Counts an entry less. Any context.
    pub(crate) fn entry_gone(&self) {
        self.entries.add(u32::MAX, Relaxed);
    }

    /// Returns `true` if it has connections whose packets are rewritten. `false` is final once the
    /// change is settled since which it gets no more of them.
    pub(crate) fn has_entries(&self) -> bool {
        self.entries.read_once() != 0
    }

    /// Returns `true` if it has as many connections as it may. Updates the flag, as a destination
    /// is full until the number is below the lower threshold: must be called after each new
    /// connection and before each choice.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        if self.upper.read_once() == 0 {
            return false;
        }
        let was = self.full.read_once();
        let is = self.thresholds().is_full(was, self.counts.connections());
        if is != was {
            self.full.store(is, Relaxed);
        }
        is
    }

    /// Returns `true` if it may get new connections: it is neither quiesced nor full.
    pub(crate) fn takes_new(&self) -> bool {
        self.weight() != 0 && !self.is_full()
    }

    /// Notes whether its process listens, at the second `now`. Any context.
    #[inline]
    pub(crate) fn note_listening(&self, listens: bool, now: u32) {
        let was_not = self.not_listening.read_once();
        if was_not == listens {
            if listens {
                self.listens_since.store(now, Relaxed);
            }
            self.not_listening.store(!listens, Relaxed);
        }
    }

    /// Returns for how many seconds its process has listened at the second `now`, as far as packets
    /// have found out.
    pub(crate) fn age(&self, now: u32) -> u32 {
        slow_start::age(self.listens_since.read_once(), now)
    }

    /// Returns `true` if the last packet found a socket listening.
    pub(super) fn was_listening(&self) -> bool {
        !self.not_listening.read_once()
    }

    /// Returns `true` if other hosts cannot connect straight to it.
    #[inline]
    pub(crate) fn is_private(&self) -> bool {
        self.private.read_once()
    }

    /// Returns the user whose socket has to listen there; `None` for any user's.
    pub(crate) fn user(&self) -> Option<User> {
        User::from_bits(self.user.read_once())
    }

    /// Returns `true` if `found` may be the destination's socket: it is of the user that was
    /// configured, if one was.
    #[inline]
    pub(crate) fn is_meant(&self, found: &Listener) -> bool {
        self.user().is_none_or(|user| found.user == Some(user))
    }

    /// Sets whether its new connections are not recorded. Must be called with the configuration's
    /// mutex held.
    pub(super) fn set_uncounted(&self, uncounted: bool) {
        // Called for each destination of the service: packets read it, so most are not written.
        if self.is_uncounted() != uncounted {
            self.uncounted.store(uncounted, Relaxed);
        }
        if uncounted {
            self.unknown.store(true, Relaxed);
        }
    }

    /// Returns `true` if its new connections are not recorded.
    pub(crate) fn is_uncounted(&self) -> bool {
        self.uncounted.read_once()
    }

    /// Returns `true` if it may have connections that are not recorded, whose end cannot be known.
    pub(crate) fn has_unknown(&self) -> bool {
        self.unknown.read_once()
    }

    /// Returns `true` if it was deleted, and not added again.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.read_once()
    }

    /// Sets whether it is deleted. Must be called with the configuration's mutex held.
    pub(crate) fn set_deleted(&self, deleted: bool) {
        self.deleted.store(deleted, Relaxed);
        self.drain.forget();
    }

    /// Notes that it gets no new connections since the change of this number. Must be called with
    /// the configuration's mutex held.
    pub(crate) fn leave(&self, number: u64) {
        self.left_by.store(number, Relaxed);
    }

    /// Returns the number of the change since which it gets no new connections, if it gets none:
    /// once that is settled its counts only fall.
    pub(crate) fn left_by(&self) -> u64 {
        self.left_by.load(Relaxed)
    }

    /// Returns how many templates lead to it.
    pub(crate) fn templates(&self) -> u32 {
        self.templates.read_once()
    }

    /// Counts a template that leads to it.
    pub(crate) fn template_made(&self) {
        self.templates.add(1, Relaxed);
        if self.service_key.protocol == Protocol::Udp {
            self.udp.template_made();
        }
    }

    /// Counts a template less. Any context.
    pub(crate) fn template_gone(&self) {
        self.templates.add(u32::MAX, Relaxed);
        if self.service_key.protocol == Protocol::Udp {
            self.udp.template_gone();
        }
    }

    /// Marks a deleted destination for [`crate::change::abort::Abort`].
    pub(crate) fn mark_abort(&self) {
        self.abort.store(true, Relaxed);
    }

    /// Returns `true` if its connections are to be ended.
    pub(crate) fn must_abort(&self) -> bool {
        self.abort.read_once()
    }
}

/// Returns the configured address, or the one that a packet has if that is the wildcard.
fn specific<A: Ip>(configured: Address, used: A) -> A {
    match A::from_address(configured) {
        Some(address) if !address.is_unspecified() => address,
        _ => used,
    }
}
