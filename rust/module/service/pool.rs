// SPDX-License-Identifier: GPL-2.0

//! A service's destinations and its scheduler, which are published together.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    address::{Address, Endpoint},
    heard::{Heard, Sample, MANY},
    persistence::Persistence,
    refusal::Refusal,
    schedule::{
        choice::Tried, flags::Flags, slow_start::SlowStart, Destinations, Exclusive, Kind,
        Progress, Request, Scheduler, Settings, Shared,
    },
};
use rlvs_kext::{
    bh::{with_bh_disabled, LocalBhDisabled, SpinLockBh},
    memory::KEPT,
    new_spinlock_bh,
    rcu::RcuBox,
};

use super::{destination::Destination, marks::MarkReader, refused::RefusedBy};
use crate::primitives::{KernelMemory, Word};

/// How often a request makes a scheduler look at marks, besides once for each [`MANY`]
/// destinations: for marks of destinations that are not in the pool.
const MOST_LOOKS: usize = 8;

/// A service's destinations and the scheduler that picks from them.
#[pin_data]
pub(crate) struct Pool {
    pub(super) destinations: KVVec<Arc<Destination>>,
    flags: Flags,
    persistence: Persistence,
    slow_start: SlowStart,
    is_random: bool,
    /// The scheduler goes by turns, and each choice takes one.
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
    pub(super) marked: Option<MarkReader>,
    /// The scheduler, if it remembers anything. Guarded by a lock that needs bottom halves off, as
    /// softirqs pick as well.
    /// Guarded by: itself, the picker lock.
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
    marked: Option<&'a MarkReader>,
}

/// Returns an empty queue, for a choice that does not depend on queues.
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
    /// Makes a pool of the destinations, with a scheduler that has chosen nothing yet. May sleep.
    ///
    /// `steers` is `true` if new connections are steered; `planned` returns the weight of each
    /// destination that is to get another one as soon as the pool is published.
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
            let known = known.filter(|(_, d)| d.was_listening() && d.takes_new());
            known.for_each(|(index, _)| heard.add(index));
        }
        let mark = |index: usize| Some(destinations.get(index)?.counts.observer());
        let marked = match exclusive {
            Some(_) => MarkReader::new(destinations.len(), mark)?,
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

    /// Returns the service's flags.
    #[inline]
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// Returns the service's persistence.
    #[inline]
    pub(crate) fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Returns the service's slow start.
    #[inline]
    pub(crate) fn slow_start(&self) -> SlowStart {
        self.slow_start
    }

    /// Returns the age of the process that has listened longest at the second `now`, of those that
    /// may get new connections; 0 if none does. Looks at all of them; of more than [`MANY`] at a
    /// sample, in which there are some that listen.
    pub(crate) fn oldest(&self, now: u32, random: u32) -> u32 {
        let heard = self
            .sample(random)
            .filter(|destination| destination.was_listening() && destination.takes_new());
        let ages = heard.map(|destination| destination.age(now));
        ages.max().unwrap_or(0)
    }

    /// Returns all destinations, or a constant number of them, from a random one on.
    fn sample(&self, random: u32) -> impl Iterator<Item = &Arc<Destination>> {
        let indices = Sample::new(self.len(), random).indices(|place| self.heard(place));
        indices.filter_map(|index| self.get(index))
    }

    /// Returns one of more than [`MANY`] destinations that was found listening lately, for each
    /// place below that: see [`Heard`].
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

    /// Asks the periodic work to look which destinations listen, as a packet has not looked at all.
    pub(crate) fn look_for_listeners(&self) {
        if let Some(heard) = &self.heard {
            heard.want();
        }
    }

    /// Returns `true` if the periodic work has to look which destinations listen, and clears that.
    pub(crate) fn wants_listeners(&self) -> bool {
        self.heard.as_ref().is_some_and(|heard| heard.is_wanted())
    }

    /// Returns `true` if the scheduler may pick none although there is a destination: see
    /// [`Settings::may_give_up`].
    pub(crate) fn may_give_up(&self) -> bool {
        self.may_give_up
    }

    /// Returns `true` if a choice takes random numbers: [`Request::random`].
    pub(crate) fn is_random(&self) -> bool {
        self.is_random
    }

    /// Returns `true` if new connections are steered.
    #[inline]
    pub(crate) fn steers(&self) -> bool {
        self.steers
    }

    /// Returns `true` if new connections are steered and not recorded.
    #[inline]
    pub(crate) fn is_uncounted(&self) -> bool {
        self.steers && self.flags.has(Flags::UNCOUNTED)
    }

    /// Returns `true` if each choice is the turn of a destination, which it loses by another
    /// choice.
    pub(crate) fn takes_turns(&self) -> bool {
        self.takes_turns
    }

    /// Has the scheduler continue where that of the service's last pool is, and look at all
    /// destinations, before any packet does. One step for each destination, but with bottom halves
    /// off, and the old pool's lock held, a constant number of them at a time. Process context.
    pub(super) fn inherit(&self, old: &Self) {
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

    /// Has the scheduler look at all destinations that are marked, a constant number at a time, so
    /// that packets need not. Process context.
    pub(super) fn catch_up(&self) {
        let Some(marked) = &self.marked else {
            return;
        };
        // Packets continue marking: the number of rounds is bounded.
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

    /// Returns all destinations, of which no packet has tried any.
    fn all(&self) -> impl Destinations + '_ {
        self.all_by(None)
    }

    /// Returns all destinations, of which no packet has tried any, with their marks.
    fn all_by<'a>(&'a self, marked: Option<&'a MarkReader>) -> impl Destinations + 'a {
        Candidates {
            destinations: &self.destinations,
            planned: |_: &Destination| None,
            tried: |_| false,
            queue: no_queue,
            marked,
        }
    }

    /// Returns the number of destinations.
    pub(crate) fn len(&self) -> usize {
        self.destinations.len()
    }

    /// Returns a destination by its index.
    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Destination>> {
        self.destinations.get(index)
    }

    /// Returns `true` if a destination takes new connections that has not refused this one. Looks
    /// at all of them, of more than [`MANY`] at a sample; the scheduler may still have none for the
    /// connection.
    pub(crate) fn has_another(&self, refusers: &RefusedBy, random: u32) -> bool {
        self.sample(random)
            .any(|destination| destination.takes_new() && !refusers.contains(destination))
    }

    /// Returns the index of a destination that was not tried, or `None` when there is none left for
    /// the request. `queue` returns how long the queue of a destination is:
    /// [`Destinations::queue`].
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
