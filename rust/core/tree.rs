// SPDX-License-Identifier: GPL-2.0

//! An ordered map that is never changed in place: a change makes another one.
//!
//! Both share all nodes but those on the way to what has changed, so that a change costs as many
//! steps and as much memory as the tree is high, and readers of the old map see nothing of it. The
//! tree is an AVL tree (G. M. Adelson-Velsky, E. M. Landis, 1962): the heights of the two sides of
//! a node differ by one at most. Nothing recurses but the freeing of nodes: the kernel's stack is
//! small.

use core::ops::Deref;

use crate::refusal::Refusal;

/// Nodes on the longest way down: 2^32 entries make no higher tree.
const MOST: usize = 48;

/// Where the memory of nodes comes from: the kernel's allocator or the host's.
pub trait Share: Sized {
    /// A counted reference to a value, which is dropped with the last one.
    type Shared<T>: Deref<Target = T> + Clone;

    /// Allocates `value` and returns the first reference to it; `None` when memory is short. May
    /// sleep.
    fn share<T>(value: T) -> Option<Self::Shared<T>>;
}

/// A node with all below it, if there is one.
type Link<K, V, M> = Option<<M as Share>::Shared<Node<K, V, M>>>;

/// Values in the order of their keys.
pub struct Tree<K, V, M: Share> {
    root: Link<K, V, M>,
}

struct Node<K, V, M: Share> {
    key: K,
    value: V,
    /// Nodes on the longest way down, with this one.
    height: u8,
    left: Link<K, V, M>,
    right: Link<K, V, M>,
}

/// What is below a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Smaller keys.
    Left,
    /// Larger keys.
    Right,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

impl<K, V, M: Share> Node<K, V, M> {
    #[inline]
    fn below(&self, side: Side) -> &Link<K, V, M> {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    /// Returns the height of what is below a link.
    fn height(link: &Link<K, V, M>) -> u8 {
        link.as_ref().map_or(0, |node| node.height)
    }

    /// Returns a node with `near` on this side, `far` on the other one. Their heights differ by one
    /// at most.
    fn join(
        (key, value): (K, V),
        side: Side,
        near: Link<K, V, M>,
        far: Link<K, V, M>,
    ) -> Result<M::Shared<Self>, Refusal> {
        let below = Self::height(&near).max(Self::height(&far));
        let (left, right) = match side {
            Side::Left => (near, far),
            Side::Right => (far, near),
        };
        let node = Self {
            key,
            value,
            height: below.saturating_add(1),
            left,
            right,
        };
        M::share(node).ok_or(Refusal::NoMemory)
    }
}

impl<K: Clone, V: Clone, M: Share> Node<K, V, M> {
    fn entry(&self) -> (K, V) {
        (self.key.clone(), self.value.clone())
    }

    /// Joins as [`Node::join`] does, and balances: the heights may differ by two, as one entry has
    /// come or gone.
    fn balance(
        entry: (K, V),
        mut side: Side,
        mut near: Link<K, V, M>,
        mut far: Link<K, V, M>,
    ) -> Result<M::Shared<Self>, Refusal> {
        if Self::height(&near) < Self::height(&far) {
            core::mem::swap(&mut near, &mut far);
            side = side.other();
        }
        let is_even = Self::height(&near) <= Self::height(&far).saturating_add(1);
        let Some(top) = near.as_ref().filter(|_| !is_even) else {
            return Self::join(entry, side, near, far);
        };
        // The higher side comes up, or what is in its middle, if that is what makes it so high.
        let (outer, inner) = (top.below(side), top.below(side.other()));
        match inner {
            Some(inner) if inner.height > Self::height(outer) => {
                let (toward, away) = (inner.below(side), inner.below(side.other()));
                let near = Self::join(top.entry(), side, outer.clone(), toward.clone())?;
                let far = Self::join(entry, side, away.clone(), far)?;
                Self::join(inner.entry(), side, Some(near), Some(far))
            }
            _ => {
                let far = Self::join(entry, side, inner.clone(), far)?;
                Self::join(top.entry(), side, outer.clone(), Some(far))
            }
        }
    }
}

/// A node on the way down, and the side that it is left by.
type Step<'a, K, V, M> = (&'a Node<K, V, M>, Side);

/// The way from the root to some place.
struct Path<'a, K, V, M: Share> {
    steps: [Option<Step<'a, K, V, M>>; MOST],
    len: usize,
}

/// Where a key is: the way there, and its node, if there is one.
type Place<'a, K, V, M> = (Path<'a, K, V, M>, Option<&'a Node<K, V, M>>);

impl<'a, K, V, M: Share> Path<'a, K, V, M> {
    fn new() -> Self {
        Self {
            steps: [const { None }; MOST],
            len: 0,
        }
    }

    /// Goes on. Fails in a tree that no memory has room for.
    fn push(&mut self, node: &'a Node<K, V, M>, side: Side) -> Result<(), Refusal> {
        let step = self.steps.get_mut(self.len).ok_or(Refusal::NoMemory)?;
        *step = Some((node, side));
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Goes back.
    fn pop(&mut self) -> Option<Step<'a, K, V, M>> {
        self.len = self.len.checked_sub(1)?;
        self.steps.get_mut(self.len)?.take()
    }
}

impl<K, V, M: Share> Default for Tree<K, V, M> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<K, V, M: Share> Clone for Tree<K, V, M> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
        }
    }
}

impl<K, V, M: Share> Tree<K, V, M> {
    /// Returns the first entry whose key is not `before` what is looked for. All keys that are come
    /// before all that are not.
    #[inline]
    pub fn first(&self, before: impl Fn(&K) -> bool) -> Option<(&K, &V)> {
        let mut found = None;
        let mut link = &self.root;
        while let Some(node) = link {
            if before(&node.key) {
                link = &node.right;
            } else {
                found = Some((&node.key, &node.value));
                link = &node.left;
            }
        }
        found
    }

    /// Returns the entries from [`Tree::first`] on, in the order of their keys.
    pub fn from(&self, before: impl Fn(&K) -> bool) -> Iter<'_, K, V, M> {
        let mut path = Path::new();
        let mut link = &self.root;
        while let Some(node) = link {
            let side = if before(&node.key) {
                Side::Right
            } else {
                Side::Left
            };
            // A node that was left to the right comes before the first one.
            if side == Side::Left && path.push(node, side).is_err() {
                break;
            }
            link = node.below(side);
        }
        Iter { path }
    }
}

/// Entries in the order of their keys.
pub struct Iter<'a, K, V, M: Share> {
    /// To the next one, by nodes that are to come.
    path: Path<'a, K, V, M>,
}

impl<'a, K, V, M: Share> Iterator for Iter<'a, K, V, M> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let (node, _) = self.path.pop()?;
        let mut link = &node.right;
        while let Some(node) = link {
            // There is room: no tree is as high as that.
            self.path.push(node, Side::Left).ok()?;
            link = &node.left;
        }
        Some((&node.key, &node.value))
    }
}

impl<K: Ord + Clone, V: Clone, M: Share> Tree<K, V, M> {
    /// Returns the value of the key.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut link = &self.root;
        while let Some(node) = link {
            link = match key.cmp(&node.key) {
                core::cmp::Ordering::Less => &node.left,
                core::cmp::Ordering::Greater => &node.right,
                core::cmp::Ordering::Equal => return Some(&node.value),
            };
        }
        None
    }

    /// Returns a copy with this value for the key, whether or not there is one. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn with(&self, key: K, value: V) -> Result<Self, Refusal> {
        let (path, found) = self.path_to(&key)?;
        let (left, right) = match found {
            Some(node) => (node.left.clone(), node.right.clone()),
            None => (None, None),
        };
        let link = Node::<K, V, M>::join((key, value), Side::Left, left, right)?;
        Self::rebuild(path, Some(link), None)
    }

    /// Returns a copy without the key, whether or not it is there. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn without(&self, key: &K) -> Result<Self, Refusal> {
        let (mut path, found) = self.path_to(key)?;
        let Some(node) = found else {
            return Ok(self.clone());
        };
        let Some(right) = &node.right else {
            return Self::rebuild(path, node.left.clone(), None);
        };
        if node.left.is_none() {
            return Self::rebuild(path, node.right.clone(), None);
        }
        // The next larger one takes its place.
        let place = path.len;
        path.push(node, Side::Right)?;
        let mut next = right;
        while let Some(left) = &next.left {
            path.push(next, Side::Left)?;
            next = left;
        }
        Self::rebuild(path, next.right.clone(), Some((place, next)))
    }

    /// Returns the way to the key's node, or to where it belongs.
    fn path_to(&self, key: &K) -> Result<Place<'_, K, V, M>, Refusal> {
        let mut path = Path::new();
        let mut link = &self.root;
        while let Some(node) = link {
            let side = match key.cmp(&node.key) {
                core::cmp::Ordering::Less => Side::Left,
                core::cmp::Ordering::Greater => Side::Right,
                core::cmp::Ordering::Equal => return Ok((path, Some(node))),
            };
            path.push(node, side)?;
            link = node.below(side);
        }
        Ok((path, None))
    }

    /// Returns the tree of a path that now ends in `link`. `moved` is a node, and after how many
    /// steps it takes the place of the one on the path.
    fn rebuild(
        mut path: Path<'_, K, V, M>,
        mut link: Link<K, V, M>,
        moved: Option<(usize, &Node<K, V, M>)>,
    ) -> Result<Self, Refusal> {
        while let Some((node, side)) = path.pop() {
            let entry = match moved {
                Some((place, moved)) if place == path.len => moved.entry(),
                _ => node.entry(),
            };
            let far = node.below(side.other()).clone();
            link = Some(Node::<K, V, M>::balance(entry, side, link, far)?);
        }
        Ok(Self { root: link })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, collections::BTreeMap, rc::Rc, vec::Vec};

    std::thread_local! {
        /// How many more nodes there is memory for.
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    struct Host;

    impl Share for Host {
        type Shared<T> = Rc<T>;

        fn share<T>(value: T) -> Option<Rc<T>> {
            let left = LEFT.get().checked_sub(1)?;
            LEFT.set(left);
            Some(Rc::new(value))
        }
    }

    type Numbers = Tree<u32, u32, Host>;

    fn entries(tree: &Numbers) -> Vec<(u32, u32)> {
        tree.from(|_| false).map(|(k, v)| (*k, *v)).collect()
    }

    /// The height of a link, whose balance is looked at.
    fn checked(link: &Link<u32, u32, Host>) -> u8 {
        let Some(node) = link else {
            return 0;
        };
        let (left, right) = (checked(&node.left), checked(&node.right));
        assert!(left.abs_diff(right) <= 1);
        assert_eq!(node.height, left.max(right) + 1);
        node.height
    }

    fn random(seed: &mut u32, below: u32) -> u32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) % below
    }

    #[test]
    fn is_what_the_standard_library_has() {
        let mut seed = 1;
        for keys in [1, 2, 3, 5, 10, 100, 1000] {
            let (mut tree, mut expected) = (Numbers::default(), BTreeMap::new());
            for step in 0..2000 {
                let key = random(&mut seed, keys);
                let (before, old) = (tree.clone(), expected.clone());
                // Fills in the first half, empties in the second.
                if random(&mut seed, 3) < 1 + u32::from(step < 1000) {
                    tree = tree.with(key, step).unwrap();
                    expected.insert(key, step);
                } else {
                    tree = tree.without(&key).unwrap();
                    expected.remove(&key);
                }
                checked(&tree.root);
                let key = random(&mut seed, keys);
                assert_eq!(tree.get(&key), expected.get(&key));
                let first = tree.first(|k| *k < key);
                assert_eq!(first, expected.range(key..).next());
                if step % 10 == 0 {
                    assert_eq!(entries(&tree), Vec::from_iter(expected.clone()));
                    assert_eq!(entries(&before), Vec::from_iter(old));
                    let rest = tree.from(|k| *k < key).map(|(k, v)| (*k, *v));
                    let rest_expected = expected.range(key..).map(|(k, v)| (*k, *v));
                    assert!(rest.eq(rest_expected));
                }
            }
        }
    }

    #[test]
    fn is_low_in_any_order() {
        let count = 10_000;
        let orders: [fn(u32) -> u32; 3] = [|i| i, |i| 9_999 - i, |i| i * 7_919 % 10_000];
        for order in orders {
            let add = |tree: Numbers, i| tree.with(order(i), i).unwrap();
            let mut tree = (0..count).fold(Numbers::default(), add);
            // 1.44 times the logarithm.
            assert!(checked(&tree.root) <= 19);
            for key in 0..count {
                tree = tree.without(&key).unwrap();
                if key % 100 == 0 {
                    checked(&tree.root);
                }
            }
            assert!(tree.root.is_none());
        }
    }

    #[test]
    fn a_change_makes_few_nodes() {
        let add = |tree: Numbers, i| tree.with(2 * i, i).unwrap();
        let tree = (0..10_000).fold(Numbers::default(), add);
        for key in 0..1000 {
            LEFT.set(usize::MAX);
            let _ = tree.with(20 * key + 1, 0).unwrap();
            let made = usize::MAX - LEFT.get();
            assert!(made <= 20, "{made}");
            LEFT.set(usize::MAX);
            let _ = tree.without(&(20 * key)).unwrap();
            let made = usize::MAX - LEFT.get();
            assert!(made <= 40, "{made}");
        }
    }

    #[test]
    fn without_memory_nothing_has_changed() {
        let mut seed = 1;
        let mut tree = Numbers::default();
        for _ in 0..1000 {
            let key = random(&mut seed, 100);
            let (before, adds) = (entries(&tree), random(&mut seed, 2) == 0);
            for room in 0.. {
                LEFT.set(room);
                let changed = match adds {
                    true => tree.with(key, 0),
                    false => tree.without(&key),
                };
                LEFT.set(usize::MAX);
                assert_eq!(entries(&tree), before);
                match changed {
                    Err(refusal) => assert_eq!(refusal, Refusal::NoMemory),
                    Ok(changed) => {
                        tree = changed;
                        break;
                    }
                }
            }
        }
    }
}
