// SPDX-License-Identifier: GPL-2.0

//! Which of a service's destinations are looked at for one packet.
//!
//! Where there are at most [`MANY`], all of them. Of more the work for one packet would have no bound:
//! then those are looked at that were found listening lately ([`Heard`]), and as many others from a
//! random one on ([`Sample`]).

use crate::connection::Word;

/// As many destinations are all looked at for one packet; of more, about so many.
pub const MANY: usize = 64;

/// A place where nothing is remembered.
const NONE: u32 = u32::MAX;

/// Some of the destinations that were found listening, by their numbers: up to [`MANY`].
///
/// Packets that find that one listens, or does not any more, change this, on any CPU without a lock;
/// so does the periodic work, which looks at all destinations when packets did not get far enough.
/// Whatever is here is asked once more before it gets a connection.
pub struct Heard<W> {
    /// Guarded by: atomic; any packet and the periodic work, the last writer wins.
    places: [W; MANY],
    /// Not 0 if a packet found none that listens although it has not asked all.
    /// Guarded by: atomic; any packet and the periodic work, the last writer wins.
    wanted: W,
}

impl<W: Word> Heard<W> {
    /// Creates an empty memory, which the periodic work should fill.
    pub fn new() -> Self {
        Self {
            places: core::array::from_fn(|_| W::new(NONE)),
            wanted: W::new(1),
        }
    }

    /// Returns the number that is remembered at a place, if there is one.
    pub fn get(&self, place: usize) -> Option<usize> {
        let number = self.places.get(place)?.load();
        usize::try_from(number).ok().filter(|_| number != NONE)
    }

    /// Remembers the destination with this number, which listens, unless another one is in its
    /// place, so that CPUs do not take the memory from each other.
    #[inline]
    pub fn add(&self, index: usize) {
        if let (Some(place), Ok(number)) = (self.place(index), u32::try_from(index)) {
            if place.load() == NONE {
                place.store(number);
            }
        }
    }

    /// Forgets a destination that does not listen, or can take no new connections.
    #[inline]
    pub fn remove(&self, index: usize) {
        if let (Some(place), Ok(number)) = (self.place(index), u32::try_from(index)) {
            if place.load() == number {
                place.store(NONE);
            }
        }
    }

    /// Asks the periodic work to look: a packet found none that listens and has not asked all.
    pub fn want(&self) {
        if self.wanted.load() == 0 {
            self.wanted.store(1);
        }
    }

    /// Returns `true` once if the periodic work has to look which destinations listen.
    pub fn is_wanted(&self) -> bool {
        let is_wanted = self.wanted.load() != 0;
        if is_wanted {
            self.wanted.store(0);
        }
        is_wanted
    }

    fn place(&self, index: usize) -> Option<&W> {
        self.places.get(index.checked_rem(MANY)?)
    }
}

impl<W: Word> Default for Heard<W> {
    fn default() -> Self {
        Self::new()
    }
}

/// The destinations that are looked at for one packet, in steps.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    len: usize,
    first: usize,
}

impl Sample {
    /// Creates the sample of `len` destinations, from a `random` one on.
    pub fn new(len: usize, random: u32) -> Self {
        let random = usize::try_from(random).unwrap_or(0);
        Self {
            len,
            first: random.checked_rem(len).unwrap_or(0),
        }
    }

    /// Returns `true` if they are all.
    pub fn is_all(self) -> bool {
        self.len <= MANY
    }

    /// Returns how many steps there are.
    pub fn steps(self) -> usize {
        match self.is_all() {
            true => self.len,
            false => MANY.saturating_mul(2),
        }
    }

    /// Returns the number of the destination in a step; some steps may have none, and one may be in
    /// two steps. `heard` returns the number that is remembered at a place: [`Heard::get`].
    pub fn at(self, step: usize, heard: impl FnOnce(usize) -> Option<usize>) -> Option<usize> {
        if self.is_all() || step >= MANY {
            return self.first.saturating_add(step).checked_rem(self.len);
        }
        heard(step).filter(|index| *index < self.len)
    }

    /// Returns the numbers of all steps.
    pub fn indices<H>(self, heard: H) -> impl Iterator<Item = usize> + Clone
    where
        H: Fn(usize) -> Option<usize> + Clone,
    {
        (0..self.steps()).filter_map(move |step| self.at(step, &heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU32, Ordering::SeqCst},
        vec::Vec,
    };

    struct Plain(AtomicU32);

    impl Word for Plain {
        fn new(value: u32) -> Self {
            Self(AtomicU32::new(value))
        }

        fn load(&self) -> u32 {
            self.0.load(SeqCst)
        }

        fn store(&self, value: u32) {
            self.0.store(value, SeqCst);
        }

        fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
            let done = self.0.compare_exchange(old, new, SeqCst, SeqCst);
            done.map(|_| ())
        }

        fn add(&self, value: u32) {
            self.0.fetch_add(value, SeqCst);
        }
    }

    #[test]
    fn few_are_all_looked_at_once() {
        for len in [0, 1, 5, MANY] {
            for random in [0, 7, 1_000_003] {
                let sample = Sample::new(len, random);
                let mut all: Vec<_> = sample.indices(|_| panic!("asked")).collect();
                if len != 0 {
                    assert_eq!(all[0], usize::try_from(random).unwrap() % len);
                }
                all.sort_unstable();
                assert_eq!(all, (0..len).collect::<Vec<_>>());
                assert!(sample.is_all());
            }
        }
    }

    #[test]
    fn of_many_a_constant_number_is() {
        for len in [MANY + 1, 1000, 65536, 1 << 20] {
            let sample = Sample::new(len, 12345);
            assert_eq!(sample.indices(|_| None).count(), MANY);
            let heard = |place| (place == 3).then_some(len - 1);
            let found: Vec<_> = sample.indices(heard).collect();
            assert_eq!((found.len(), found[0]), (MANY + 1, len - 1));
            assert!(found.iter().all(|index| *index < len));
            // One that was there when the list was longer.
            assert_eq!(sample.indices(|_| Some(len)).count(), MANY);
        }
    }

    #[test]
    fn those_that_listen_are_remembered() {
        let heard = Heard::<Plain>::new();
        let all = || (0..MANY).filter_map(|at| heard.get(at)).collect::<Vec<_>>();
        assert!(all().is_empty());
        for index in [70_000, 3, 3 + MANY, 64] {
            heard.add(index);
        }
        assert_eq!(all(), [64, 3, 70_000]);
        heard.remove(3 + MANY);
        heard.remove(3);
        heard.add(3 + MANY);
        assert_eq!(all(), [64, 3 + MANY, 70_000]);
        assert_eq!(heard.get(MANY), None);
    }

    #[test]
    fn somebody_looks_once() {
        let heard = Heard::<Plain>::new();
        assert!(heard.is_wanted() && !heard.is_wanted());
        heard.want();
        heard.want();
        assert!(heard.is_wanted() && !heard.is_wanted());
    }
}
