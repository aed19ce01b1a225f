// SPDX-License-Identifier: GPL-2.0

//! The life of a connection's entry on several CPUs at once, and what its destination counts.
//!
//! An entry begins uncounted, is counted by its inserter, has its state moved by packets of either
//! side, and ends once. At any moment when nobody is in between, the counts of a destination are
//! those of its entries in the table. One word of the entry decides every race: whoever changes it
//! by compare-and-exchange moves the counts.
//!
//! The atomics are a parameter: the kernel's in the module, loom's in the model that runs this very
//! code in every order (`tests/model/`). None of them has to order anything. That an entry is
//! found as it was made, and that a grace period ends what ran before it, is the table's and RCU's.

use crate::flow::State;

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

    /// Adds in one step, modulo 2^32.
    fn add(&self, value: u32);
}

/// What is added to count one less.
const MINUS_ONE: u32 = u32::MAX;

/// The counts of a destination.
pub struct Counts<W> {
    /// Entries. They have a counter of their own, which no change of a state touches: a deleted
    /// destination is let go when it is 0.
    connections: W,
    /// Those in states that count as active.
    active: W,
}

impl<W: Word> Counts<W> {
    /// No connection.
    pub fn new() -> Self {
        Self {
            connections: W::new(0),
            active: W::new(0),
        }
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

    /// Whether no connection is left. Meant for a destination that gets no new ones, after a grace
    /// period: then every entry is counted, and 0 is final.
    pub fn is_drained(&self) -> bool {
        self.connections.load() == 0
    }

    fn enter(&self, state: State) {
        self.connections.add(1);
        if state.is_active() {
            self.active.add(1);
        }
    }

    fn change(&self, from: State, to: State) {
        match (from.is_active(), to.is_active()) {
            (false, true) => self.active.add(1),
            (true, false) => self.active.add(MINUS_ONE),
            _ => {}
        }
    }

    fn leave(&self, state: State) {
        if state.is_active() {
            self.active.add(MINUS_ONE);
        }
        self.connections.add(MINUS_ONE);
    }
}

impl<W: Word> Default for Counts<W> {
    fn default() -> Self {
        Self::new()
    }
}

/// A count that two CPUs may change in the wrong order: it is below zero for a moment then.
fn at_least_zero(value: u32) -> u32 {
    if value > u32::MAX / 2 {
        0
    } else {
        value
    }
}

/// What changes in an entry: its state and the time of its last packet.
///
/// Every function that takes counts takes those of the entry's one destination.
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
    pub fn begin(&self, counts: &Counts<W>) {
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
    pub fn advance(&self, counts: &Counts<W>, next: impl Fn(State) -> State) {
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
    pub fn end(&self, counts: &Counts<W>) {
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
