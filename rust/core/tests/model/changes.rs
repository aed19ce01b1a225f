// SPDX-License-Identifier: GPL-2.0

//! CPUs change the counts of destinations while another one looks only at those that have changed,
//! as a CPU that picks does. The life of the entries, the counts and the marks are the module's own
//! code.

use std::{cell::Cell, sync::Mutex};

use loom::{sync::Arc, thread};
use rlvs_core::{
    connection::{state::State, Counts, Lifecycle, Observer},
    schedule::marks::{Changed, Taker},
};

use crate::{
    explore,
    machine::{Bits, Fault, Sound, Unordered, Word},
};

/// How far the life of an entry goes.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Until {
    Begun,
    /// Its state counts otherwise.
    Moved,
    Ended,
}

/// Marks a destination.
struct Mark<F> {
    changed: Arc<Changed<Bits<F>>>,
    number: u32,
}

impl<F: Fault> Observer for Mark<F> {
    fn changed(&self) {
        self.changed.mark(self.number);
    }
}

/// Two destinations.
struct Service<F> {
    changed: Arc<Changed<Bits<F>>>,
    counts: [Counts<Word<F>, Mark<F>>; 2],
    pool: Pool<F>,
    /// The one that takes the place of `pool`, if any does.
    next: Pool<F>,
}

/// What a CPU that picks has seen of the destinations.
struct Pool<F> {
    taker: Taker<Bits<F>>,
    /// Behind the lock of picking.
    seen: Mutex<[(u32, u32); 2]>,
}

impl<F: Fault> Pool<F> {
    fn new() -> Self {
        Self {
            taker: Taker::new(),
            seen: Mutex::default(),
        }
    }
}

impl<F: Fault> Service<F> {
    /// Destinations with these numbers.
    fn new(numbers: [u32; 2]) -> Self {
        let changed = Arc::new(Changed::new());
        let counts = numbers.map(|number| {
            Counts::new(Mark {
                changed: changed.clone(),
                number,
            })
        });
        Self {
            changed,
            counts,
            pool: Pool::new(),
            next: Pool::new(),
        }
    }

    /// Looks at the destinations that have changed. Returns how many those were.
    fn look(&self) -> u32 {
        self.look_with(&self.pool, u32::MAX)
    }

    /// Looks by `pool`'s right, until at `most` so many were looked at.
    fn look_with(&self, pool: &Pool<F>, most: u32) -> u32 {
        let mut seen = pool.seen.lock().expect("nothing panicked");
        let looked = Cell::new(0);
        pool.taker.take(&self.changed, |mark| {
            for (counts, seen) in self.counts.iter().zip(seen.iter_mut()) {
                if counts.observer().number == mark {
                    *seen = (counts.connections(), counts.active());
                    looked.set(looked.get() + 1);
                }
            }
            // Some look at one mark at a time.
            looked.get() < most
        });
        looked.get()
    }

    /// The life of an entry at a destination.
    fn live(&self, destination: usize, until: Until) {
        let counts = &self.counts[destination];
        let life = Lifecycle::<Word<F>>::new(State::Established, 0);
        life.begin(counts);
        if until >= Until::Moved {
            life.advance(counts, |_| State::Closed);
        }
        if until >= Until::Ended {
            life.end(counts);
        }
    }

    /// What was seen last is what there is.
    fn check(&self) {
        self.check_with(&self.pool);
    }

    fn check_with(&self, pool: &Pool<F>) {
        self.look_with(pool, u32::MAX);
        let seen = pool.seen.lock().expect("nothing panicked");
        let counts = self.counts.each_ref();
        let found = counts.map(|counts| (counts.connections(), counts.active()));
        assert_eq!(*seen, found, "a change was not seen");
    }
}

/// Two CPUs change the counts of these destinations, and a third looks while they do.
fn changes<F: Fault>(numbers: [u32; 2], lives: [(usize, Until); 2]) {
    some_changes::<F>(numbers, lives, u32::MAX);
}

/// As `changes()`, where the third CPU looks at `most` marks.
fn some_changes<F: Fault>(numbers: [u32; 2], lives: [(usize, Until); 2], most: u32) {
    explore(move || {
        let service = Arc::new(Service::<F>::new(numbers));
        // The mark that is set already is where an order matters.
        service.live(0, Until::Begun);
        let threads = lives.map(|(destination, until)| {
            let service = service.clone();
            thread::spawn(move || service.live(destination, until))
        });
        service.look_with(&service.pool, most);
        for thread in threads {
            thread.join().expect("it does not panic");
        }
        service.check();
    });
}

#[test]
fn marks_in_one_word_that_are_left() {
    some_changes::<Sound>([0, 1], [(0, Until::Begun), (1, Until::Moved)], 1);
}

#[test]
fn marks_in_two_words_that_are_left() {
    some_changes::<Sound>([0, 64], [(0, Until::Begun), (1, Until::Begun)], 1);
}

#[test]
fn two_destinations_with_marks_in_one_word() {
    changes::<Sound>([0, 1], [(0, Until::Begun), (1, Until::Ended)]);
}

#[test]
fn two_destinations_with_marks_in_two_words() {
    changes::<Sound>([0, 64], [(0, Until::Begun), (1, Until::Moved)]);
}

#[test]
fn one_destination_that_two_change() {
    changes::<Sound>([0, 1], [(0, Until::Moved), (0, Until::Begun)]);
}

/// A CPU that sees that the mark is set relies on the one that takes it to see the change that was
/// made before.
#[test]
#[should_panic(expected = "a change was not seen")]
fn changes_that_are_marked_without_an_order() {
    changes::<Unordered>([0, 64], [(0, Until::Begun), (0, Until::Begun)]);
}

/// A CPU that has marked a change and asks at once must be shown it, whatever others are about to
/// do.
#[test]
fn whoever_marks_is_heard_at_once() {
    explore(|| {
        let service = Arc::new(Service::<Sound>::new([0, 1]));
        let other = service.clone();
        let thread = thread::spawn(move || other.live(0, Until::Begun));
        service.live(0, Until::Begun);
        service.look();
        let seen = service.pool.seen.lock().expect("nothing panicked")[0].0;
        assert!(seen >= 1, "one's own connection is seen");
        thread.join().expect("it does not panic");
        service.check();
    });
}

/// A CPU changes the counts of a destination, and one looks with the old pool, while a third has
/// another pool take its place.
fn replaced(ends: bool) {
    explore(move || {
        let service = Arc::new(Service::<Sound>::new([0, 1]));
        let change = service.clone();
        let changing = thread::spawn(move || change.live(0, Until::Begun));
        let packet = service.clone();
        let looking = thread::spawn(move || packet.look());
        if ends {
            service.pool.taker.end();
        }
        for counts in &service.counts {
            counts.observer().changed();
        }
        for result in [changing.join(), looking.join().map(|_| ())] {
            result.expect("it does not panic");
        }
        service.check_with(&service.next);
    });
}

#[test]
fn a_pool_that_takes_the_place_of_another() {
    replaced(true);
}

/// The old pool takes what only the next one's scheduler has to see.
#[test]
#[should_panic(expected = "a change was not seen")]
fn a_pool_whose_marks_the_old_one_keeps() {
    replaced(false);
}
