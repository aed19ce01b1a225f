// SPDX-License-Identifier: GPL-2.0

//! The life of a connection's entry on several CPUs at once, and what its destination counts.
//!
//! An entry begins uncounted, is counted by its inserter, has its state moved by packets of either
//! side, and ends once. At any moment when no CPU is in between, the counts of a destination are
//! those of its entries in the table. One word of the entry decides every race: the CPU that
//! changes it by compare-and-exchange moves the counts.
//!
//! The atomics are a parameter: the kernel's in the module, loom's in the model that runs this very
//! code in every order (`tests/model/`). They need not order anything for an entry's life. That an
//! entry is found as it was made, and that a grace period ends what ran before it, is the table's
//! and RCU's.

pub use counts::{Counts, Observer, Tally, Word};

use state::State;

pub(crate) mod counts;
pub mod rejected;
pub mod state;
pub mod timeout;
pub mod tuple;
mod window;

/// Set in an entry's word until the entry is counted, which is after it was inserted: an entry that
/// is refused may have been found by its reply key for a moment.
pub const UNCOUNTED: u32 = 1 << 9;

/// Set in an entry's word once the entry was removed: it is not counted any more.
pub const REMOVED: u32 = 1 << 8;

/// What changes in an entry: its state and the time of its last packet.
///
/// Every function that takes a tally takes the same one for an entry, which is that of its one
/// destination.
pub struct Lifecycle<W> {
    /// A [`State`] and the two marks.
    /// Guarded by: atomic; changed by compare-and-exchange.
    word: W,
    /// Seconds since boot; written at most once a second.
    /// Guarded by: atomic; any packet and the periodic work, the last writer wins.
    last_seen: W,
}

impl<W: Word> Lifecycle<W> {
    /// Creates the life of an entry that is about to be inserted at `now`, in seconds since boot.
    pub fn new(state: State, now: u32) -> Self {
        Self {
            word: W::new(u32::from(state.to_bits()) | UNCOUNTED),
            last_seen: W::new(now),
        }
    }

    /// Returns the state.
    pub fn state(&self) -> State {
        decode(self.word.load())
    }

    /// Returns when a packet was last seen, in seconds since boot.
    pub fn last_seen(&self) -> u32 {
        self.last_seen.load()
    }

    /// Notes that a packet was seen at `now`, in seconds since boot.
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
        // It fails when the entry was removed meanwhile, by a CPU that did not uncount it.
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

    /// Uncounts the entry. The CPU that took it out of the table, which is one, calls this once.
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

/// Returns the state in a word.
fn decode(word: u32) -> State {
    u8::try_from(word & 0xff)
        .ok()
        .and_then(State::from_bits)
        .unwrap_or(State::None)
}
