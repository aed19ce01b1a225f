// SPDX-License-Identifier: GPL-2.0

//! Counters: what services and destinations carried, and what became of packets ([`counters`]).

use kernel::prelude::*;
use rlvs_core::estimate::{Estimate, Volume};
use rlvs_kext::{
    bh::{with_bh_disabled, LocalBhDisabled, SpinLockBh},
    new_spinlock_bh,
    percpu::PerCpuCounters,
};

pub(crate) use counters::{Event, Events};

mod counters;
pub(crate) mod totals;

/// What is counted for a service and for a destination; the index of its counter.
#[derive(Clone, Copy)]
pub(crate) enum Traffic {
    /// Connections made.
    Connections,
    /// Packets from clients.
    InPackets,
    /// Packets to clients.
    OutPackets,
    /// Bytes from clients, from the network header on.
    InBytes,
    /// Bytes to clients, from the network header on.
    OutBytes,
    /// Connections that another destination would have refused or dropped.
    Avoided,
}

const TRAFFIC: usize = Traffic::Avoided as usize + 1;

/// What a service or destination carried.
#[derive(Clone, Copy, Default)]
pub(crate) struct Carried([u64; TRAFFIC]);

impl Carried {
    /// Returns one of the counts.
    pub(crate) fn get(&self, which: Traffic) -> u64 {
        self.0.get(which as usize).copied().unwrap_or(0)
    }

    /// Returns those that have a rate.
    fn volume(&self) -> Volume {
        Volume {
            connections: self.get(Traffic::Connections),
            in_packets: self.get(Traffic::InPackets),
            out_packets: self.get(Traffic::OutPackets),
            in_bytes: self.get(Traffic::InBytes),
            out_bytes: self.get(Traffic::OutBytes),
        }
    }
}

/// What was carried since the last zeroing, and what is carried in a second.
#[derive(Clone, Copy, Default)]
pub(crate) struct Report {
    pub(crate) total: Volume,
    pub(crate) rate: Volume,
}

/// The rest of [`Stats`], which packets do not touch.
#[derive(Default)]
struct Kept {
    /// What is taken off the counters when they are read: the totals at the last zeroing. The
    /// counters themselves are only ever added to, so that no packet's count is lost to it.
    zero: Carried,
    /// Of the counters themselves; written by the periodic work, and at the zeroing.
    estimate: Estimate,
}

/// Traffic counters that can be set to zero while packets count.
#[pin_data]
pub(crate) struct Stats {
    /// Guarded by: bottom halves off; each CPU writes its own.
    counters: PerCpuCounters<TRAFFIC>,
    /// Guarded by: itself, the stats lock.
    #[pin]
    kept: SpinLockBh<Kept>,
}

impl Stats {
    /// Counters at zero. May sleep.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            counters: PerCpuCounters::new()?,
            kept <- new_spinlock_bh!(Kept::default(), "rlvs_stats"),
        })
    }

    /// Counts a connection made.
    #[inline]
    pub(crate) fn connection(&self, bh: &LocalBhDisabled) {
        self.counters.add(bh, [(Traffic::Connections as usize, 1)]);
    }

    /// Counts a connection that came here instead of to where it would have been refused or
    /// dropped.
    #[inline]
    pub(crate) fn avoided(&self, bh: &LocalBhDisabled) {
        self.counters.add(bh, [(Traffic::Avoided as usize, 1)]);
    }

    /// Counts a packet from a client.
    #[inline]
    pub(crate) fn inbound(&self, bh: &LocalBhDisabled, bytes: u32) {
        let (packets, volume) = (Traffic::InPackets as usize, Traffic::InBytes as usize);
        let values = [(packets, 1), (volume, u64::from(bytes))];
        self.counters.add(bh, values);
    }

    /// Counts a packet to a client.
    #[inline]
    pub(crate) fn reply(&self, bh: &LocalBhDisabled, bytes: u32) {
        let (packets, volume) = (Traffic::OutPackets as usize, Traffic::OutBytes as usize);
        let values = [(packets, 1), (volume, u64::from(bytes))];
        self.counters.add(bh, values);
    }

    /// Sums the counters of all CPUs.
    fn sums(&self) -> Carried {
        let mut totals = Carried::default();
        for (index, total) in totals.0.iter_mut().enumerate() {
            *total = self.counters.sum(index);
        }
        totals
    }

    /// Returns all that was ever carried, whatever was set to zero.
    pub(crate) fn ever(&self) -> Volume {
        self.sums().volume()
    }

    /// Returns all that was ever carried on one CPU, whatever was set to zero.
    pub(crate) fn ever_on(&self, cpu: u32) -> Volume {
        let mut totals = Carried::default();
        for (index, total) in totals.0.iter_mut().enumerate() {
            *total = self.counters.of(cpu, index);
        }
        totals.volume()
    }

    /// Returns what was carried since the last zeroing; exact when no packet counts meanwhile.
    pub(crate) fn totals(&self) -> Carried {
        let mut totals = self.sums();
        let zero = with_bh_disabled(|bh| self.kept.lock_with(bh).zero);
        for (total, zero) in totals.0.iter_mut().zip(zero.0) {
            *total = total.wrapping_sub(zero);
        }
        totals
    }

    /// Returns totals and rates since the last zeroing.
    pub(crate) fn report(&self) -> Report {
        Report {
            total: self.totals().volume(),
            rate: with_bh_disabled(|bh| self.kept.lock_with(bh).estimate.rates()),
        }
    }

    /// Steps the rates, `elapsed` milliseconds after the last time. One sum over the CPUs for each
    /// counter.
    pub(crate) fn estimate(&self, elapsed: u32) {
        let ever = self.ever();
        with_bh_disabled(|bh| self.kept.lock_with(bh).estimate.step(ever, elapsed));
    }

    /// Sets the totals and the rates to zero.
    pub(crate) fn zero(&self) {
        let sums = self.sums();
        let kept = Kept {
            zero: sums,
            estimate: Estimate::from(sums.volume()),
        };
        with_bh_disabled(|bh| *self.kept.lock_with(bh) = kept);
    }
}
