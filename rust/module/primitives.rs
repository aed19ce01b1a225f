// SPDX-License-Identifier: GPL-2.0

//! The kernel's atomics and memory, as `rlvs_core` uses them.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Full, Relaxed},
        Arc,
    },
};
use rlvs_core::{
    connection,
    schedule::{marks, Memory},
    tree::Share,
};
use rlvs_kext::{memory::KEPT, rwonce::Once};

/// An atomic word; no operation but the addition orders anything.
pub(crate) struct Word(Atomic<u32>);

impl connection::Word for Word {
    #[inline]
    fn new(value: u32) -> Self {
        Self(Atomic::new(value))
    }

    #[inline]
    fn load(&self) -> u32 {
        self.0.read_once()
    }

    #[inline]
    fn store(&self, value: u32) {
        self.0.write_once(value);
    }

    #[inline]
    fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
        self.0.cmpxchg(old, new, Relaxed).map(|_| ())
    }

    #[inline]
    fn add(&self, value: u32) {
        self.0.fetch_add(value, Full);
    }
}

/// The bits of [`marks::Changed`], each operation but the load a full barrier.
pub(crate) struct Bits(Atomic<u64>);

impl marks::Bits for Bits {
    fn new() -> Self {
        Self(Atomic::new(0))
    }

    #[inline]
    fn load(&self) -> u64 {
        self.0.read_once()
    }

    #[inline]
    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        self.0.cmpxchg(old, new, Full).map(|_| ())
    }

    #[inline]
    fn take(&self) -> u64 {
        self.0.xchg(0, Full)
    }
}

/// The kernel's memory, for schedulers and trees.
pub(crate) struct KernelMemory;

impl Share for KernelMemory {
    type Shared<T> = Arc<T>;

    fn share<T>(value: T) -> Option<Arc<T>> {
        Arc::new(value, KEPT).ok()
    }
}

impl Memory for KernelMemory {
    type Slice<T: Copy> = KVVec<T>;

    fn filled<T: Copy>(value: T, len: usize) -> Option<KVVec<T>> {
        KVVec::from_elem(value, len, KEPT).ok()
    }
}
