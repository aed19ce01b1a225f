// SPDX-License-Identifier: GPL-2.0

//! Weighted round robin: each destination as often as its weight says, spread as evenly as whole
//! connections can be.
//!
//! This is the chairman assignment problem, solved as its author did (R. Tijdeman, "The chairman
//! assignment problem", Discrete Mathematics 32, 1980). Let W be the sum of all weights, n the
//! number of destinations that have one, and d = 1 - 1 / (2n - 2). A destination of weight w that
//! was picked x times is due in the first turn t, counted from 1, in which t w / W - x is at least
//! 1 - d, and must be picked in the first one at the latest in which that is more than d. The pick
//! is the destination that is due and has the earliest such deadline; of equals, the first.
//!
//! While weights stay and every destination is usable:
//! - in the first t turns each destination is picked t w / W times, give or take d;
//! - any W turns in a row pick each destination exactly w times;
//! - any other turns in a row, being the difference of two beginnings, are off by 2d at most: by 1
//!   with two destinations, by less than 2 with more. No order can promise 1 there for all weights:
//!   there is none for 2:4:5, as trying all of them shows.
//!
//! IPVS's own order, by the greatest common divisor, picks the heaviest destination many times in
//! a row first; this one does not.
//!
//! While a destination cannot be used, the others have its turns by their weights: the one that is
//! due first is picked although it is not. When the destination is back, it is picked at once; if
//! it is more than two picks behind after that, it has no claim to them, and none is more than two
//! picks ahead.
//!
//! When a weight changes, or a destination comes or goes, turns are counted from 1 again, and each
//! destination takes with it what it is behind or ahead of its share. So weights that change all
//! the time, by a feedback agent for example, starve none. From then on picks keep to the weights
//! to about one more.

use super::{
    destinations::{eligible, takes_new, Destinations},
    memory::Memory,
    tournament::Tournament,
};
use crate::{heard::MANY, refusal::Refusal};

/// The weighted round robin scheduler. A choice takes O(log n) steps for each destination that has
/// changed since the last one, as [`super::least::Smallest`] says, and for each that has become due,
/// which it does once for each time it is picked. When weights have changed, the next choice looks at
/// every destination; with more than [`MANY`] none does, and the caller has to make another scheduler
/// ([`super::Kind::is_made_for_weights`]), which begins when it first looks.
///
/// With more than [`MANY`] destinations, many of them may become due in the same turn: those of equal
/// weights do. Each choice calls as many as that, so that one may be picked as many turns late as
/// there are that many destinations: of 65536, 1024.
pub struct Wrr<M: Memory> {
    slots: M::Slice<Slot>,
    /// Those that can be chosen and were not due when they were last looked at: the turn in which
    /// they are, and their deadline.
    waiting: Tournament<M, (i64, i64)>,
    /// Those that can be chosen and are due: their deadline.
    due: Tournament<M, i64>,
    clock: Clock,
    /// No turn was counted for these destinations yet.
    fresh: bool,
    /// Turns have to be counted from 1 again.
    stale: bool,
}

/// What all destinations have in common while no weight changes.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// How many turns there were.
    turn: u64,
    /// The sum of all weights. Far below 2^64: each has 16 bits.
    total: u64,
    /// 2n - 2 for n destinations with a weight; 2 for one.
    double: u64,
}

/// What is kept for each destination.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The weight that `picks` were made with.
    weight: u16,
    /// In turns: `total` for each time that it was picked as often as its weight says.
    base: u64,
    /// How often it was picked since; less than its weight.
    picks: u64,
    /// How far behind its share it began, in [`ONE`] part of a pick; negative: ahead.
    behind: i64,
}

/// One pick in the unit of [`Slot::behind`].
const ONE: i64 = 1 << 12;

/// No destination is behind or ahead by more than this while all are usable; what a long time
/// unusable adds is forgotten.
const MOST: i64 = 2 * ONE;

impl<M: Memory> Wrr<M> {
    /// Creates a scheduler for as many destinations.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        let len = destinations.len();
        Ok(Self {
            slots: M::filled(Slot::default(), len).ok_or(Refusal::NoMemory)?,
            waiting: Tournament::new(len)?,
            due: Tournament::new(len)?,
            clock: Clock::default(),
            fresh: true,
            stale: false,
        })
    }

    /// Returns the destination that is due and has the earliest deadline, or else that which is due
    /// first.
    ///
    /// Of destinations that the scheduler was not made for, those beyond its own number get nothing.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        self.look(destinations);
        self.call(self.clock.next());
        let can = |index| eligible(destinations, index);
        let index = self.due.first(can).or_else(|| self.waiting.first(can))?;
        let slot = self.slots.get_mut(index)?;
        // One that is picked before it is due takes the turn of one that cannot be picked. Before
        // it is further ahead than others may be, such turns are left out.
        let turn = self.clock.next().max(slot.earliest(&self.clock));
        self.clock.turn = u64::try_from(turn).unwrap_or(0);
        slot.count(&self.clock);
        self.enter(index, true);
        Some(index)
    }

    /// Goes on where `old` is; see [`super::Exclusive::inherit_part`]. A new destination is neither
    /// behind nor ahead.
    pub(super) fn inherit(&mut self, old: &Self, kept: impl Iterator<Item = (usize, usize)>) {
        self.clock = old.clock;
        for (before, after) in kept {
            if let (Some(slot), Some(place)) = (old.slots.get(before), self.slots.get_mut(after)) {
                *place = *slot;
            }
        }
    }

    /// Looks at the destinations that have changed.
    pub(super) fn look<D: Destinations>(&mut self, destinations: &D) {
        destinations.take_changed(|index| {
            let weight = self.slots.get(index).map_or(0, |slot| slot.weight);
            self.stale |= weight != destinations.weight(index);
            self.enter(index, takes_new(destinations, index));
        });
        let is_stale = core::mem::take(&mut self.stale) && self.slots.len() <= MANY;
        if core::mem::take(&mut self.fresh) || is_stale {
            self.begin(destinations);
        }
    }

    /// Counts turns from 1 again, with the weights of now.
    fn begin<D: Destinations>(&mut self, destinations: &D) {
        let before = self.clock;
        let (mut total, mut weighted) = (0_u64, 0_u64);
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let weight = destinations.weight(index);
            // One that is quiesced keeps its claim: it may be back for the next pick.
            let behind = slot.behind_at(&before).clamp(-MOST, MOST);
            *slot = Slot {
                weight,
                behind,
                ..Slot::default()
            };
            total = total.saturating_add(u64::from(weight));
            weighted = weighted.saturating_add(u64::from(weight != 0));
        }
        self.clock = Clock {
            turn: 0,
            total,
            double: weighted.saturating_sub(1).max(1).saturating_mul(2),
        };
        let (slots, clock) = (&self.slots, &self.clock);
        let times = |index: usize| {
            let slot: &Slot = slots.get(index)?;
            let can = slot.weight != 0 && takes_new(destinations, index);
            can.then(|| slot.times(clock))
        };
        // Most are due at once.
        let is_due = |due: i64| due <= clock.next();
        self.due.fill(|index| {
            let (due, deadline) = times(index)?;
            is_due(due).then_some(deadline)
        });
        self.waiting
            .fill(|index| times(index).filter(|(due, _)| !is_due(*due)));
    }

    /// Moves those that are due in this turn from the ones that wait: [`MANY`] at most.
    fn call(&mut self, turn: i64) {
        for _ in 0..MANY {
            let first = self.waiting.first(|_| true);
            let Some((index, (due, deadline))) =
                first.and_then(|index| Some((index, self.waiting.get(index)?)))
            else {
                return;
            };
            if due > turn {
                return;
            }
            self.waiting.set(index, None);
            self.due.set(index, Some(deadline));
        }
    }

    /// Has a destination wait, if it `can` be chosen.
    fn enter(&mut self, index: usize, can: bool) {
        let slot = self.slots.get(index).filter(|slot| can && slot.weight != 0);
        let times = slot.map(|slot| slot.times(&self.clock));
        self.waiting.set(index, times);
        self.due.set(index, None);
    }
}

impl Clock {
    /// Returns the next turn.
    fn next(&self) -> i64 {
        signed(self.turn).saturating_add(1)
    }
}

impl Slot {
    /// Returns the turn from which on it is to be picked, and the last one.
    fn times(&self, clock: &Clock) -> (i64, i64) {
        (self.due(clock), self.deadline(clock))
    }

    // With `double` = 2n - 2, all is multiplied by it to stay whole. Saturation would take more
    // than 40,000 destinations that all have the largest weight.

    fn due(&self, clock: &Clock) -> i64 {
        let weight = self.weight(clock);
        let picks = clock.double.saturating_mul(self.picks).saturating_add(1);
        let turns = picks.saturating_mul(clock.total);
        let turns = turns.saturating_add(weight.saturating_sub(1));
        self.turns(clock, turns.checked_div(weight))
    }

    /// Returns the turn from which on it may be picked although it is not due: it is [`MOST`] ahead
    /// then.
    fn earliest(&self, clock: &Clock) -> i64 {
        let ahead = signed(clock.total).saturating_mul(MOST);
        let ahead = ahead.checked_div(ONE.saturating_mul(i64::from(self.weight)));
        self.due(clock).saturating_sub(ahead.unwrap_or(0))
    }

    fn deadline(&self, clock: &Clock) -> i64 {
        let picks = clock.double.saturating_mul(self.picks);
        let picks = picks.saturating_add(clock.double).saturating_sub(1);
        let turns = picks.saturating_mul(clock.total);
        let turns = turns.checked_div(self.weight(clock));
        self.turns(clock, turns).saturating_add(1)
    }

    fn weight(&self, clock: &Clock) -> u64 {
        clock.double.saturating_mul(u64::from(self.weight))
    }

    /// Returns the turn that is so many turns after `base`. One that is behind is due as many turns
    /// earlier as its share takes.
    fn turns(&self, clock: &Clock, turns: Option<u64>) -> i64 {
        let sooner = signed(clock.total)
            .saturating_mul(self.behind)
            .checked_div(ONE.saturating_mul(i64::from(self.weight)));
        signed(self.base)
            .saturating_add(signed(turns.unwrap_or(u64::MAX)))
            .saturating_sub(sooner.unwrap_or(0))
    }

    /// Counts a pick, and forgets what the destination is behind too far.
    fn count(&mut self, clock: &Clock) {
        self.add(1, clock.total);
        let behind = self.behind_at(clock);
        if behind > MOST {
            let whole = u64::try_from(behind / ONE).unwrap_or(0);
            self.add(whole, clock.total);
        }
    }

    fn add(&mut self, picks: u64, total: u64) {
        let picks = self.picks.saturating_add(picks);
        let weight = u64::from(self.weight);
        if let (Some(rounds), Some(rest)) = (picks.checked_div(weight), picks.checked_rem(weight)) {
            self.picks = rest;
            self.base = self.base.saturating_add(rounds.saturating_mul(total));
        }
    }

    /// Returns how far behind its share the destination is.
    fn behind_at(&self, clock: &Clock) -> i64 {
        // Whole rounds first: the rest is small enough to be multiplied.
        let turns = signed(clock.turn).saturating_sub(signed(self.base));
        let share = turns.saturating_mul(i64::from(self.weight));
        let picked = signed(self.picks.saturating_mul(clock.total));
        let behind = share.saturating_sub(picked).saturating_mul(ONE);
        let behind = behind.checked_div(signed(clock.total)).unwrap_or(0);
        behind.saturating_add(self.behind)
    }
}

/// Returns the number with a sign; the largest there is for one that is too large.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
