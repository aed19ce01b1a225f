// SPDX-License-Identifier: GPL-2.0

//! Virtual services and destinations, as packets see them.
//!
//! What packets read is never changed in place: a change makes new [`map::Services`], new
//! [`map::Backends`] or a new [`Pool`] and publishes it under RCU. The counts and the weight in a
//! [`Destination`] are atomics. The configuration that the changes start from is
//! [`crate::config`]'s.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu::{self, Guard},
        Arc,
    },
};
use rlvs_core::config::ServiceKey;
use rlvs_kext::{
    memory::KEPT,
    rcu::{Rcu, Retired},
    rwonce::Once,
};

use marks::Mark;
use shared::Shared;

pub(crate) use destination::{Destination, DestinationSettings};
pub(crate) use pool::{NewPool, Pool};

mod destination;
pub(crate) mod map;
mod marks;
mod pool;
mod progress;
pub(crate) mod refused;
mod reported;
mod shared;
pub(crate) mod timeouts;

/// A virtual service.
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) shared: Shared,
    /// A packet that was not rewritten before it was routed is to be steered. Unlike the pool's
    /// flag this is cleared only when no packet is left that was not rewritten because of it, up to
    /// a second later.
    /// Guarded by: atomic; written under the config mutex.
    steers: Atomic<bool>,
    /// Guarded by: RCU; replaced under the config mutex.
    pool: Rcu<Pin<KBox<Pool>>>,
}

impl Service {
    /// Makes a service that has this pool, which is empty. May sleep.
    ///
    /// `left` is a destination of a deleted service of the same key: its connections count, and
    /// expire, by what the two services then share, so that it can be added again with them.
    pub(crate) fn new(
        key: ServiceKey,
        pool: NewPool,
        left: Option<&Arc<Destination>>,
    ) -> Result<Arc<Self>> {
        let shared = match left {
            Some(left) => Shared {
                stats: left.service_stats.clone(),
                timeouts: left.timeouts.clone(),
                marks: left.counts.observer().all().clone(),
            },
            None => Shared::new()?,
        };
        Ok(Arc::new(
            Self {
                key,
                shared,
                steers: Atomic::new(pool.steers()),
                pool: Rcu::new(pool),
            },
            KEPT,
        )?)
    }

    /// Returns the destinations and the scheduler of the moment.
    #[inline]
    pub(crate) fn pool<'a>(&'a self, guard: &'a Guard) -> &'a Pool {
        self.pool.read(guard)
    }

    /// Publishes another pool, whose scheduler continues where the old one is, if it is of the same
    /// kind; it misses what is picked with the old one meanwhile, in a few microseconds. Packets
    /// under way may still use the old pool. Must be called with the configuration's mutex held.
    pub(crate) fn publish(&self, pool: NewPool, retired: &mut Retired) {
        self.inherit(&pool);
        if pool.steers() {
            self.steers.store(true, Relaxed);
        }
        // Before the pool: what needs a destination's connections reads this.
        for destination in pool.destinations.iter() {
            destination.set_uncounted(pool.is_uncounted());
        }
        self.pool.replace(pool, retired);
        // The new scheduler has missed the changes that the old one has taken meanwhile.
        let guard = rcu::read_lock();
        let pool = self.pool(&guard);
        if pool.marked.is_some() {
            Mark::set_all(pool.destinations.iter().map(|d| d.counts.observer()));
            pool.catch_up();
        }
    }

    /// Has a pool that is about to be published continue where the present one is, and take the
    /// marks.
    fn inherit(&self, pool: &Pool) {
        let guard = rcu::read_lock();
        let old = self.pool(&guard);
        pool.inherit(old);
        if let Some(marked) = &old.marked {
            marked.end();
        }
    }

    /// Has the scheduler look at the destinations that were changed, so that packets need not.
    /// Process context.
    pub(crate) fn catch_up(&self) {
        self.pool(&rcu::read_lock()).catch_up();
    }

    /// Returns `true` if a packet that is about to be delivered may have to be steered.
    #[inline]
    pub(crate) fn steers(&self) -> bool {
        self.steers.read_once()
    }

    /// Returns `true` if new connections are steered. Must be called with the configuration's mutex
    /// held.
    pub(crate) fn steers_new(&self) -> bool {
        self.pool(&rcu::read_lock()).steers()
    }

    /// Stops looking for packets to steer, once none is under way. Must be called with the
    /// configuration's mutex held.
    pub(crate) fn end_steering(&self) {
        self.steers.store(false, Relaxed);
    }
}
