// SPDX-License-Identifier: GPL-2.0

//! What follows a change once no packet goes by what was before.
//!
//! A request changes what packets read and does not wait for those that are under way. The changes
//! of a namespace are numbered: one is *settled* when a grace period has passed after it. What must
//! not be done before asks for that: a deleted destination is forgotten, and said to have drained,
//! when the change is settled that it was [`left_by`]; a port, and [`Service::steers`], outlast the
//! change that makes an end of them likewise. The periodic work settles all changes once a second; a
//! request that promises more settles its own, after it has given the mutex back.
//!
//! [`left_by`]: crate::service::Destination::left_by
//! [`Service::steers`]: crate::service::Service::steers

use kernel::sync::atomic::{Atomic, Relaxed};

/// The number of a change that no packet has to be waited for: it is settled.
pub(crate) const NOTHING: u64 = 0;

/// The number of the last change that is settled; those before it are too.
pub(crate) struct Settled(Atomic<u64>);

impl Settled {
    pub(crate) fn new() -> Self {
        Self(Atomic::new(NOTHING))
    }

    /// Whether no packet is under way that may not have seen the change of this number. Under the
    /// configuration's mutex.
    pub(crate) fn has(&self, number: u64) -> bool {
        number <= self.0.load(Relaxed)
    }

    /// A grace period has passed after the change of this number. Under the configuration's mutex.
    pub(crate) fn set(&self, number: u64) {
        if !self.has(number) {
            self.0.store(number, Relaxed);
        }
    }
}
