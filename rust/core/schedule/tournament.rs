// SPDX-License-Identifier: GPL-2.0

//! The first of many values that change, one at a time: a tournament tree (D. E. Knuth, "The Art of
//! Computer Programming", volume 3, section 5.4.1).

use super::memory::Memory;
use crate::refusal::Refusal;

/// A node without a winner: no value below it.
const NOBODY: u32 = u32::MAX;

/// How many nodes are looked at for the first value that suits, at most: there are fewer for
/// [`crate::heard::MANY`] values, and enough for all that one packet has tried among millions.
const MOST_NODES: usize = 1024;

/// Values by number, or none. The smallest is known, of equal ones that with the lowest number.
///
/// A binary tree with a value at each leaf and, at each inner node, the winner of the two nodes
/// below it. 20 bytes for a value of 16 bytes, or up to 24 bytes if their number is not a power of
/// two.
pub(super) struct Tournament<M: Memory, V: Copy> {
    values: M::Slice<Option<V>>,
    /// The numbers of the winners at the inner nodes. Node 1 is the root, nodes 2i and 2i + 1 are
    /// below node i, and the leaves come after all of these. Nothing is at 0.
    winners: M::Slice<u32>,
}

impl<M: Memory, V: Copy + Ord> Tournament<M, V> {
    /// Creates a tree for as many values, without any. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub(super) fn new(len: usize) -> Result<Self, Refusal> {
        let leaves = len.checked_next_power_of_two().ok_or(Refusal::NoMemory)?;
        Ok(Self {
            values: M::filled(None, len).ok_or(Refusal::NoMemory)?,
            winners: M::filled(NOBODY, leaves).ok_or(Refusal::NoMemory)?,
        })
    }

    /// Returns the value of a number.
    pub(super) fn get(&self, index: usize) -> Option<V> {
        self.values.get(index).copied().flatten()
    }

    /// Sets all values. One step for each.
    pub(super) fn fill(&mut self, value: impl Fn(usize) -> Option<V>) {
        for (index, place) in self.values.iter_mut().enumerate() {
            *place = value(index);
        }
        for node in (1..self.winners.len()).rev() {
            self.play(node);
        }
    }

    /// Sets the value of one number; of one that is too large there is none. As many steps as the
    /// tree has levels, at most.
    pub(super) fn set(&mut self, index: usize, value: Option<V>) {
        let Some(place) = self.values.get_mut(index) else {
            return;
        };
        // An equal one may have other fields, but it wins and loses as the old one did. No value
        // is less than any here, and loses.
        let same = *place == value;
        *place = value;
        if same {
            return;
        }
        let mut node = self.leaf(index);
        while node > 1 {
            node >>= 1;
            let before = self.winner(node);
            self.play(node);
            // A winner that stays the same has the value it had.
            if before == self.winner(node) && before != Some(index) {
                return;
            }
        }
    }

    /// Returns the number of the smallest value that `suits`; of equal ones the lowest number.
    ///
    /// As many steps as the tree has levels, for each value that does not suit and is smaller than
    /// the one that is found, and no more than that: where the winner suits, none below it needs to
    /// be looked at. After 1024 steps it is the best one so far, or none.
    pub(super) fn first(&self, suits: impl Fn(usize) -> bool) -> Option<usize> {
        let leaves = self.winners.len();
        let mut best = None;
        let mut node = 1;
        for _ in 0..MOST_NODES {
            match self.winner(node) {
                Some(winner) if !suits(winner) => {
                    if node < leaves {
                        node = node.saturating_mul(2);
                        continue;
                    }
                }
                winner => best = self.better(best, winner),
            }
            // From a right node the way goes on where it does from the node above it.
            while node > 1 && node & 1 == 1 {
                node >>= 1;
            }
            if node <= 1 {
                return best;
            }
            node |= 1;
        }
        best
    }

    fn leaf(&self, index: usize) -> usize {
        self.winners.len().saturating_add(index)
    }

    /// Returns the number that has won at a node.
    fn winner(&self, node: usize) -> Option<usize> {
        match self.winners.get(node) {
            Some(&NOBODY) => None,
            Some(winner) => usize::try_from(*winner).ok(),
            None => {
                let index = node.checked_sub(self.winners.len())?;
                self.get(index).map(|_| index)
            }
        }
    }

    /// Has the two nodes below an inner one play.
    fn play(&mut self, node: usize) {
        let left = node.saturating_mul(2);
        let winner = self.better(self.winner(left), self.winner(left | 1));
        let winner = winner.and_then(|winner| u32::try_from(winner).ok());
        if let Some(place) = self.winners.get_mut(node) {
            *place = winner.unwrap_or(NOBODY);
        }
    }

    /// Returns the winner of two, of which the first has the lower number.
    fn better(&self, left: Option<usize>, right: Option<usize>) -> Option<usize> {
        let (Some(a), Some(b)) = (left, right) else {
            return left.or(right);
        };
        // Neither is none: they have won before.
        if self.get(b) < self.get(a) {
            right
        } else {
            left
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Host;
    use super::*;
    use std::vec::Vec;

    /// Finds the first by looking at every value.
    fn first(values: &[Option<u32>], suits: impl Fn(usize) -> bool) -> Option<usize> {
        let all = values.iter().enumerate();
        let found = all.filter_map(|(index, value)| Some(((*value)?, index)));
        found
            .filter(|(_, index)| suits(*index))
            .min()
            .map(|(_, index)| index)
    }

    #[test]
    fn knows_the_first_after_each_change() {
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for len in (0..20).chain([31, 32, 33, 100]) {
            let mut tree = Tournament::<Host, u32>::new(len).unwrap();
            let mut values: Vec<Option<u32>> = (0..len)
                .map(|_| Some(random(5)).filter(|v| *v > 0))
                .collect();
            tree.fill(|index| values[index]);
            for _ in 0..300 {
                assert_eq!(tree.first(|_| true), first(&values, |_| true));
                // Some that do not suit, in turn more and less of them.
                let (step, rest) = (random(4) + 1, random(4));
                let suits = |index: usize| u32::try_from(index).unwrap() % step != rest;
                assert_eq!(tree.first(suits), first(&values, suits), "{values:?}");
                assert_eq!(tree.first(|_| false), None);
                let index = usize::try_from(random(u32::try_from(len).unwrap() + 1)).unwrap();
                let value = Some(random(9)).filter(|value| *value < 7);
                tree.set(index, value);
                if let Some(place) = values.get_mut(index) {
                    *place = value;
                }
                assert_eq!(tree.get(index), values.get(index).copied().flatten());
            }
        }
    }

    /// However few suit.
    #[test]
    fn looks_at_a_constant_number() {
        for len in [64, 1000, 65536] {
            let mut tree = Tournament::<Host, usize>::new(len).unwrap();
            tree.fill(Some);
            let looks = core::cell::Cell::new(0);
            let found = tree.first(|index| {
                looks.set(looks.get() + 1);
                index == len - 1
            });
            assert_eq!(found, (len == 64).then_some(63));
            assert!(looks.get() <= MOST_NODES, "{}", looks.get());
        }
    }

    /// What it looks at on the way to the first, and no other.
    #[test]
    fn looks_at_few() {
        let len = 4096;
        let mut tree = Tournament::<Host, usize>::new(len).unwrap();
        tree.fill(|index| Some(len - index));
        for unsuitable in [0, 1, 5, 16] {
            let looks = core::cell::Cell::new(0);
            let found = tree.first(|index| {
                looks.set(looks.get() + 1);
                index < len - unsuitable
            });
            assert_eq!(found, Some(len - unsuitable - 1));
            // The root, and below it two nodes on each level for each that does not suit.
            assert!(looks.get() <= 1 + unsuitable * 2 * 12, "{}", looks.get());
        }
    }
}
