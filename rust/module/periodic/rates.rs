// SPDX-License-Identifier: GPL-2.0

//! The rates of services and destinations.

use kernel::time::Instant;
use rlvs_core::estimate;
use rlvs_kext::task;

use crate::config::{stats_of, Config};

/// Steps all rates when their period is over. Must be called once a second; may sleep.
pub(super) fn estimate(config: &mut Config) {
    let elapsed = config.estimated.elapsed().as_millis();
    let elapsed = u32::try_from(elapsed).unwrap_or(u32::MAX);
    // Half a second of tolerance: the call that is nearest to the end of the period steps.
    if elapsed < estimate::PERIOD_MS.saturating_sub(500) {
        return;
    }
    config.estimated = Instant::now();
    for configured in config.services.iter() {
        configured.service.shared.stats.estimate(elapsed);
        for destination in configured.destinations.iter() {
            destination.stats.estimate(elapsed);
        }
        task::cond_resched();
    }
    let listed = stats_of(&config.services);
    config.totals.estimate(elapsed, listed);
}
