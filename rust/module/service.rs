// SPDX-License-Identifier: GPL-2.0

//! Virtual services and destinations, as packets see them.
//!
//! What packets read is never changed in place: a change makes new [`Services`], [`Backends`] or a
//! new [`Pool`] and publishes it under RCU. The counts and the weight in a [`Destination`] are
//! atomics. The configuration that the changes start from is [`crate::config`]'s.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu::{self, Guard},
        Arc,
    },
};
use rlvs_core::{
    address::{Address, Endpoint, Ip, Protocol},
    config::{backends, DestinationKey, Method, ServiceKey},
    connection::Counts,
    heard::{Heard, Sample, MANY},
    persistence::Persistence,
    refusal::Refusal,
    schedule::{
        choice::Tried,
        flags::Flags,
        slow_start::{self, SlowStart},
        threshold::Thresholds,
        Destinations, Exclusive, Kind, Memory, Progress, Request, Scheduler, Settings, Shared,
    },
    tree::{Share, Tree},
    udp::Flows,
};
use rlvs_kext::{
    bh::{with_bh_disabled, LocalBhDisabled, SpinLockBh},
    memory::KEPT,
    net::Listener,
    new_spinlock_bh,
    rcu::{Rcu, RcuBox, Retired},
    rwonce::Once,
    user::User,
};

use crate::{
    drain::Held,
    event::Notes,
    primitives::Word,
    service::{
        marks::{Changes, Mark, Marked},
        timeouts::Tuned,
    },
    stats::Stats,
    table::unanswered::Refusers,
};

pub(crate) mod marks;
pub(crate) mod timeouts;

/// What can be set of a destination.
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
    /// The number of the forwarding method that was asked for; written under the configuration's
    /// mutex. What is in use is the service's: [`Service::steers`].
    method: Atomic<u32>,
    /// The last weight that was not 0, or 0; written under the configuration's mutex.
    last_weight: Atomic<u32>,
    /// 0 to 65535; written under the configuration's mutex.
    weight: Atomic<u32>,
    /// The bounds on its connections; written under the configuration's mutex. A packet between
    /// two writes may see one new and one old.
    upper: Atomic<u32>,
    lower: Atomic<u32>,
    /// It had as many connections as the upper bound says, and not yet less than the lower one.
    full: Atomic<bool>,
    /// It is not the service's any more; written under the configuration's mutex.
    deleted: Atomic<bool>,
    /// The number of the change since which it is given no new connections; written under the
    /// configuration's mutex.
    left_by: Atomic<u64>,
    /// The last packet found nobody listening at its process's port, or there was none yet; and the
    /// second when one found somebody again. Only packets write these, for slow start.
    deaf: Atomic<bool>,
    listens_since: Atomic<u32>,
    /// Nobody outside of the host may connect straight to it; written under the configuration's
    /// mutex.
    private: Atomic<bool>,
    /// The user whose socket has to listen there, [`User::NONE`] for any user's; written under the
    /// configuration's mutex.
    user: Atomic<u32>,
    /// Its new connections are not recorded; written under the configuration's mutex.
    uncounted: Atomic<bool>,
    /// Some connections of it may be unknown, as they were made while it was uncounted. Never unset.
    unknown: Atomic<bool>,
    /// How many templates lead to it.
    templates: Atomic<u32>,
    /// How many of its connections have an entry, as their packets are rewritten.
    entries: Atomic<u32>,
    /// How many connections it has, and its mark among the service's destinations.
    pub(crate) counts: Counts<Word, Mark>,
    /// What the periodic work finds of its connections while it drains.
    pub(crate) held: Held,
    /// What is told of it.
    pub(crate) notes: Notes,
    /// The destination was deleted, and its connections are to be ended. Never unset.
    cut: Atomic<bool>,
    #[pin]
    pub(crate) stats: Stats,
    /// The service's; a destination belongs to one service.
    pub(crate) service_stats: Arc<Stats>,
    /// The service's.
    pub(crate) timeouts: Arc<Tuned>,
    /// The namespace's.
    pub(crate) udp: Arc<Flows<Word>>,
}

impl Destination {
    /// Prepares a destination of `service` without connections; `udp` is the namespace's. May sleep.
    pub(crate) fn new(
        service: &Service,
        udp: &Arc<Flows<Word>>,
        key: DestinationKey,
        settings: DestinationSettings,
    ) -> Result<Arc<Self>> {
        let weight = u32::from(settings.weight);
        Arc::pin_init(
            try_pin_init!(Self {
                key,
                service_key: service.key,
                method: Atomic::new(u32::from(settings.method.number())),
                last_weight: Atomic::new(weight),
                weight: Atomic::new(weight),
                upper: Atomic::new(settings.thresholds.upper()),
                lower: Atomic::new(settings.thresholds.lower()),
                full: Atomic::new(false),
                deleted: Atomic::new(false),
                left_by: Atomic::new(0),
                deaf: Atomic::new(true),
                listens_since: Atomic::new(0),
                private: Atomic::new(settings.private),
                user: Atomic::new(settings.user.map_or(User::NONE, User::to_bits)),
                uncounted: Atomic::new(false),
                unknown: Atomic::new(false),
                templates: Atomic::new(0),
                entries: Atomic::new(0),
                counts: Counts::new(Mark::new(&service.changes)),
                held: Held::new(),
                notes: Notes::new(),
                cut: Atomic::new(false),
                stats <- Stats::new(),
                service_stats: service.stats.clone(),
                timeouts: service.timeouts.clone(),
                udp: udp.clone(),
            }? Error),
            KEPT,
        )
    }

    /// Where its process is, for a client that has sent to `service`: on that address, if the
    /// destination is on the wildcard one.
    pub(crate) fn end<A: Ip>(&self, service: A) -> Endpoint<A> {
        Endpoint {
            address: specific(self.key.address, service),
            port: self.key.port,
        }
    }

    /// Where its service is, for a client that it has answered from `own`.
    pub(crate) fn service_end<A: Ip>(&self, own: A) -> Endpoint<A> {
        Endpoint {
            address: specific(self.service_key.address, own),
            port: self.service_key.port,
        }
    }

    /// The weight.
    pub(crate) fn weight(&self) -> u16 {
        u16::try_from(self.weight.read_once()).unwrap_or(u16::MAX)
    }

    /// The bounds on its connections.
    pub(crate) fn thresholds(&self) -> Thresholds {
        let (upper, lower) = (self.upper.read_once(), self.lower.read_once());
        Thresholds::new(upper, lower).unwrap_or_default()
    }

    /// The last weight that was not 0; 0 if there was none.
    fn last_weight(&self) -> u16 {
        u16::try_from(self.last_weight.read_once()).unwrap_or(u16::MAX)
    }

    /// Changes what can be changed. Under the configuration's mutex.
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
        self.held.forget();
        let method = u32::from(settings.method.number());
        self.method.store(method, Relaxed);
        self.counts.observer().set();
    }

    /// The forwarding method that was asked for.
    pub(crate) fn method(&self) -> Method {
        let number = u8::try_from(self.method.read_once()).ok();
        number.and_then(Method::from_number).unwrap_or(Method::Auto)
    }

    /// Counts an entry, besides counting its connection.
    pub(crate) fn entry_made(&self) {
        self.entries.add(1, Relaxed);
    }

    /// Counts one less.
    pub(crate) fn entry_gone(&self) {
        self.entries.add(u32::MAX, Relaxed);
    }

    /// Whether it has connections whose packets are rewritten. Final once it is false and the change
    /// is settled since which it gets no more of them.
    pub(crate) fn has_entries(&self) -> bool {
        self.entries.read_once() != 0
    }

    /// Whether it has as many connections as it may. Remembers the answer, as it is full until the
    /// number is below the lower bound: it must be asked after each new connection and before each
    /// choice.
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

    /// Whether it may get new connections: it is neither quiesced nor full.
    pub(crate) fn takes_new(&self) -> bool {
        self.weight() != 0 && !self.is_full()
    }

    /// Remembers whether its process listens, at the second `now`.
    #[inline]
    pub(crate) fn hear(&self, listens: bool, now: u32) {
        let was_deaf = self.deaf.read_once();
        if was_deaf == listens {
            if listens {
                self.listens_since.store(now, Relaxed);
            }
            self.deaf.store(!listens, Relaxed);
        }
    }

    /// For how many seconds its process has listened at the second `now`, as far as packets have
    /// found out.
    pub(crate) fn age(&self, now: u32) -> u32 {
        slow_start::age(self.listens_since.read_once(), now)
    }

    /// Whether the last packet found somebody listening.
    fn was_heard(&self) -> bool {
        !self.deaf.read_once()
    }

    /// Whether nobody outside of the host may connect straight to it.
    #[inline]
    pub(crate) fn is_private(&self) -> bool {
        self.private.read_once()
    }

    /// The user whose socket has to listen there; `None` for any user's.
    pub(crate) fn user(&self) -> Option<User> {
        User::from_bits(self.user.read_once())
    }

    /// Returns `true` if what has been found to listen there is meant to: a socket of the user that
    /// was named, if one was.
    #[inline]
    pub(crate) fn is_meant(&self, found: &Listener) -> bool {
        self.user().is_none_or(|user| found.user == Some(user))
    }

    /// Says whether its new connections are not recorded. Under the configuration's mutex.
    fn set_uncounted(&self, uncounted: bool) {
        // A request says this of each destination of the service: most of them are as they were.
        if self.is_uncounted() != uncounted {
            self.uncounted.store(uncounted, Relaxed);
        }
        if uncounted {
            self.unknown.store(true, Relaxed);
        }
    }

    /// Whether its new connections are not recorded.
    pub(crate) fn is_uncounted(&self) -> bool {
        self.uncounted.read_once()
    }

    /// Whether it may have connections that are not recorded, of which nobody knows when they end.
    pub(crate) fn has_unknown(&self) -> bool {
        self.unknown.read_once()
    }

    /// Whether it was deleted, and did not come back.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.read_once()
    }

    /// Says whether it is deleted. Under the configuration's mutex.
    pub(crate) fn set_deleted(&self, deleted: bool) {
        self.deleted.store(deleted, Relaxed);
        self.held.forget();
    }

    /// Says that it is given no new connections since the change of this number. Under the
    /// configuration's mutex.
    pub(crate) fn leave(&self, number: u64) {
        self.left_by.store(number, Relaxed);
    }

    /// The number of the change since which it is given no new connections, if it is given none:
    /// once that is settled, what it is counted to have is final.
    pub(crate) fn left_by(&self) -> u64 {
        self.left_by.load(Relaxed)
    }

    /// How many templates lead to it.
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

    /// Counts one less.
    pub(crate) fn template_gone(&self) {
        self.templates.add(u32::MAX, Relaxed);
        if self.service_key.protocol == Protocol::Udp {
            self.udp.template_gone();
        }
    }

    /// Marks a deleted destination for [`crate::change::abort::Cut`].
    pub(crate) fn mark_cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Whether its connections are to be ended.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.read_once()
    }
}

/// The configured address, or the one that a packet has if that is the wildcard.
fn specific<A: Ip>(configured: Address, used: A) -> A {
    match A::from_address(configured) {
        Some(address) if !address.is_unspecified() => address,
        _ => used,
    }
}

/// The kernel's memory, for schedulers and trees.
pub(crate) struct KernelMemory;

impl Share for KernelMemory {
    type Shared<T> = Arc<T>;

    fn share<T>(value: T) -> Option<Arc<T>> {
        Arc::new(value, KEPT).ok()
    }
}

impl Memory for KernelMemory {
    type Slice<T: Copy> = KVVec<T>;

    fn filled<T: Copy>(value: T, len: usize) -> Option<KVVec<T>> {
        KVVec::from_elem(value, len, KEPT).ok()
    }
}

/// How often a scheduler is made to look at what is marked, besides once for each [`MANY`] destinations:
/// for marks that are none of them.
const MOST_LOOKS: usize = 8;

/// A service's destinations and the scheduler that picks from them.
#[pin_data]
pub(crate) struct Pool {
    destinations: KVVec<Arc<Destination>>,
    flags: Flags,
    persistence: Persistence,
    slow_start: SlowStart,
    is_random: bool,
    /// Each choice of the scheduler takes a turn.
    takes_turns: bool,
    /// See [`Settings::may_give_up`].
    may_give_up: bool,
    /// Of more than [`MANY`] destinations: some that listen.
    heard: Option<KBox<Heard<Word>>>,
    /// New connections are steered.
    steers: bool,
    /// The scheduler, if it needs no lock.
    shared: Option<Shared<KernelMemory>>,
    /// For the scheduler under the lock: the destinations by their marks.
    marked: Option<Marked>,
    /// The scheduler, if it remembers anything. Softirq picks as well: under a lock that needs
    /// bottom halves off.
    #[pin]
    exclusive: SpinLockBh<Option<Exclusive<KernelMemory>>>,
}

/// Destinations as a scheduler sees them.
struct Candidates<'a, W, T, Q> {
    destinations: &'a [Arc<Destination>],
    /// The weight that a destination is about to get, if it is to get another one.
    planned: W,
    tried: T,
    /// See [`Destinations::queue`].
    queue: Q,
    marked: Option<&'a Marked>,
}

/// Nothing waits anywhere: for those who do not ask.
fn no_queue(_: &Destination) -> Option<u32> {
    Some(0)
}

impl<W, T, Q> Candidates<'_, W, T, Q>
where
    W: Fn(&Destination) -> Option<u16>,
{
    fn get(&self, index: usize) -> Option<&Destination> {
        self.destinations
            .get(index)
            .map(|destination| &**destination)
    }
}

impl<W, T, Q> Destinations for Candidates<'_, W, T, Q>
where
    W: Fn(&Destination) -> Option<u16>,
    T: Fn(usize) -> bool,
    Q: Fn(&Destination) -> Option<u32>,
{
    fn len(&self) -> usize {
        self.destinations.len()
    }

    fn id(&self, index: usize) -> u32 {
        self.get(index).map_or(0, |d| d.counts.observer().number())
    }

    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>> {
        self.get(index).map(|destination| Endpoint {
            address: destination.key.address,
            port: destination.key.port,
        })
    }

    fn weight(&self, index: usize) -> u16 {
        self.get(index)
            .map_or(0, |d| (self.planned)(d).unwrap_or_else(|| d.weight()))
    }

    fn last_weight(&self, index: usize) -> u16 {
        self.get(index).map_or(0, |d| {
            let planned = (self.planned)(d).filter(|weight| *weight != 0);
            planned.unwrap_or_else(|| d.last_weight())
        })
    }

    fn active(&self, index: usize) -> u32 {
        self.get(index).map_or(0, |d| d.counts.active())
    }

    fn inactive(&self, index: usize) -> u32 {
        self.get(index).map_or(0, |d| d.counts.inactive())
    }

    fn full(&self, index: usize) -> bool {
        self.get(index).is_some_and(Destination::is_full)
    }

    fn queue(&self, index: usize) -> Option<u32> {
        self.get(index).and_then(|d| (self.queue)(d))
    }

    fn tried(&self, index: usize) -> bool {
        (self.tried)(index)
    }

    fn take_changed(&self, each: impl FnMut(usize)) {
        if let Some(marked) = self.marked {
            marked.take(each);
        }
    }
}

impl Pool {
    /// A pool of the destinations, with a scheduler that has chosen nothing yet. May sleep.
    ///
    /// `steers` says that new connections are steered; `planned` tells the weight of each destination
    /// that is to get another one as soon as the pool is published.
    pub(crate) fn new(
        settings: &Settings,
        steers: bool,
        destinations: KVVec<Arc<Destination>>,
        planned: impl Fn(&Destination) -> Option<u16>,
    ) -> Result<Pin<KBox<Self>>, Refusal> {
        let candidates = Candidates {
            destinations: &destinations,
            planned,
            tried: |_| false,
            queue: no_queue,
            marked: None,
        };
        let (shared, exclusive) = match Scheduler::new(settings, &candidates)? {
            Scheduler::Shared(shared) => (Some(shared), None),
            Scheduler::Exclusive(exclusive) => (None, Some(exclusive)),
        };
        let heard = match destinations.len() {
            0..=MANY => None,
            _ => Some(KBox::new(Heard::new(), GFP_KERNEL).map_err(|_| Refusal::NoMemory)?),
        };
        if let Some(heard) = &heard {
            let known = destinations.iter().enumerate();
            let known = known.filter(|(_, d)| d.was_heard() && d.takes_new());
            known.for_each(|(index, _)| heard.add(index));
        }
        let mark = |index: usize| Some(destinations.get(index)?.counts.observer());
        let marked = match exclusive {
            Some(_) => Marked::new(destinations.len(), mark)?,
            None => None,
        };
        KBox::pin_init(
            try_pin_init!(Self {
                destinations,
                flags: settings.flags,
                persistence: settings.persistence,
                slow_start: settings.slow_start,
                is_random: settings.kind.is_random(),
                takes_turns: matches!(settings.kind, Kind::Rr | Kind::Wrr),
                may_give_up: settings.may_give_up(),
                heard,
                steers,
                shared,
                marked,
                exclusive <- new_spinlock_bh!(exclusive, "rlvs_picker"),
            }? Error),
            KEPT,
        )
        // Nothing else in it fails.
        .map_err(|_| Refusal::NoMemory)
    }

    /// The service's flags.
    #[inline]
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// The service's persistence.
    #[inline]
    pub(crate) fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// The service's slow start.
    #[inline]
    pub(crate) fn slow_start(&self) -> SlowStart {
        self.slow_start
    }

    /// The age of the process that has listened longest at the second `now`, of those that may get
    /// new connections; 0 if none does. Looks at all of them; of more than [`MANY`] at a sample, in which
    /// there are some that listen.
    pub(crate) fn oldest(&self, now: u32, random: u32) -> u32 {
        let heard = self
            .sample(random)
            .filter(|destination| destination.was_heard() && destination.takes_new());
        let ages = heard.map(|destination| destination.age(now));
        ages.max().unwrap_or(0)
    }

    /// All destinations, or a constant number of them, from a random one on.
    fn sample(&self, random: u32) -> impl Iterator<Item = &Arc<Destination>> {
        let indices = Sample::new(self.len(), random).indices(|place| self.heard(place));
        indices.filter_map(|index| self.get(index))
    }

    /// Of more than [`MANY`] destinations, one that was found listening lately, for each place below
    /// that: see [`Heard`].
    pub(crate) fn heard(&self, place: usize) -> Option<usize> {
        self.heard.as_ref()?.get(place)
    }

    /// Remembers whether one of more than [`MANY`] destinations listens.
    #[inline]
    pub(crate) fn hear(&self, index: usize, listens: bool) {
        match &self.heard {
            Some(heard) if listens => heard.add(index),
            Some(heard) => heard.remove(index),
            None => {}
        }
    }

    /// Has the periodic work look which destinations listen: a packet did not ask all.
    pub(crate) fn look_for_listeners(&self) {
        if let Some(heard) = &self.heard {
            heard.want();
        }
    }

    /// Whether the periodic work has to look which destinations listen; not any more after this.
    pub(crate) fn wants_listeners(&self) -> bool {
        self.heard.as_ref().is_some_and(|heard| heard.is_wanted())
    }

    /// Whether the scheduler may pick none although there is a destination: see
    /// [`Settings::may_give_up`].
    pub(crate) fn may_give_up(&self) -> bool {
        self.may_give_up
    }

    /// Whether a choice takes random numbers: [`Request::random`].
    pub(crate) fn is_random(&self) -> bool {
        self.is_random
    }

    /// Whether new connections are steered.
    #[inline]
    pub(crate) fn steers(&self) -> bool {
        self.steers
    }

    /// Whether new connections are steered and not recorded.
    #[inline]
    pub(crate) fn is_uncounted(&self) -> bool {
        self.steers && self.flags.has(Flags::UNCOUNTED)
    }

    /// Whether each choice is one's turn, which another choice would take from it.
    pub(crate) fn takes_turns(&self) -> bool {
        self.takes_turns
    }

    /// Has the scheduler go on where that of the service's last pool is, and look at all destinations,
    /// before any packet does. One step for each destination, but with bottom halves off, and the old
    /// pool's lock held, a constant number of them at a time. Process context.
    fn inherit(&self, old: &Self) {
        // One lock at a time: they are of the same class.
        let taken = with_bh_disabled(|bh| self.exclusive.lock_with(bh).take());
        let Some(mut scheduler) = taken else {
            return;
        };
        scheduler.begin_to_inherit();
        let mut progress = Progress::default();
        let mut part = || {
            with_bh_disabled(|bh| match old.exclusive.lock_with(bh).as_ref() {
                Some(of_old) => {
                    scheduler.inherit_part(of_old, &old.all(), &self.all(), &mut progress)
                }
                None => false,
            })
        };
        while part() {}
        scheduler.end_inheriting(&self.all());
        with_bh_disabled(|bh| *self.exclusive.lock_with(bh) = Some(scheduler));
    }

    /// Has the scheduler look at all destinations that are marked, a constant number at a time, so that
    /// packets need not. Process context.
    fn catch_up(&self) {
        let Some(marked) = &self.marked else {
            return;
        };
        // Packets go on marking.
        let most = self.len().checked_div(MANY).unwrap_or(0);
        for _ in 0..most.saturating_add(MOST_LOOKS) {
            if !marked.is_behind() {
                return;
            }
            let all = self.all_by(Some(marked));
            with_bh_disabled(|bh| {
                if let Some(scheduler) = self.exclusive.lock_with(bh).as_mut() {
                    scheduler.look(&all);
                }
            });
        }
    }

    /// All destinations, of which no packet has tried any.
    fn all(&self) -> impl Destinations + '_ {
        self.all_by(None)
    }

    /// All destinations, of which no packet has tried any, with their marks.
    fn all_by<'a>(&'a self, marked: Option<&'a Marked>) -> impl Destinations + 'a {
        Candidates {
            destinations: &self.destinations,
            planned: |_: &Destination| None,
            tried: |_| false,
            queue: no_queue,
            marked,
        }
    }

    /// How many destinations there are.
    pub(crate) fn len(&self) -> usize {
        self.destinations.len()
    }

    /// A destination by its number.
    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Destination>> {
        self.destinations.get(index)
    }

    /// Whether a destination takes new connections that has not refused this one. Looks at all of
    /// them, of more than [`MANY`] at a sample; which one the scheduler has for the connection, if any,
    /// the result does not show.
    pub(crate) fn has_another(&self, refusers: &Refusers, random: u32) -> bool {
        self.sample(random)
            .any(|destination| destination.takes_new() && !refusers.contains(destination))
    }

    /// The number of a destination that was not tried, or none when there is none left for the
    /// request. `queue` tells what waits at a destination: [`Destinations::queue`].
    pub(crate) fn pick(
        &self,
        request: &Request,
        tried: &Tried,
        queue: impl Fn(&Destination) -> Option<u32>,
        bh: &LocalBhDisabled,
    ) -> Option<usize> {
        let candidates = Candidates {
            destinations: &self.destinations,
            planned: |_: &Destination| None,
            tried: |index| tried.contains(index),
            queue,
            marked: self.marked.as_ref(),
        };
        match &self.shared {
            Some(scheduler) => scheduler.pick(&candidates, request),
            None => {
                let mut scheduler = self.exclusive.lock_with(bh);
                scheduler.as_mut()?.pick(&candidates, request)
            }
        }
    }
}

/// A pool that is about to be published.
pub(crate) type NewPool = RcuBox<Pin<KBox<Pool>>>;

/// A virtual service.
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) stats: Arc<Stats>,
    /// The timeouts that were set for the service.
    pub(crate) timeouts: Arc<Tuned>,
    /// Which of its destinations have changed.
    changes: Arc<Changes>,
    /// A packet that has not been rewritten before it was routed is to be steered. Unlike what the
    /// pool says this changes back only when no packet is left that was not rewritten because of
    /// it, up to a second later. Written under the configuration's mutex.
    steers: Atomic<bool>,
    pool: Rcu<Pin<KBox<Pool>>>,
}

impl Service {
    /// A service that has this pool, which is empty. May sleep.
    ///
    /// `left` is a destination of a deleted service of the same key: its connections count, and
    /// expire, by what the two services then share, so that it can come back with them.
    pub(crate) fn new(
        key: ServiceKey,
        pool: NewPool,
        left: Option<&Arc<Destination>>,
    ) -> Result<Arc<Self>> {
        let (stats, timeouts, changes) = match left {
            Some(left) => (
                left.service_stats.clone(),
                left.timeouts.clone(),
                left.counts.observer().changes().clone(),
            ),
            None => (
                Arc::pin_init(Stats::new(), KEPT)?,
                Arc::new(Tuned::new(), KEPT)?,
                Changes::new()?,
            ),
        };
        Ok(Arc::new(
            Self {
                key,
                stats,
                timeouts,
                changes,
                steers: Atomic::new(pool.steers),
                pool: Rcu::new(pool),
            },
            KEPT,
        )?)
    }

    /// The destinations of the moment.
    #[inline]
    pub(crate) fn pool<'a>(&'a self, guard: &'a Guard) -> &'a Pool {
        self.pool.read(guard)
    }

    /// Publishes another pool, whose scheduler goes on where the old one is, if it is of the same
    /// kind; what is picked with the old one meanwhile, in a few microseconds, it does not know of.
    /// Packets that are under way may use the old pool still.
    pub(crate) fn publish(&self, pool: NewPool, retired: &mut Retired) {
        self.inherit(&pool);
        if pool.steers {
            self.steers.store(true, Relaxed);
        }
        // First: who knows of a destination's connections asks this.
        for destination in pool.destinations.iter() {
            destination.set_uncounted(pool.is_uncounted());
        }
        self.pool.replace(pool, retired);
        // What the old scheduler saw of them meanwhile the new one does not know.
        let guard = rcu::read_lock();
        let pool = self.pool(&guard);
        if pool.marked.is_some() {
            Mark::set_all(pool.destinations.iter().map(|d| d.counts.observer()));
            pool.catch_up();
        }
    }

    /// Before a pool is published: it goes on where the present one is, and has the marks.
    fn inherit(&self, pool: &Pool) {
        let guard = rcu::read_lock();
        let old = self.pool(&guard);
        pool.inherit(old);
        if let Some(marked) = &old.marked {
            marked.end();
        }
    }

    /// After many destinations were changed: packets need not look at them all. Process context.
    pub(crate) fn catch_up(&self) {
        self.pool(&rcu::read_lock()).catch_up();
    }

    /// Whether a packet that is about to be delivered may be one that is to be steered.
    #[inline]
    pub(crate) fn steers(&self) -> bool {
        self.steers.read_once()
    }

    /// Whether new connections are steered. Must be called with the configuration's mutex held.
    pub(crate) fn steers_new(&self) -> bool {
        self.pool(&rcu::read_lock()).steers
    }

    /// No packet is under way any more that is to be steered. Under the configuration's mutex.
    pub(crate) fn end_steering(&self) {
        self.steers.store(false, Relaxed);
    }
}

/// The services of a namespace by their keys. Never changed in place: see [`Tree`].
#[derive(Clone, Default)]
pub(crate) struct Services(Tree<ServiceKey, Arc<Service>, KernelMemory>);

impl Services {
    /// The same with another service. May sleep.
    pub(crate) fn with(&self, service: &Arc<Service>) -> Result<Self, Refusal> {
        Ok(Self(self.0.with(service.key, service.clone())?))
    }

    /// The same without the service of the key. May sleep.
    pub(crate) fn without(&self, key: &ServiceKey) -> Result<Self, Refusal> {
        Ok(Self(self.0.without(key)?))
    }

    /// The service of a packet to `address` and `port`, if the address is the host's: that of the
    /// very address, else that of the wildcard address.
    pub(crate) fn find(
        &self,
        protocol: Protocol,
        address: Address,
        port: u16,
    ) -> Option<&Arc<Service>> {
        let at = |address| {
            self.0.get(&ServiceKey {
                protocol,
                address,
                port,
            })
        };
        at(address).or_else(|| at(Address::unspecified(address.family())))
    }
}

/// The destinations of a namespace by their ends: which one a packet without an entry comes from.
/// Deleted ones are not among them.
pub(crate) type Backends = backends::Backends<Arc<Destination>, KernelMemory>;
