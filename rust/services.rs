// SPDX-License-Identifier: GPL-2.0

//! Virtual services and destinations, as packets see them.
//!
//! What packets read is never changed in place: a change makes a new [`Services`] or [`Pool`] and
//! publishes it under RCU. The counts and the weight in a [`Destination`] are atomics. The
//! configuration that the changes start from is [`crate::control::config`]'s.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag, Relaxed},
        rcu::Guard,
        Arc,
    },
};
use rlvs_core::{
    address::{Address, Endpoint, Protocol},
    config::{DestinationKey, Method, ServiceKey},
    lifecycle::Counts,
    refusal::Refusal,
    schedule::{
        flags::Flags, Destinations, Exclusive, Memory, Request, Scheduler, Settings, Shared,
    },
    threshold::Thresholds,
};
use rlvs_kext::{
    bh::{LocalBhDisabled, SpinLockBh},
    new_spinlock_bh,
    rcu::Rcu,
};

use crate::{stats::Stats, timeouts::Tuned, word::Word};

/// How many destinations are tried for one packet before it is refused.
pub(crate) const MAX_TRIES: usize = 16;

/// What can be set of a destination.
#[derive(Clone, Copy)]
pub(crate) struct DestinationSettings {
    pub(crate) weight: u16,
    pub(crate) thresholds: Thresholds,
}

/// A destination. Lives until it is deleted and its last connection is gone.
#[pin_data]
pub(crate) struct Destination {
    pub(crate) key: DestinationKey,
    /// Its service, which may have been deleted before it is gone.
    pub(crate) service_key: ServiceKey,
    pub(crate) method: Method,
    /// The last weight that was not 0, or 0; written under the configuration's mutex.
    last_weight: Atomic<u32>,
    /// 0 to 65535; written under the configuration's mutex.
    weight: Atomic<u32>,
    /// The bounds on its connections; written under the configuration's mutex. A packet between
    /// two writes may see one new and one old.
    upper: Atomic<u32>,
    lower: Atomic<u32>,
    /// It had as many connections as the upper bound says, and not yet less than the lower one.
    full: AtomicFlag,
    /// How many connections it has.
    pub(crate) counts: Counts<Word>,
    /// The destination was deleted, and its connections are to be ended. Never unset.
    cut: AtomicFlag,
    #[pin]
    pub(crate) stats: Stats,
    /// The service's; a destination belongs to one service.
    pub(crate) service_stats: Arc<Stats>,
    /// The service's.
    pub(crate) timeouts: Arc<Tuned>,
}

impl Destination {
    /// Prepares a destination of `service` without connections. May sleep.
    pub(crate) fn new(
        service: &Service,
        key: DestinationKey,
        method: Method,
        settings: DestinationSettings,
    ) -> Result<Arc<Self>> {
        let weight = u32::from(settings.weight);
        Arc::pin_init(
            try_pin_init!(Self {
                key,
                service_key: service.key,
                method,
                last_weight: Atomic::new(weight),
                weight: Atomic::new(weight),
                upper: Atomic::new(settings.thresholds.upper()),
                lower: Atomic::new(settings.thresholds.lower()),
                full: AtomicFlag::new(false),
                counts: Counts::new(),
                cut: AtomicFlag::new(false),
                stats <- Stats::new(),
                service_stats: service.stats.clone(),
                timeouts: service.timeouts.clone(),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// The weight.
    pub(crate) fn weight(&self) -> u16 {
        u16::try_from(self.weight.load(Relaxed)).unwrap_or(u16::MAX)
    }

    /// The bounds on its connections.
    pub(crate) fn thresholds(&self) -> Thresholds {
        let (upper, lower) = (self.upper.load(Relaxed), self.lower.load(Relaxed));
        Thresholds::new(upper, lower).unwrap_or_default()
    }

    /// The last weight that was not 0; 0 if there was none.
    fn last_weight(&self) -> u16 {
        u16::try_from(self.last_weight.load(Relaxed)).unwrap_or(u16::MAX)
    }

    /// Changes what can be changed. Under the configuration's mutex.
    pub(crate) fn set(&self, settings: DestinationSettings) {
        if settings.weight != 0 {
            self.last_weight.store(u32::from(settings.weight), Relaxed);
        }
        self.weight.store(u32::from(settings.weight), Relaxed);
        self.upper.store(settings.thresholds.upper(), Relaxed);
        self.lower.store(settings.thresholds.lower(), Relaxed);
    }

    /// Whether it has as many connections as it may. Remembers the answer, as it is full until the
    /// number is below the lower bound: it must be asked after each new connection and before each
    /// choice.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        if self.upper.load(Relaxed) == 0 {
            return false;
        }
        let was = self.full.load(Relaxed);
        let is = self.thresholds().is_full(was, self.counts.connections());
        if is != was {
            self.full.store(is, Relaxed);
        }
        is
    }

    /// Marks a deleted destination for [`crate::expiry::Cut`].
    pub(crate) fn mark_cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Whether its connections are to be ended.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }
}

/// The kernel's memory, for schedulers.
pub(crate) struct KernelMemory;

impl Memory for KernelMemory {
    type Slice<T: Copy> = KVVec<T>;

    fn filled<T: Copy>(value: T, len: usize) -> Option<KVVec<T>> {
        KVVec::from_elem(value, len, GFP_KERNEL).ok()
    }
}

/// A service's destinations and the scheduler that picks from them.
#[pin_data]
pub(crate) struct Pool {
    destinations: KVVec<Arc<Destination>>,
    flags: Flags,
    is_random: bool,
    /// The scheduler, if it needs no lock.
    shared: Option<Shared<KernelMemory>>,
    /// The scheduler, if it remembers what it picks. Softirq picks as well: under a lock that needs
    /// bottom halves off.
    #[pin]
    exclusive: SpinLockBh<Option<Exclusive<KernelMemory>>>,
}

/// Destinations as a scheduler sees them.
struct Candidates<'a, W, U> {
    destinations: &'a [Arc<Destination>],
    /// The weight that a destination is about to get, if it is to get another one.
    planned: W,
    usable: U,
}

impl<W, U> Candidates<'_, W, U>
where
    W: Fn(&Destination) -> Option<u16>,
{
    fn get(&self, index: usize) -> Option<&Destination> {
        self.destinations
            .get(index)
            .map(|destination| &**destination)
    }
}

impl<W, U> Destinations for Candidates<'_, W, U>
where
    W: Fn(&Destination) -> Option<u16>,
    U: Fn(usize) -> bool,
{
    fn len(&self) -> usize {
        self.destinations.len()
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

    fn usable(&self, index: usize) -> bool {
        (self.usable)(index)
    }
}

/// The destinations that one packet was refused by.
#[derive(Default)]
pub(crate) struct Tried {
    indices: [usize; MAX_TRIES],
    count: usize,
}

impl Tried {
    /// Remembers a destination; what exceeds [`MAX_TRIES`] is not.
    pub(crate) fn add(&mut self, index: usize) {
        if let Some(place) = self.indices.get_mut(self.count) {
            *place = index;
            self.count = self.count.saturating_add(1);
        }
    }

    fn contains(&self, index: usize) -> bool {
        self.indices.iter().take(self.count).any(|i| *i == index)
    }
}

impl Pool {
    /// A pool of the destinations, with a scheduler that starts afresh. May sleep.
    ///
    /// `planned` tells the weight of each destination that is to get another one as soon as the
    /// pool is published.
    pub(crate) fn new(
        settings: &Settings,
        destinations: KVVec<Arc<Destination>>,
        planned: impl Fn(&Destination) -> Option<u16>,
    ) -> Result<Pin<KBox<Self>>, Refusal> {
        let candidates = Candidates {
            destinations: &destinations,
            planned,
            usable: |_| true,
        };
        let (shared, exclusive) = match Scheduler::new(settings, &candidates)? {
            Scheduler::Shared(shared) => (Some(shared), None),
            Scheduler::Exclusive(exclusive) => (None, Some(exclusive)),
        };
        KBox::pin_init(
            try_pin_init!(Self {
                destinations,
                flags: settings.flags,
                is_random: settings.kind.is_random(),
                shared,
                exclusive <- new_spinlock_bh!(exclusive, "rlvs_picker"),
            }? Error),
            GFP_KERNEL,
        )
        // Nothing else in it fails.
        .map_err(|_| Refusal::NoMemory)
    }

    /// The service's flags.
    #[inline]
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// Whether a choice takes random numbers: [`Request::random`].
    pub(crate) fn is_random(&self) -> bool {
        self.is_random
    }

    /// Picks a destination that was not tried, or none when there is none left for the request.
    pub(crate) fn pick(
        &self,
        request: &Request,
        tried: &Tried,
        bh: &LocalBhDisabled,
    ) -> Option<(usize, &Arc<Destination>)> {
        let candidates = Candidates {
            destinations: &self.destinations,
            planned: |_: &Destination| None,
            usable: |index| {
                !tried.contains(index) && self.destinations.get(index).is_some_and(|d| !d.is_full())
            },
        };
        let index = match &self.shared {
            Some(scheduler) => scheduler.pick(&candidates, request)?,
            None => {
                let mut scheduler = self.exclusive.lock_with(bh);
                scheduler.as_mut()?.pick(&candidates, request)?
            }
        };
        Some((index, self.destinations.get(index)?))
    }
}

/// A virtual service.
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) stats: Arc<Stats>,
    /// The timeouts that were set for the service.
    pub(crate) timeouts: Arc<Tuned>,
    pool: Rcu<Pin<KBox<Pool>>>,
}

impl Service {
    /// A service that has this pool. May sleep.
    ///
    /// `left` is a destination of a deleted service of the same key: its connections count, and
    /// expire, by what the two services then share, so that it can come back with them.
    pub(crate) fn new(
        key: ServiceKey,
        pool: KBox<Pin<KBox<Pool>>>,
        left: Option<&Arc<Destination>>,
    ) -> Result<Arc<Self>> {
        let (stats, timeouts) = match left {
            Some(left) => (left.service_stats.clone(), left.timeouts.clone()),
            None => (
                Arc::pin_init(Stats::new(), GFP_KERNEL)?,
                Arc::new(Tuned::new(), GFP_KERNEL)?,
            ),
        };
        Ok(Arc::new(
            Self {
                key,
                stats,
                timeouts,
                pool: Rcu::new(pool),
            },
            GFP_KERNEL,
        )?)
    }

    /// The destinations of the moment.
    #[inline]
    pub(crate) fn pool<'a>(&'a self, guard: &'a Guard) -> &'a Pool {
        self.pool.read(guard)
    }

    /// Publishes another pool. Sleeps for a grace period, after which no packet uses the old one.
    pub(crate) fn publish(&self, pool: KBox<Pin<KBox<Pool>>>) {
        self.pool.replace(pool);
    }
}

/// The services of a namespace, in the order of their keys.
pub(crate) struct Services(KVVec<Arc<Service>>);

impl Services {
    /// Services that are in the order of their keys.
    pub(crate) fn new(sorted: KVVec<Arc<Service>>) -> Self {
        Self(sorted)
    }

    /// The service of a packet to `address` and `port`: that of the very address, else that of the
    /// wildcard address, if `is_local` says that the address is the host's. A search by halves.
    pub(crate) fn find(
        &self,
        protocol: Protocol,
        address: Address,
        port: u16,
        is_local: impl FnOnce() -> bool,
    ) -> Option<&Arc<Service>> {
        let at = |address| {
            let key = ServiceKey {
                protocol,
                address,
                port,
            };
            let index = self.0.binary_search_by(|s| s.key.cmp(&key)).ok()?;
            self.0.get(index)
        };
        if let Some(service) = at(address) {
            return Some(service);
        }
        at(Address::unspecified(address.family())).filter(|_| is_local())
    }
}
