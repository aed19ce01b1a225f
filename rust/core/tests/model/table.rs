// SPDX-License-Identifier: GPL-2.0

//! The kernel's resizable hash table, with one key in each bucket.
//!
//! Its steps are those of `lib/rhashtable.c`: changes hold the lock of a bucket, lookups no lock; a
//! resize announces the table to come, moves bucket by bucket, and a lookup that does not find a
//! key in the table there is looks in the one to come.

use loom::sync::{
    atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Acquire, Release},
    },
    Mutex,
};

use crate::machine::Observed;

/// The number of a flow, which stands for its link of a key.
pub(crate) type Link = usize;

const EMPTY: usize = usize::MAX;

struct Bucket {
    lock: Mutex<()>,
    link: Observed<AtomicUsize>,
}

impl Bucket {
    fn get(&self) -> Option<Link> {
        Some(self.link.reading().load(Acquire)).filter(|link| *link != EMPTY)
    }
}

struct Generation {
    buckets: Vec<Bucket>,
    /// The next generation was announced.
    moving: AtomicBool,
}

impl Generation {
    fn new(keys: usize) -> Self {
        let bucket = || Bucket {
            lock: Mutex::new(()),
            link: Observed::new(AtomicUsize::new(EMPTY)),
        };
        Self {
            buckets: std::iter::repeat_with(bucket).take(keys).collect(),
            moving: AtomicBool::new(false),
        }
    }
}

/// Links by their keys.
pub(crate) struct Table {
    generations: [Generation; 2],
    /// Where a search starts.
    current: AtomicUsize,
}

impl Table {
    /// An empty table for the keys below `keys`.
    pub(crate) fn new(keys: usize) -> Self {
        Self {
            generations: [Generation::new(keys), Generation::new(keys)],
            current: AtomicUsize::new(0),
        }
    }

    /// The keys that there are.
    pub(crate) fn keys(&self) -> std::ops::Range<usize> {
        0..self.generations[0].buckets.len()
    }

    fn next(&self, generation: usize) -> Option<usize> {
        self.generations[generation]
            .moving
            .load(Acquire)
            .then_some(generation + 1)
    }

    /// Finds a key. In a read-side section.
    pub(crate) fn lookup(&self, key: usize) -> Option<Link> {
        let mut generation = self.current.load(Acquire);
        loop {
            if let Some(link) = self.generations[generation].buckets[key].get() {
                return Some(link);
            }
            generation = self.next(generation)?;
        }
    }

    /// Inserts a link, or returns which one has its key. In a read-side section.
    pub(crate) fn insert(&self, key: usize, link: Link) -> Result<(), Link> {
        let mut generation = self.current.load(Acquire);
        loop {
            let bucket = &self.generations[generation].buckets[key];
            let _locked = bucket.lock.lock().expect("nothing panicked");
            if let Some(existing) = bucket.get() {
                return Err(existing);
            }
            let Some(next) = self.next(generation) else {
                bucket.link.writing().store(link, Release);
                return Ok(());
            };
            generation = next;
        }
    }

    /// Takes a link out; whether it was in the table. In a read-side section.
    pub(crate) fn remove(&self, key: usize, link: Link) -> bool {
        let mut generation = self.current.load(Acquire);
        loop {
            let bucket = &self.generations[generation].buckets[key];
            {
                let _locked = bucket.lock.lock().expect("nothing panicked");
                if bucket.get() == Some(link) {
                    bucket.link.writing().store(EMPTY, Release);
                    return true;
                }
            }
            let Some(next) = self.next(generation) else {
                return false;
            };
            generation = next;
        }
    }

    /// Moves all links to the second generation; once. `unlink_first` is a fault.
    pub(crate) fn resize(&self, unlink_first: bool) {
        let [old, new] = &self.generations;
        old.moving.store(true, Release);
        for (from, to) in old.buckets.iter().zip(&new.buckets) {
            let _from = from.lock.lock().expect("nothing panicked");
            let Some(link) = from.get() else {
                continue;
            };
            if unlink_first {
                from.link.writing().store(EMPTY, Release);
            }
            let to_locked = to.lock.lock().expect("nothing panicked");
            to.link.writing().store(link, Release);
            drop(to_locked);
            from.link.writing().store(EMPTY, Release);
        }
        self.current.store(1, Release);
    }

    /// The links of a key in both generations, when no CPU uses the table.
    pub(crate) fn all(&self, key: usize) -> impl Iterator<Item = Link> + '_ {
        self.generations
            .iter()
            .filter_map(move |generation| generation.buckets[key].get())
    }
}
