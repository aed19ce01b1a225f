// SPDX-License-Identifier: GPL-2.0

//! Weighted round robin: each destination as often as its weight says, spread as evenly as whole
//! connections can be.
//!
//! This is the chairman assignment problem, solved as its author did (R. Tijdeman, "The chairman
//! assignment problem", Discrete Mathematics 32, 1980). Let W be the sum of all weights, n the
//! number of destinations that have one, and d = 1 - 1 / (2n - 2). In a cycle of W turns, a
//! destination of weight w that was picked x times is due in the first turn t, counted from 1, in
//! which t w / W - x is at least 1 - d, and must be picked in the last one at the latest in which
//! that is at most d. The pick is the destination that is due and has the earliest such deadline;
//! of equals, the first.
//!
//! While weights stay and every destination is usable:
//! - in the first t turns of a cycle each destination is picked t w / W times, give or take d;
//! - any W turns in a row pick each destination exactly w times;
//! - any other turns in a row, being the difference of two beginnings of a cycle, are off by 2d at
//!   most: by 1 with two destinations, by less than 2 with more. No order can promise 1 there for
//!   all weights: there is none for 2:4:5, as trying all of them shows.
//!
//! IPVS's own order, by the greatest common divisor, picks the heaviest destination many times in
//! a row first; this one does not.

use super::{Destinations, Schedule, Slot};

/// The weighted round robin scheduler. A choice looks at every destination a few times.
#[derive(Clone, Debug, Default)]
pub struct Wrr {
    /// The turn within the cycle, which has as many as the weights have in sum.
    turn: u64,
}

impl Schedule for Wrr {
    /// A destination that cannot be used when it is due keeps its claim until the cycle ends, and
    /// another one is picked in its place: one that is due, or else the one with the earliest
    /// deadline. What that one has had beyond its weight counts in the next cycle as long as there
    /// still is an unusable destination, so that the place is taken by all others in proportion to
    /// their weights.
    ///
    /// When a weight changes, or a destination is added, a new cycle begins.
    fn pick<D: Destinations>(&mut self, destinations: &D, slots: &mut [Slot]) -> Option<usize> {
        let len = destinations.len().min(slots.len());
        let slots = slots.get_mut(..len)?;
        if changed(destinations, slots) {
            self.begin(destinations, slots);
        }
        let total = total(slots);
        let index = self.earliest(destinations, slots, total)?;
        if let Some(slot) = slots.get_mut(index) {
            slot.picks = slot.picks.saturating_add(1);
        }
        self.turn = self.turn.saturating_add(1);
        if self.turn >= total {
            self.turn = 0;
            end_cycle(destinations, slots);
        }
        Some(index)
    }
}

/// The sum of the weights. Far below 2^64: each has 16 bits.
fn total(slots: &[Slot]) -> u64 {
    slots
        .iter()
        .map(|slot| u64::from(slot.weight))
        .fold(0, u64::saturating_add)
}

/// Whether the cycle was begun with other weights; a destination that it was begun without has
/// weight 0 in its slot.
fn changed<D: Destinations>(destinations: &D, slots: &[Slot]) -> bool {
    slots
        .iter()
        .enumerate()
        .any(|(index, slot)| slot.weight != destinations.weight(index))
}

impl Wrr {
    fn begin<D: Destinations>(&mut self, destinations: &D, slots: &mut [Slot]) {
        self.turn = 0;
        for (index, slot) in slots.iter_mut().enumerate() {
            *slot = Slot {
                weight: destinations.weight(index),
                picks: 0,
            };
        }
    }

    /// The usable destination to pick, for weights with the sum `total`.
    fn earliest<D: Destinations>(
        &self,
        destinations: &D,
        slots: &[Slot],
        total: u64,
    ) -> Option<usize> {
        let turn = self.turn.saturating_add(1);
        let weighted = slots.iter().filter(|slot| slot.weight != 0).count();
        let double = u64::try_from(weighted)
            .unwrap_or(u64::MAX)
            .saturating_sub(1)
            .max(1)
            .saturating_mul(2);
        // With `double` = 2n - 2, all is multiplied by it to stay whole. Saturation would take
        // more than 40,000 destinations that all have the largest weight.
        let key = |(index, slot): (usize, &Slot)| {
            let weight = double.saturating_mul(u64::from(slot.weight));
            let picks = double.saturating_mul(slot.picks);
            let due = picks.saturating_add(1).saturating_mul(total);
            let due = due
                .saturating_add(weight.saturating_sub(1))
                .checked_div(weight)?;
            let deadline = picks.saturating_add(double).saturating_sub(1);
            let deadline = deadline.saturating_mul(total).checked_div(weight)?;
            destinations
                .usable(index)
                .then_some((turn < due, deadline, index))
        };
        let (_, _, index) = slots.iter().enumerate().filter_map(key).min()?;
        Some(index)
    }
}

/// Takes the cycle that has ended off the picks.
fn end_cycle<D: Destinations>(destinations: &D, slots: &mut [Slot]) {
    let usable = |index: &usize| destinations.usable(*index);
    let all_usable = (0..slots.len()).all(|index| usable(&index));
    // How often the usable destinations, each of them, were picked as often as their weights say.
    let rounds = slots
        .iter()
        .enumerate()
        .filter(|(index, _)| usable(index))
        .filter_map(|(_, slot)| slot.picks.checked_div(u64::from(slot.weight)))
        .min()
        .unwrap_or(0)
        .max(1);
    for slot in slots {
        let due = rounds.saturating_mul(u64::from(slot.weight));
        slot.picks = if all_usable {
            0
        } else {
            slot.picks.saturating_sub(due)
        };
    }
}
