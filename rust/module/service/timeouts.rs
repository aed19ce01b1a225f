// SPDX-License-Identifier: GPL-2.0

//! Timeouts that an operator has set, of a namespace or of a service.
//!
//! No packet reads those of connections: the periodic work and listings do, which find those of the
//! service at the entry's destination. So a change applies to the connections that there are.

use kernel::sync::atomic::{Atomic, Relaxed};
use rlvs_core::connection::timeout::{Timeouts, Tunable};
use rlvs_kext::rwonce::Once;

/// What was set, in seconds; 0 for nothing.
pub(crate) struct TimeoutSettings {
    /// Guarded by: atomic; written under the config mutex.
    connections: [Atomic<u32>; Tunable::ALL.len()],
    /// Of a service's templates.
    /// Guarded by: atomic; written under the config mutex.
    persistence: Atomic<u32>,
}

impl TimeoutSettings {
    /// Nothing is set.
    pub(crate) const fn new() -> Self {
        Self {
            connections: [Atomic::new(0), Atomic::new(0), Atomic::new(0)],
            persistence: Atomic::new(0),
        }
    }

    /// Returns the seconds that are set; 0 for nothing.
    pub(crate) fn get(&self, tunable: Tunable) -> u32 {
        self.connections
            .get(tunable as usize)
            .map_or(0, |seconds| seconds.read_once())
    }

    /// Returns the seconds in force where a service sets nothing: those that are set, or else the
    /// default.
    pub(crate) fn in_force(&self, tunable: Tunable) -> u32 {
        match self.get(tunable) {
            0 => Timeouts::default().of(tunable.state()),
            seconds => seconds,
        }
    }

    /// Sets what a request names. Must be called with the configuration's mutex held.
    pub(crate) fn set(&self, change: &TimeoutChange) {
        for (seconds, new) in self.connections.iter().zip(change.0) {
            if let Some(new) = new {
                seconds.store(new, Relaxed);
            }
        }
    }

    /// Returns how many seconds a template leads new connections; 0 when the service is not
    /// persistent.
    pub(crate) fn persistence(&self) -> u32 {
        self.persistence.read_once()
    }

    /// Sets how many seconds a template leads new connections. Must be called with the
    /// configuration's mutex held.
    pub(crate) fn set_persistence(&self, seconds: u32) {
        self.persistence.store(seconds, Relaxed);
    }
}

/// What a request sets of each [`Tunable`], checked; none for what it does not name.
#[derive(Default)]
pub(crate) struct TimeoutChange(pub(crate) [Option<u32>; Tunable::ALL.len()]);

impl TimeoutChange {
    /// Unsets all.
    pub(crate) const UNSET: Self = Self([Some(0); Tunable::ALL.len()]);
}
