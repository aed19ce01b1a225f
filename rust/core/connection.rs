// SPDX-License-Identifier: GPL-2.0

//! The life of a connection's entry on several CPUs at once, and what its destination counts.
//!
//! An entry begins uncounted, is counted by its inserter, has its state moved by packets of either
//! side, and ends once. At any moment when nobody is in between, the counts of a destination are
//! those of its entries in the table. One word of the entry decides every race: whoever changes it
//! by compare-and-exchange moves the counts.
//!
//! The atomics are a parameter: the kernel's in the module, loom's in the model that runs this very
//! code in every order (`tests/model/`). They need not order anything for an entry's life. That an
//! entry is found as it was made, and that a grace period ends what ran before it, is the table's
//! and RCU's.

use crate::connection::state::State;

pub mod rejected;
pub mod state;
pub mod tuple;
mod window;

/// Set in an entry's word until the entry is counted, which is after it was inserted: an entry that
/// is refused may have been found by its reply key for a moment.
pub const UNCOUNTED: u32 = 1 << 9;

/// Set in an entry's word once the entry was removed: it is not counted any more.
pub const REMOVED: u32 = 1 << 8;

/// An atomic word of 32 bits; its operations may be relaxed. Any context.
pub trait Word {
    /// A word of this value.
    fn new(value: u32) -> Self;

    /// The value.
    fn load(&self) -> u32;

    /// Sets the value.
    fn store(&self, value: u32);

    /// Replaces `old` by `new` in one step, or else tells the value that is there.
    fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32>;

    /// Adds in one step, modulo 2^32. Fully ordered, unlike the others: see [`Observer`].
    fn add(&self, value: u32);
}

/// Somebody who is to know that the counts of a destination have changed.
///
/// [`Word::add`], which changes them, is fully ordered: other CPUs see the change before anything
/// that the observer does.
pub trait Observer {
    /// A count has just changed. Any context.
    fn changed(&self);
}

/// Nobody.
impl Observer for () {
    fn changed(&self) {}
}

/// What is added to count one less.
const MINUS_ONE: u32 = u32::MAX;

/// The counts of a destination.
pub struct Counts<W, O = ()> {
    /// Entries. They have a counter of their own, which no change of a state touches: a deleted
    /// destination is let go when it is 0.
    connections: W,
    /// Those in states that count as active.
    active: W,
    /// Those that have not ended on both sides. A count of its own, like the others, so that it is
    /// right at any moment: that it is 0 is what tells that a destination has drained.
    open: W,
    observer: O,
}

impl<W: Word, O: Observer> Counts<W, O> {
    /// No connection. The observer hears of every change.
    pub fn new(observer: O) -> Self {
        Self {
            connections: W::new(0),
            active: W::new(0),
            open: W::new(0),
            observer,
        }
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// Connections.
    pub fn connections(&self) -> u32 {
        at_least_zero(self.connections.load())
    }

    /// Connections that count as active.
    pub fn active(&self) -> u32 {
        at_least_zero(self.active.load())
    }

    /// Connections that do not.
    pub fn inactive(&self) -> u32 {
        self.connections().saturating_sub(self.active())
    }

    /// Connections that have not ended on both sides.
    pub fn open(&self) -> u32 {
        at_least_zero(self.open.load())
    }

    /// Whether no connection is left. Meant for a destination that gets no new ones, after a grace
    /// period: then every entry is counted, and 0 is final.
    pub fn is_drained(&self) -> bool {
        self.connections.load() == 0
    }
}

/// What is counted of entries.
pub trait Tally {
    /// An entry came, in this state.
    fn enter(&self, state: State);

    /// An entry's state has changed.
    fn change(&self, from: State, to: State);

    /// An entry went, from this state.
    fn leave(&self, state: State);
}

impl<W: Word, O: Observer> Tally for Counts<W, O> {
    fn enter(&self, state: State) {
        self.connections.add(1);
        if state.is_active() {
            self.active.add(1);
        }
        if !state.is_finished() {
            self.open.add(1);
        }
        self.observer.changed();
    }

    fn change(&self, from: State, to: State) {
        match (from.is_finished(), to.is_finished()) {
            (true, false) => self.open.add(1),
            (false, true) => self.open.add(MINUS_ONE),
            _ => {}
        }
        // The observer is told of what schedulers go by.
        match (from.is_active(), to.is_active()) {
            (false, true) => self.active.add(1),
            (true, false) => self.active.add(MINUS_ONE),
            _ => return,
        }
        self.observer.changed();
    }

    fn leave(&self, state: State) {
        if !state.is_finished() {
            self.open.add(MINUS_ONE);
        }
        if state.is_active() {
            self.active.add(MINUS_ONE);
        }
        self.connections.add(MINUS_ONE);
        self.observer.changed();
    }
}

/// An entry may be counted twice: for its destination, and for something else.
impl<W: Word, O: Observer> Tally for (&Counts<W, O>, Option<&Counts<W>>) {
    fn enter(&self, state: State) {
        self.0.enter(state);
        if let Some(other) = self.1 {
            other.enter(state);
        }
    }

    fn change(&self, from: State, to: State) {
        self.0.change(from, to);
        if let Some(other) = self.1 {
            other.change(from, to);
        }
    }

    fn leave(&self, state: State) {
        self.0.leave(state);
        if let Some(other) = self.1 {
            other.leave(state);
        }
    }
}

/// A count that two CPUs may change in the wrong order: it is below zero for a moment then.
pub(crate) fn at_least_zero(value: u32) -> u32 {
    if value > u32::MAX / 2 {
        0
    } else {
        value
    }
}

/// What changes in an entry: its state and the time of its last packet.
///
/// Every function that takes a tally takes the same one for an entry, which is that of its one
/// destination.
pub struct Lifecycle<W> {
    /// A [`State`] and the two marks.
    word: W,
    /// Seconds since boot; written at most once a second.
    last_seen: W,
}

impl<W: Word> Lifecycle<W> {
    /// Of an entry that is about to be inserted at `now`, in seconds since boot.
    pub fn new(state: State, now: u32) -> Self {
        Self {
            word: W::new(u32::from(state.to_bits()) | UNCOUNTED),
            last_seen: W::new(now),
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        decode(self.word.load())
    }

    /// When a packet was last seen, in seconds since boot.
    pub fn last_seen(&self) -> u32 {
        self.last_seen.load()
    }

    /// A packet was seen at `now`, in seconds since boot.
    #[inline]
    pub fn touch(&self, now: u32) {
        // A store dirties the cache line for the other CPUs: not more often than it matters.
        if self.last_seen.load() != now {
            self.last_seen.store(now);
        }
    }

    /// Counts the entry. Its inserter calls this once, after it has inserted the entry and in the
    /// same read-side section.
    pub fn begin(&self, counts: &impl Tally) {
        let state = self.state();
        let counted = u32::from(state.to_bits());
        counts.enter(state);
        // It fails when the entry was removed meanwhile, by one who did not uncount it.
        if self
            .word
            .compare_exchange(counted | UNCOUNTED, counted)
            .is_err()
        {
            counts.leave(state);
        }
    }

    /// Moves the state as `next` says, which is asked again when another packet was quicker. An entry
    /// that is not counted keeps its state.
    #[inline]
    pub fn advance(&self, counts: &impl Tally, next: impl Fn(State) -> State) {
        let mut old = self.word.load();
        while old & (REMOVED | UNCOUNTED) == 0 {
            let from = decode(old);
            let to = next(from);
            if from == to {
                return;
            }
            match self.word.compare_exchange(old, u32::from(to.to_bits())) {
                Ok(()) => return counts.change(from, to),
                Err(current) => old = current,
            }
        }
    }

    /// Counts the entry no more. Whoever took it out of the table, who is one, calls this once.
    pub fn end(&self, counts: &impl Tally) {
        // After this no packet moves the state, so that the state it was left in is the one counted.
        let mut old = self.word.load();
        while let Err(current) = self.word.compare_exchange(old, old | REMOVED) {
            old = current;
        }
        if old & UNCOUNTED == 0 {
            counts.leave(decode(old));
        }
    }
}

/// The state in its word.
fn decode(word: u32) -> State {
    u8::try_from(word & 0xff)
        .ok()
        .and_then(State::from_bits)
        .unwrap_or(State::None)
}
