// SPDX-License-Identifier: GPL-2.0

//! What is counted of a destination's entries.

use super::state::State;

/// An atomic word of 32 bits; its operations may be relaxed. Any context.
pub trait Word {
    /// Creates a word of this value.
    fn new(value: u32) -> Self;

    /// Returns the value.
    fn load(&self) -> u32;

    /// Sets the value.
    fn store(&self, value: u32);

    /// Replaces `old` by `new` in one step, or else returns the value that is there.
    fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32>;

    /// Adds in one step, modulo 2^32. Fully ordered, unlike the others: see [`Observer`].
    fn add(&self, value: u32);
}

/// Is called when the counts of a destination have changed.
///
/// [`Word::add`], which changes them, is fully ordered: other CPUs see the change before anything
/// that the observer does.
pub trait Observer {
    /// Called when a count has just changed. Any context.
    fn changed(&self);
}

/// Does nothing.
impl Observer for () {
    fn changed(&self) {}
}

/// What is added to count one less.
const MINUS_ONE: u32 = u32::MAX;

/// The counts of a destination.
pub struct Counts<W, O = ()> {
    /// Entries. They have a counter of their own, which no change of a state touches: a deleted
    /// destination is let go when it is 0.
    /// Guarded by: atomic; changed after the table.
    connections: W,
    /// Those in states that count as active.
    /// Guarded by: atomic; changed where the state of an entry moves.
    active: W,
    /// Those that have not ended on both sides. A count of its own, like the others, so that it is
    /// right at any moment: a destination has drained when it is 0.
    /// Guarded by: atomic; changed where the state of an entry moves.
    open: W,
    observer: O,
}

impl<W: Word, O: Observer> Counts<W, O> {
    /// Creates counts of 0. The observer is called at every change.
    pub fn new(observer: O) -> Self {
        Self {
            connections: W::new(0),
            active: W::new(0),
            open: W::new(0),
            observer,
        }
    }

    /// Returns the observer.
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

    /// Returns `true` if no connection is left. Meant for a destination that gets no new ones,
    /// after a grace period: then every entry is counted, and 0 is final.
    pub fn is_drained(&self) -> bool {
        self.connections.load() == 0
    }
}

/// Counts entries.
pub trait Tally {
    /// Counts an entry that came in this state.
    fn enter(&self, state: State);

    /// Counts a change of an entry's state.
    fn change(&self, from: State, to: State);

    /// Counts an entry that went from this state.
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
        // The observer is called for what schedulers go by.
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

/// Returns a count, or 0 while it is below zero: two CPUs may change it in the wrong order.
pub(crate) fn at_least_zero(value: u32) -> u32 {
    if value > u32::MAX / 2 {
        0
    } else {
        value
    }
}
