// SPDX-License-Identifier: GPL-2.0

//! What a service has in common with its destinations.

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::memory::KEPT;

use super::{marks::Marks, timeouts::TimeoutSettings};
use crate::stats::Stats;

/// What a service has in common with its destinations, and with a service of its key that comes
/// after it while there are connections. Each destination has the references itself, so that a
/// packet takes no step more to what it counts. The key is not among them, as the padding would be
/// more than the key: a service fits into one cache line.
pub(crate) struct Shared {
    pub(crate) stats: Arc<Stats>,
    /// The timeouts that were set for the service.
    pub(crate) timeouts: Arc<TimeoutSettings>,
    /// Which of its destinations have changed.
    pub(super) marks: Arc<Marks>,
}

impl Shared {
    /// Of a service that is new. May sleep.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            stats: Arc::pin_init(Stats::new(), KEPT)?,
            timeouts: Arc::new(TimeoutSettings::new(), KEPT)?,
            marks: Marks::new()?,
        })
    }
}
