// SPDX-License-Identifier: GPL-2.0

//! Weighted least connections: the destination with the fewest connections for its weight.

use super::{eligible, Destinations, Schedule, Slot};

/// The weighted least connections scheduler. A choice looks at every destination.
#[derive(Clone, Debug, Default)]
pub struct Wlc;

/// What a connection costs: an active one 257, because it is one of all as well, another one 1.
/// IPVS weighs them the same way. At most 2^40 or so.
#[inline]
fn load<D: Destinations>(destinations: &D, index: usize) -> u64 {
    let active = u64::from(destinations.active(index));
    let inactive = u64::from(destinations.inactive(index));
    active.saturating_mul(257).saturating_add(inactive)
}

impl Schedule for Wlc {
    /// Of several destinations with the same load for their weight, the first is chosen.
    fn pick<D: Destinations>(&mut self, destinations: &D, _slots: &mut [Slot]) -> Option<usize> {
        let mut best: Option<(usize, u64, u64)> = None;
        for index in (0..destinations.len()).filter(|index| eligible(destinations, *index)) {
            let load = load(destinations, index);
            let weight = u64::from(destinations.weight(index));
            // load / weight < best_load / best_weight, without the divisions. A load has 41 bits
            // and a weight 16: the products fit.
            let less = best.is_none_or(|(_, best_load, best_weight)| {
                load.saturating_mul(best_weight) < best_load.saturating_mul(weight)
            });
            // The weight may have become 0 since it was looked at.
            if less && weight != 0 {
                best = Some((index, load, weight));
            }
        }
        best.map(|(index, _, _)| index)
    }
}
