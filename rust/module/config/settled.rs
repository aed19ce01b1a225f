// SPDX-License-Identifier: GPL-2.0

//! The numbers of changes, and up to which of them no packet goes by what was before.
//!
//! A request changes what packets read and does not wait for those that are under way. The changes
//! of a namespace are numbered: one is *settled* when a grace period has passed after it. Some
//! things wait for that: a deleted destination is freed, and reported as drained, when the change
//! is settled that it was [`left_by`]; ports and [`Service::steers`] are cleared when the change is
//! settled that ends their use. The periodic work settles all changes once a second; a request that
//! promises more settles its own, after it has unlocked the mutex.
//!
//! [`left_by`]: crate::service::Destination::left_by
//! [`Service::steers`]: crate::service::Service::steers

use kernel::sync::atomic::{Atomic, Relaxed};

/// The number of a change for which no packet has to be waited: it is settled from the start.
pub(crate) const NOTHING: u64 = 0;

/// The number of the last change that is settled; those before it are too.
/// Guarded by: atomic; read and written under the config mutex.
pub(crate) struct Settled(Atomic<u64>);

impl Settled {
    pub(crate) fn new() -> Self {
        Self(Atomic::new(NOTHING))
    }

    /// Returns `true` if every packet under way has seen the change of this number. Must be called
    /// with the configuration's mutex held.
    pub(crate) fn has(&self, number: u64) -> bool {
        number <= self.0.load(Relaxed)
    }

    /// Marks the changes up to this number as settled, after a grace period. Must be called with
    /// the configuration's mutex held.
    pub(crate) fn set(&self, number: u64) {
        if !self.has(number) {
            self.0.store(number, Relaxed);
        }
    }
}
