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
//!
//! When a weight changes, a new cycle begins, and each destination takes into it what it is behind
//! or ahead of its share. So weights that change all the time, by a feedback agent for example,
//! starve nobody. From then on picks keep to the weights to about one more.

use super::{Destinations, Memory};
use crate::refusal::Refusal;

/// The weighted round robin scheduler. A choice looks at every destination a few times.
pub struct Wrr<M: Memory> {
    /// The turn within the cycle, which has as many as the weights have in sum.
    turn: u64,
    /// Some destination began the cycle behind or ahead.
    uneven: bool,
    slots: M::Slice<Slot>,
}

/// What is kept for each destination.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The weight that `picks` were made with.
    weight: u16,
    /// How often the destination was picked in this cycle.
    picks: u64,
    /// How far behind its share it began the cycle, in [`ONE`] part of a pick; negative: ahead.
    behind: i64,
}

/// One pick in the unit of [`Slot::behind`].
const ONE: i64 = 1 << 12;

/// More than this nobody is behind or ahead while all are usable; what a long time unusable adds
/// is forgotten.
const MOST: i64 = 2 * ONE;

impl<M: Memory> Wrr<M> {
    /// A scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        let slots = M::filled(Slot::default(), destinations.len());
        Ok(Self {
            turn: 0,
            uneven: false,
            slots: slots.ok_or(Refusal::NoMemory)?,
        })
    }

    /// A destination that cannot be used when it is due keeps its claim until the cycle ends, and
    /// another one is picked in its place: one that is due, or else the one with the earliest
    /// deadline. What that one has had beyond its weight counts in the next cycle as long as there
    /// still is an unusable destination, so that the place is taken by all others in proportion to
    /// their weights.
    ///
    /// Of destinations that the scheduler was not made for, those beyond its own number get nothing.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        if self.changed(destinations) {
            self.begin(destinations);
        }
        let total = total(&self.slots);
        let index = self.earliest(destinations, total)?;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.picks = slot.picks.saturating_add(1);
        }
        self.turn = self.turn.saturating_add(1);
        if self.turn >= total {
            self.end(destinations);
        }
        Some(index)
    }

    /// Whether the cycle was begun with other weights.
    fn changed<D: Destinations>(&self, destinations: &D) -> bool {
        let mut slots = self.slots.iter().enumerate();
        slots.any(|(index, slot)| slot.weight != destinations.weight(index))
    }

    /// Begins a cycle with the weights of now.
    fn begin<D: Destinations>(&mut self, destinations: &D) {
        let total = total(&self.slots);
        let turn = self.turn;
        self.turn = 0;
        self.uneven = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let weight = destinations.weight(index);
            // One that is quiesced keeps its claim: it may be back for the next pick.
            let behind = slot.behind_at(turn, total);
            self.uneven |= behind != 0;
            *slot = Slot {
                weight,
                picks: 0,
                behind,
            };
        }
    }

    /// The usable destination to pick, for weights with the sum `total`.
    fn earliest<D: Destinations>(&self, destinations: &D, total: u64) -> Option<usize> {
        let turn = signed(self.turn.saturating_add(1));
        let weighted = self.slots.iter().filter(|slot| slot.weight != 0).count();
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
            // One that is behind is due as many turns earlier as its share takes.
            let sooner = signed(total)
                .saturating_mul(slot.behind)
                .checked_div(ONE.saturating_mul(i64::from(slot.weight)))?;
            let due = signed(due).saturating_sub(sooner);
            let deadline = signed(deadline).saturating_sub(sooner);
            destinations
                .usable(index)
                .then_some((turn < due, deadline, index))
        };
        let (_, _, index) = self.slots.iter().enumerate().filter_map(key).min()?;
        Some(index)
    }

    /// Takes the cycle that has ended off the picks.
    fn end<D: Destinations>(&mut self, destinations: &D) {
        let turn = self.turn;
        self.turn = 0;
        let usable = |index: &usize| destinations.usable(*index);
        if (0..self.slots.len()).all(|index| usable(&index)) {
            let uneven = self.uneven;
            self.uneven = false;
            for slot in self.slots.iter_mut() {
                // Everybody has what the weights say, unless the cycle began unevenly.
                slot.behind = if uneven {
                    slot.behind_at(turn, turn)
                } else {
                    0
                };
                slot.picks = 0;
                self.uneven |= slot.behind != 0;
            }
            return;
        }
        // How often the usable destinations, each of them, were picked as often as their weights
        // say.
        let rounds = self
            .slots
            .iter()
            .enumerate()
            .filter(|(index, _)| usable(index))
            .filter_map(|(_, slot)| slot.picks.checked_div(u64::from(slot.weight)))
            .min()
            .unwrap_or(0)
            .max(1);
        for slot in self.slots.iter_mut() {
            let due = rounds.saturating_mul(u64::from(slot.weight));
            slot.picks = slot.picks.saturating_sub(due);
        }
    }
}

impl Slot {
    /// How far behind its share the destination is after `turn` turns of a cycle with `total`.
    fn behind_at(&self, turn: u64, total: u64) -> i64 {
        let share = signed(turn.saturating_mul(u64::from(self.weight)));
        let picked = signed(self.picks.saturating_mul(total));
        let behind = share.saturating_sub(picked).saturating_mul(ONE);
        let behind = behind.checked_div(signed(total)).unwrap_or(0);
        behind.saturating_add(self.behind).clamp(-MOST, MOST)
    }
}

/// The sum of the weights. Far below 2^64: each has 16 bits.
fn total(slots: &[Slot]) -> u64 {
    slots
        .iter()
        .map(|slot| u64::from(slot.weight))
        .fold(0, u64::saturating_add)
}

/// The number with a sign; the largest there is for one that is too large.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
