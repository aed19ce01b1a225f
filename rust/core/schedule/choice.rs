// SPDX-License-Identifier: GPL-2.0

//! Which destinations a new connection is offered to, and in which order.
//!
//! The host knows which socket would get the connection's first packet ([`Listening`]). A
//! destination without one would refuse it, and one whose queue is full would drop it: both are
//! passed over, and the scheduler is asked again. So a connection is refused only when no
//! destination listens; of more than [`crate::heard::MANY`] destinations, when none listens of a
//! constant number that is asked. The last places of a queue are left free while another one has
//! room ([`LAST_PLACES`]).
//!
//! The order of a [`Choice`]:
//!
//! 1. What the scheduler picks, at most [`MAX_TRIES`] times.
//! 2. If it has picked any: every other destination that may get new connections, from a random one
//!    on. A scheduler may have no other one for a client, or many destinations may be down. Of more
//!    than [`crate::heard::MANY`] a [`Sample`]: those that were found listening lately, then as
//!    many as [`crate::heard::MANY`] from a random one on.
//! 3. The best one of those that were passed over although a socket listens: if its queue is full
//!    the packet is dropped there, and the client sends it again.

pub use super::readiness::{Listening, Readiness, LAST_PLACES};

use crate::heard::Sample;

/// How many destinations the scheduler picks for one packet.
pub const MAX_TRIES: usize = 16;

/// The destinations that one packet was offered to.
#[derive(Default)]
pub struct Tried {
    indices: [usize; MAX_TRIES],
    count: usize,
}

impl Tried {
    /// Remembers a destination; what exceeds [`MAX_TRIES`] is not.
    pub fn add(&mut self, index: usize) {
        if let Some(place) = self.indices.get_mut(self.count) {
            *place = index;
            self.count = self.count.saturating_add(1);
        }
    }

    /// Returns `true` if there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns `true` if it is one of them.
    pub fn contains(&self, index: usize) -> bool {
        self.indices.iter().take(self.count).any(|i| *i == index)
    }
}

/// Where the destinations of a choice come from.
pub trait Offers {
    /// Returns how many destinations there are.
    fn len(&self) -> usize;

    /// Returns `true` if there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the scheduler's choice among those that were not tried.
    fn pick(&self, tried: &Tried) -> Option<usize>;

    /// Returns `true` if a destination may get new connections: it is neither quiesced nor at its
    /// bound.
    fn takes_new(&self, index: usize) -> bool;

    /// Returns whether a destination can take this connection.
    fn readiness(&self, index: usize) -> Readiness;

    /// Returns any number, to begin with when all are asked.
    fn random(&self) -> u32;

    /// Returns one that was found listening lately, for each place below [`crate::heard::MANY`],
    /// when there are more destinations than that.
    fn heard(&self, place: usize) -> Option<usize>;

    /// Returns `true` if the scheduler may have picked none although it has not looked at all: of
    /// more than [`crate::heard::MANY`].
    fn may_give_up(&self) -> bool;

    /// Called when no destination is left, but not all were asked.
    fn missed(&self);
}

/// How far a choice has come.
enum Stage {
    /// The scheduler picks.
    Scheduler,
    /// The others, of which so many steps are done.
    Others(Sample, usize),
    /// The best of those that were passed over.
    Spare,
    /// There is no other one.
    Over,
}

/// The choice of a destination for one new connection.
pub struct Choice {
    stage: Stage,
    tried: Tried,
    picks: usize,
    /// The best of those that were passed over although a socket listens; the less the better.
    spare: Option<((u8, u32), usize)>,
    avoided: bool,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            stage: Stage::Scheduler,
            tried: Tried::default(),
            picks: 0,
            spare: None,
            avoided: false,
        }
    }
}

impl Choice {
    /// Returns the next destination that the connection is offered to; `None` when there is no
    /// other one.
    ///
    /// Usually one question to the scheduler and one to the host's sockets. When all that the
    /// scheduler picks cannot take it, one to the sockets for each destination; of more than
    /// [`crate::heard::MANY`], for twice as many as that.
    pub fn next<O: Offers>(&mut self, offers: &O) -> Option<usize> {
        loop {
            match self.stage {
                Stage::Scheduler => {
                    let picked = match self.picks < MAX_TRIES {
                        true => offers.pick(&self.tried),
                        false => None,
                    };
                    let Some(index) = picked else {
                        self.stage = self.after_scheduler(offers);
                        continue;
                    };
                    self.picks = self.picks.saturating_add(1);
                    self.tried.add(index);
                    if self.can_take(offers, index) {
                        return Some(index);
                    }
                }
                Stage::Others(sample, step) if step < sample.steps() => {
                    self.stage = Stage::Others(sample, step.saturating_add(1));
                    let Some(index) = sample.at(step, |place| offers.heard(place)) else {
                        continue;
                    };
                    if !self.tried.contains(index)
                        && offers.takes_new(index)
                        && self.can_take(offers, index)
                    {
                        return Some(index);
                    }
                }
                Stage::Others(sample, _) => {
                    if !sample.is_all() && self.spare.is_none() {
                        offers.missed();
                    }
                    self.stage = Stage::Spare;
                }
                Stage::Spare => {
                    self.stage = Stage::Over;
                    return self.spare.map(|(_, index)| index);
                }
                Stage::Over => return None,
            }
        }
    }

    /// Returns `true` if a destination that something else than the scheduler has chosen is passed
    /// over.
    pub fn passes_over(&mut self, readiness: Readiness) -> bool {
        let passed = matches!(readiness, Readiness::NotListening | Readiness::Busy(_));
        self.avoided |= passed;
        passed
    }

    /// Returns `true` if a destination was passed over that would have refused or dropped the
    /// connection.
    pub fn has_avoided(&self) -> bool {
        self.avoided
    }

    fn after_scheduler<O: Offers>(&self, offers: &O) -> Stage {
        let sample = Sample::new(offers.len(), offers.random());
        match self.picks == 0 && (sample.is_all() || !offers.may_give_up()) {
            true => Stage::Over,
            false => Stage::Others(sample, 0),
        }
    }

    fn can_take<O: Offers>(&mut self, offers: &O, index: usize) -> bool {
        let rank = match offers.readiness(index) {
            Readiness::Ready => return true,
            Readiness::NotListening => {
                self.avoided = true;
                return false;
            }
            Readiness::Warming => (0, 0),
            Readiness::NearlyFull(taken) => (1, taken),
            Readiness::Busy(excess) => {
                self.avoided = true;
                (2, excess)
            }
        };
        if self.spare.is_none_or(|(best, _)| rank < best) {
            self.spare = Some((rank, index));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, vec, vec::Vec};

    use super::*;
    use crate::heard::MANY;

    /// Destinations in a row, of which the scheduler picks the first `within` in turn.
    struct Row {
        ready: Vec<Readiness>,
        within: usize,
        quiesced: Option<usize>,
        heard: Vec<usize>,
        gives_up: bool,
        /// How often a destination was asked, and how often a choice has not asked all.
        asked: Cell<usize>,
        missed: Cell<usize>,
    }

    impl Row {
        fn new(ready: &[Readiness]) -> Self {
            Self {
                ready: ready.to_vec(),
                within: ready.len(),
                quiesced: None,
                heard: Vec::new(),
                gives_up: false,
                asked: Cell::new(0),
                missed: Cell::new(0),
            }
        }

        fn order(&self) -> Vec<usize> {
            let mut choice = Choice::default();
            std::iter::from_fn(|| choice.next(self)).collect()
        }
    }

    impl Offers for Row {
        fn len(&self) -> usize {
            self.ready.len()
        }

        fn pick(&self, tried: &Tried) -> Option<usize> {
            (0..self.within).find(|index| !tried.contains(*index) && self.takes_new(*index))
        }

        fn takes_new(&self, index: usize) -> bool {
            self.quiesced != Some(index)
        }

        fn readiness(&self, index: usize) -> Readiness {
            self.asked.set(self.asked.get() + 1);
            self.ready[index]
        }

        fn random(&self) -> u32 {
            7
        }

        fn heard(&self, place: usize) -> Option<usize> {
            self.heard.get(place).copied()
        }

        fn may_give_up(&self) -> bool {
            self.gives_up
        }

        fn missed(&self) {
            self.missed.set(self.missed.get() + 1);
        }
    }

    use Readiness::{Busy, NearlyFull, NotListening, Ready, Warming};

    #[test]
    fn the_scheduler_decides_among_those_that_are_ready() {
        let row = Row::new(&[Ready, Ready, Ready]);
        assert_eq!(row.order(), [0, 1, 2]);
    }

    #[test]
    fn one_that_does_not_listen_is_never_offered() {
        assert_eq!(Row::new(&[NotListening, Ready, NotListening]).order(), [1]);
        assert_eq!(Row::new(&[NotListening, NotListening]).order(), []);
        assert_eq!(Row::new(&[]).order(), []);
    }

    #[test]
    fn the_least_busy_one_comes_last() {
        assert_eq!(Row::new(&[Busy(5), Ready, Busy(2)]).order(), [1, 2]);
        assert_eq!(Row::new(&[Busy(5), Warming, Busy(2)]).order(), [1]);
        assert_eq!(
            Row::new(&[Busy(1), NearlyFull(9), NearlyFull(8)]).order(),
            [2]
        );
        assert_eq!(Row::new(&[NearlyFull(1), Warming]).order(), [1]);
        assert_eq!(Row::new(&[NearlyFull(1), Ready]).order(), [1, 0]);
    }

    #[test]
    fn all_are_asked_when_the_scheduler_finds_none() {
        let mut ready = vec![NotListening; 40];
        ready[39] = Ready;
        assert_eq!(Row::new(&ready).order(), [39]);
        let only_first = Row {
            within: 1,
            ..Row::new(&[NotListening, Ready, Ready])
        };
        assert_eq!(only_first.order(), [1, 2]);
    }

    #[test]
    fn up_to_so_many_are_all_asked() {
        for len in [2, 16, 17, MANY] {
            for listening in [0, len / 2, len - 1] {
                let mut ready = vec![NotListening; len];
                ready[listening] = Ready;
                assert_eq!(Row::new(&ready).order(), [listening]);
            }
            let row = Row::new(&vec![NotListening; len]);
            assert_eq!(row.order(), []);
            assert_eq!((row.asked.get(), row.missed.get()), (len, 0));
        }
    }

    /// The cost of a choice where none listens does not grow with the destinations.
    #[test]
    fn of_more_a_constant_number_is_asked() {
        for len in [MANY + 1, 1000, 65536] {
            let mut row = Row::new(&vec![NotListening; len]);
            assert_eq!(row.order(), []);
            assert_eq!(row.missed.get(), 1);
            assert!(row.asked.get() <= MAX_TRIES + MANY, "{}", row.asked.get());
            // Each was heard before, and is not there any more.
            row.heard = (0..MANY).map(|place| len - 1 - place).collect();
            row.asked.set(0);
            assert_eq!(row.order(), []);
            let most = MAX_TRIES + 2 * MANY;
            assert!(row.asked.get() <= most, "{}", row.asked.get());
        }
    }

    #[test]
    fn one_of_many_is_found_if_it_was_heard() {
        let mut ready = vec![NotListening; 65536];
        ready[40_000] = Ready;
        let unheard = Row::new(&ready);
        assert_eq!((unheard.order(), unheard.missed.get()), (vec![], 1));
        let heard = Row {
            heard: vec![40_000],
            ..Row::new(&ready)
        };
        assert_eq!(heard.order()[0], 40_000);
        assert!(heard.asked.get() <= MAX_TRIES + 2 * MANY);
    }

    #[test]
    fn a_scheduler_that_gave_up_is_not_the_last_word() {
        let many = vec![Ready; 1000];
        for (gives_up, ready) in [(false, &many[..]), (true, &many[..MANY])] {
            let row = Row {
                within: 0,
                gives_up,
                ..Row::new(ready)
            };
            assert_eq!(row.order(), []);
        }
        let row = Row {
            within: 0,
            gives_up: true,
            ..Row::new(&many)
        };
        assert_eq!(row.order()[0], 7 + MANY);
    }

    #[test]
    fn a_quiesced_one_is_not_asked() {
        let row = Row {
            quiesced: Some(1),
            within: 1,
            ..Row::new(&[NotListening, Ready, Ready])
        };
        assert_eq!(row.order(), [2]);
    }

    #[test]
    fn without_a_pick_there_is_nothing() {
        let row = Row {
            within: 0,
            ..Row::new(&[Ready, Ready])
        };
        assert_eq!(row.order(), []);
    }

    #[test]
    fn what_was_avoided_is_told() {
        for (ready, avoided) in [
            (vec![Ready], false),
            (vec![Warming, Ready], false),
            (vec![NearlyFull(1), Ready], false),
            (vec![NotListening, Ready], true),
            (vec![Busy(1), Ready], true),
        ] {
            let mut choice = Choice::default();
            assert!(choice.next(&Row::new(&ready)).is_some());
            assert_eq!(choice.has_avoided(), avoided, "{ready:?}");
        }
    }
}
