// SPDX-License-Identifier: GPL-2.0

//! What all services of a namespace carried together, those that are gone included.
//!
//! No packet updates it: it is summed up when it is read, under the configuration's mutex. The
//! connections of a deleted service go on, and count; once its last one is gone, what it carried is
//! added to what is kept here, so that the totals never decrease.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    config::ServiceKey,
    estimate::{Estimate, Volume},
};
use rlvs_kext::{memory::KEPT, percpu};

use crate::stats::{Report, Stats};

/// What all services of a namespace carried together.
/// Guarded by: the config mutex.
pub(crate) struct Totals {
    /// What services carried that are gone, by CPU.
    gone: KVVec<Volume>,
    /// The keys and the statistics of deleted services that may still have connections.
    left: KVVec<(ServiceKey, Arc<Stats>)>,
    /// The totals at the last zeroing.
    zero: Volume,
    estimate: Estimate,
}

impl Totals {
    /// Totals of zero. May sleep.
    pub(crate) fn new() -> Result<Self> {
        let cpus = usize::try_from(percpu::cpus())?;
        Ok(Self {
            gone: KVVec::from_elem(Volume::default(), cpus, KEPT)?,
            left: KVVec::new(),
            zero: Volume::default(),
            estimate: Estimate::default(),
        })
    }

    /// Reserves room for services that are about to be deleted. May sleep.
    pub(crate) fn reserve(&mut self, services: usize) -> Result {
        Ok(self.left.reserve(services, KEPT)?)
    }

    /// Keeps the statistics of the deleted service of this key. Must be called after
    /// [`Self::reserve`].
    pub(crate) fn leave(&mut self, key: &ServiceKey, stats: &Arc<Stats>) {
        let _ = self.left.push_within_capacity((*key, stats.clone()));
    }

    /// Removes these statistics, as a service has them again.
    pub(crate) fn returns(&mut self, stats: &Arc<Stats>) {
        self.left.retain(|(_, left)| !Arc::ptr_eq(left, stats));
    }

    /// Returns `true` if a service was deleted and may still have connections.
    pub(crate) fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// Drops the statistics of deleted services for which `counts` returns `false`: no connection
    /// updates them any more.
    pub(crate) fn forget(&mut self, counts: impl Fn(&ServiceKey, &Arc<Stats>) -> bool) {
        let Self { gone, left, .. } = self;
        left.retain(|(key, stats)| {
            let stays = counts(key, stats);
            if !stays {
                for (volume, cpu) in gone.iter_mut().zip(0..) {
                    *volume = volume.plus(stats.ever_on(cpu));
                }
            }
            stays
        });
    }

    /// Returns what was carried on one CPU, by `listed` services and all others.
    pub(crate) fn ever_on<'a>(
        &self,
        cpu: u32,
        listed: impl Iterator<Item = &'a Arc<Stats>>,
    ) -> Volume {
        let index = usize::try_from(cpu).ok();
        let gone = index.and_then(|index| self.gone.get(index));
        let left = self.left.iter().map(|(_, stats)| stats.ever_on(cpu));
        let all = Iterator::chain(left, listed.map(|stats| stats.ever_on(cpu)));
        all.fold(gone.copied().unwrap_or_default(), Volume::plus)
    }

    /// Returns what was carried on all CPUs.
    fn ever<'a>(&self, listed: impl Iterator<Item = &'a Arc<Stats>>) -> Volume {
        let gone = self.gone.iter().copied();
        let left = self.left.iter().map(|(_, stats)| stats.ever());
        let all = Iterator::chain(left, listed.map(|stats| stats.ever()));
        Iterator::chain(gone, all).fold(Volume::default(), Volume::plus)
    }

    /// Returns totals and rates since the last zeroing.
    pub(crate) fn report<'a>(&self, listed: impl Iterator<Item = &'a Arc<Stats>>) -> Report {
        Report {
            total: self.ever(listed).since(self.zero),
            rate: self.estimate.rates(),
        }
    }

    /// Steps the rates, `elapsed` milliseconds after the last time.
    pub(crate) fn estimate<'a>(
        &mut self,
        elapsed: u32,
        listed: impl Iterator<Item = &'a Arc<Stats>>,
    ) {
        let ever = self.ever(listed);
        self.estimate.step(ever, elapsed);
    }

    /// Sets the totals and the rates to zero.
    pub(crate) fn zero<'a>(&mut self, listed: impl Iterator<Item = &'a Arc<Stats>>) {
        self.zero = self.ever(listed);
        self.estimate = Estimate::from(self.zero);
    }
}
