// SPDX-License-Identifier: GPL-2.0

//! The destination with the least load for its weight.

use super::{eligible, Destinations};

/// What a destination's connections cost: an active one 257, because it is one of all as well,
/// another one 1. IPVS weighs them the same way. Below 2^41.
#[inline]
pub(super) fn overhead<D: Destinations>(destinations: &D, index: usize) -> u64 {
    let active = u64::from(destinations.active(index));
    let inactive = u64::from(destinations.inactive(index));
    active.saturating_mul(257).saturating_add(inactive)
}

/// The active connections that a destination would have with one more.
#[inline]
pub(super) fn expected<D: Destinations>(destinations: &D, index: usize) -> u64 {
    u64::from(destinations.active(index)).saturating_add(1)
}

/// Whether load `a` is less for weight `weight_a` than `b` is for `weight_b`. Without a division; a
/// load below 2^48 times a weight fits.
#[inline]
pub(super) fn is_less((a, weight_a): (u64, u16), (b, weight_b): (u64, u16)) -> bool {
    a.saturating_mul(u64::from(weight_b)) < b.saturating_mul(u64::from(weight_a))
}

/// The destination that can be chosen and has the least `load` for its `weight`; of equals, the
/// first of `candidates`. Looks at each once.
pub(super) fn least<D: Destinations>(
    destinations: &D,
    candidates: impl Iterator<Item = usize>,
    load: impl Fn(usize) -> u64,
    weight: impl Fn(usize) -> u16,
) -> Option<usize> {
    let mut best: Option<(usize, (u64, u16))> = None;
    for index in candidates.filter(|index| eligible(destinations, *index)) {
        let candidate = (load(index), weight(index));
        let less = best.is_none_or(|(_, best)| is_less(candidate, best));
        // The weight may have become 0 since it was looked at.
        if less && candidate.1 != 0 {
            best = Some((index, candidate));
        }
    }
    best.map(|(index, _)| index)
}
