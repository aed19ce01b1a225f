// SPDX-License-Identifier: GPL-2.0

//! Which of many things have changed since they were last looked at: marked by several CPUs without
//! a lock, also while the right to look goes over from one taker to another.
//!
//! The words are a parameter: the kernel's atomics in the module, loom's in the model
//! (`tests/model/`).

use core::{array, iter};

use crate::{
    refusal::Refusal,
    schedule::{memory::Memory, sort::sort_by_key},
};

/// 64 bits that several CPUs use. Any context.
///
/// Every operation but a [`Bits::load`] is fully ordered, as the kernel says it: all that the CPU
/// did before is seen by the others before, and all that it does afterwards comes afterwards.
pub trait Bits {
    /// Bits that are all 0.
    fn new() -> Self;

    /// Returns the bits. Orders nothing.
    fn load(&self) -> u64;

    /// Replaces `old` by `new` in one step, or else returns the bits that are there.
    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64>;

    /// Returns the bits, which become 0 in one step.
    fn take(&self) -> u64;
}

/// How many words of bits there are.
const WORDS: usize = 64;

/// The number of marks. Things whose numbers differ by a multiple of it share a mark.
pub const MARKS: u32 = 4096;

/// Marks that are set where something changes and taken where the change is looked at.
///
/// A bit for each mark, and a word with a bit for each 64 of them that has any. Setting a mark that
/// is set already writes nothing, so that CPUs do not take the memory from each other for marks
/// that are never taken.
///
/// One CPU changes a thing and then marks it, another one takes the mark and then looks at the
/// thing: either the look shows the change, or the mark is there to be taken once more. For that, a
/// fully ordered operation has to be between the change and [`Changed::mark`].
pub struct Changed<B> {
    /// Which words may have bits.
    /// Guarded by: atomic; changed by fully ordered operations.
    summary: B,
    /// Guarded by: atomic; changed by fully ordered operations.
    words: [B; WORDS],
}

impl<B: Bits> Changed<B> {
    /// Creates marks of which none is set.
    pub fn new() -> Self {
        Self {
            summary: B::new(),
            words: array::from_fn(|_| B::new()),
        }
    }

    /// Sets the mark of the thing with this number. Any context.
    #[inline]
    pub fn mark(&self, number: u32) {
        let mark = number.checked_rem(MARKS).unwrap_or(0);
        let word = mark.wrapping_shr(6);
        if let Some(bits) = self.word(word) {
            set(bits, 1_u64.wrapping_shl(mark));
            // Not only by the CPU that has set the first bit: it may not have come to this yet.
            set(&self.summary, 1_u64.wrapping_shl(word));
        }
    }

    /// Takes marks, and calls `each` with each of them, in rising order, until it returns false. Any
    /// context; of two CPUs that take at the same time each gets some. Returns the words that it
    /// has taken.
    fn take(&self, mut each: impl FnMut(u32) -> bool) -> u64 {
        // A CPU that has marked something and then asks to have it looked at sees its own mark
        // here.
        if self.is_empty() {
            return 0;
        }
        let summary = self.summary.take();
        let mut left_words = summary;
        for word in ones(summary) {
            let mut left = self.word(word).map_or(0, B::take);
            let mut goes_on = true;
            for bit in ones(left) {
                left &= !1_u64.wrapping_shl(bit);
                goes_on = each(word.wrapping_shl(6) | bit);
                if !goes_on {
                    break;
                }
            }
            if left == 0 {
                left_words &= !1_u64.wrapping_shl(word);
            } else if let Some(bits) = self.word(word) {
                set(bits, left);
            }
            if !goes_on {
                break;
            }
        }
        // What was not come to is as if it had just been marked.
        set(&self.summary, left_words);
        summary
    }

    /// Returns `true` if there is no mark, as far as this CPU knows.
    pub fn is_empty(&self) -> bool {
        self.summary.load() == 0
    }

    /// Sets all marks in these words.
    fn put_back(&self, words: u64) {
        for bits in ones(words).filter_map(|word| self.word(word)) {
            set(bits, u64::MAX);
        }
        set(&self.summary, words);
    }

    fn word(&self, number: u32) -> Option<&B> {
        self.words.get(usize::try_from(number).ok()?)
    }
}

impl<B: Bits> Default for Changed<B> {
    fn default() -> Self {
        Self::new()
    }
}

/// The right to take marks, which may go over to another one at any moment.
///
/// To hand it over, [`Taker::end`] comes first; then the next one is published; then everything is
/// marked. A CPU that still takes by the first one either has done so before everything was marked,
/// or puts back what it has taken.
pub struct Taker<B> {
    /// Guarded by: atomic; set once, under the config mutex.
    ended: B,
}

impl<B: Bits> Taker<B> {
    /// Creates a taker that may take.
    pub fn new() -> Self {
        Self { ended: B::new() }
    }

    /// Takes marks, and calls `each` with each of them, in rising order, until it returns false: the
    /// others stay. Any context; of two CPUs that take at the same time each gets some.
    pub fn take(&self, from: &Changed<B>, each: impl FnMut(u32) -> bool) {
        let words = from.take(each);
        // Taking was fully ordered, so that this comes after it.
        if words != 0 && self.ended.load() != 0 {
            from.put_back(words);
        }
    }

    /// Others take from now on. A fully ordered operation.
    pub fn end(&self) {
        set(&self.ended, 1);
    }
}

impl<B: Bits> Default for Taker<B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the places of the bits that are 1, in rising order. Packets wait for it: there are few,
/// and the others are not looked at.
#[inline]
fn ones(mut bits: u64) -> impl Iterator<Item = u32> {
    iter::from_fn(move || {
        let place = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (place < u64::BITS).then_some(place)
    })
}

/// Sets bits, unless they are set.
#[inline]
fn set<B: Bits>(bits: &B, wanted: u64) {
    let mut old = bits.load();
    while old & wanted != wanted {
        match bits.compare_exchange(old, old | wanted) {
            Ok(()) => return,
            Err(current) => old = current,
        }
    }
}

/// Which things of a list have a mark.
pub struct Places<M: Memory>(M::Slice<Place>);

/// A mark, and the index of a thing that has it.
type Place = (u32, u32);

impl<M: Memory> Places<M> {
    /// Creates the order of a list of so many things; `number` returns the number of the one with
    /// an index. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new(len: usize, number: impl Fn(usize) -> u32) -> Result<Self, Refusal> {
        let mut places = M::filled((0, 0), len).ok_or(Refusal::NoMemory)?;
        for (index, (mark, place)) in places.iter_mut().enumerate() {
            *mark = number(index).checked_rem(MARKS).unwrap_or(0);
            *place = u32::try_from(index).map_err(|_| Refusal::NoMemory)?;
        }
        sort_by_key(&mut places, |place| *place);
        Ok(Self(places))
    }

    /// Returns where the things with this mark are, with those of higher marks behind them. A
    /// search by halves.
    pub fn start(&self, mark: u32) -> usize {
        self.0.partition_point(|(other, _)| *other < mark)
    }

    /// Calls `each` with the indices of the things that have the mark of the one at `start`, or `mark`,
    /// if that is given, in rising order. Goes on as long as `left`, which it counts down, is not
    /// 0, and then returns where; `None` if that was the last one. There is one for each [`MARKS`]
    /// things that were numbered, so that of 65536 in a row there are 16.
    pub fn each(
        &self,
        start: usize,
        mark: Option<u32>,
        left: &mut usize,
        mut each: impl FnMut(usize),
    ) -> Option<usize> {
        let places = self.0.get(start..)?;
        let mark = mark.or_else(|| places.first().map(|(mark, _)| *mark))?;
        for (at, (other, index)) in (start..).zip(places) {
            if *other != mark {
                return None;
            }
            let Some(less) = left.checked_sub(1) else {
                return Some(at);
            };
            *left = less;
            each(usize::try_from(*index).ok()?);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::testing::Host;
    use std::{
        sync::atomic::{AtomicU64, Ordering::SeqCst},
        vec,
        vec::Vec,
    };

    struct Word(AtomicU64);

    impl Bits for Word {
        fn new() -> Self {
            Self(AtomicU64::new(0))
        }

        fn load(&self) -> u64 {
            self.0.load(SeqCst)
        }

        fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
            let done = self.0.compare_exchange(old, new, SeqCst, SeqCst);
            done.map(|_| ())
        }

        fn take(&self) -> u64 {
            self.0.swap(0, SeqCst)
        }
    }

    fn taken(changed: &Changed<Word>) -> Vec<u32> {
        let mut taken = Vec::new();
        changed.take(|mark| {
            taken.push(mark);
            true
        });
        taken
    }

    #[test]
    fn what_is_left_stays_marked() {
        let numbers = [1, 2, 63, 64, 700, 701, 4000];
        for most in 1..=numbers.len() {
            let changed = Changed::<Word>::new();
            numbers.iter().for_each(|number| changed.mark(*number));
            let mut all = Vec::new();
            while !changed.is_empty() {
                let mut some = Vec::new();
                changed.take(|mark| {
                    some.push(mark);
                    some.len() < most
                });
                assert!(some.len() <= most);
                all.extend(some);
            }
            assert_eq!(all, numbers, "{most}");
        }
    }

    #[test]
    fn marks_are_taken_once() {
        let changed = Changed::<Word>::new();
        assert_eq!(taken(&changed), vec![]);
        for number in [4095, 0, 63, 64, 4096, 8191, 700, 700, u32::MAX] {
            changed.mark(number);
        }
        assert_eq!(taken(&changed), vec![0, 63, 64, 700, 4095]);
        assert_eq!(taken(&changed), vec![]);
        for number in 0..MARKS {
            changed.mark(number);
            assert_eq!(taken(&changed), vec![number]);
        }
        (0..MARKS).for_each(|number| changed.mark(number));
        assert_eq!(taken(&changed), (0..MARKS).collect::<Vec<_>>());
    }

    #[test]
    fn who_may_take_no_more_puts_back() {
        let changed = Changed::<Word>::new();
        let (old, next) = (Taker::new(), Taker::new());
        let taken = |by: &Taker<Word>| {
            let mut taken = Vec::new();
            by.take(&changed, |mark| {
                taken.push(mark);
                true
            });
            taken
        };
        changed.mark(70);
        assert_eq!(taken(&old), vec![70]);
        old.end();
        assert_eq!(taken(&old), vec![]);
        assert_eq!(taken(&next), vec![]);
        changed.mark(70);
        assert_eq!(taken(&old), vec![70]);
        // With all that share a word.
        assert_eq!(taken(&next), (64..128).collect::<Vec<_>>());
        assert_eq!(taken(&next), vec![]);
    }

    #[test]
    fn places_of_a_mark() {
        let numbers = [5, 4096, 7, 8192 + 5, 0, 4095, 4096 + 7, u32::MAX];
        let places = Places::<Host>::new(numbers.len(), |index| numbers[index]).unwrap();
        let of = |mark| {
            let (mut all, mut at) = (Vec::new(), Some(places.start(mark)));
            // In parts of one.
            while let Some(start) = at {
                at = places.each(start, Some(mark), &mut 1, |index| all.push(index));
            }
            all
        };
        assert_eq!(of(0), vec![1, 4]);
        assert_eq!(of(5), vec![0, 3]);
        assert_eq!(of(7), vec![2, 6]);
        assert_eq!(of(4095), vec![5, 7]);
        for mark in [1, 4, 6, 8, 4094] {
            assert_eq!(of(mark), vec![]);
        }
        let none = Places::<Host>::new(0, |_| 0).unwrap();
        let nothing = |_| panic!("there is none");
        assert_eq!(none.each(none.start(0), None, &mut 9, nothing), None);
    }
}
