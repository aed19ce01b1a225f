// SPDX-License-Identifier: GPL-2.0

//! Counters with one copy for each CPU.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)
//!
//! Upstream: the per-CPU RFC (M. Levy); not merged. Can go when it has a counter for softirq and
//! process context.

#[cfg(not(CONFIG_PREEMPT_RT))]
use crate::rwonce::Once;
use crate::{bh::LocalBhDisabled, bindings};
use core::ptr::NonNull;
#[cfg(not(CONFIG_PREEMPT_RT))]
use kernel::sync::atomic::Atomic;
use kernel::{alloc::AllocError, prelude::*};

/// `N` counters of 64 bits, written without a lock and never torn.
///
/// # Invariants
///
/// `base` is a per-CPU pointer to `N` words for each possible CPU, owned by this value.
pub struct PerCpuCounters<const N: usize> {
    base: NonNull<u64>,
}

// SAFETY: The memory behind `base` is owned by the value and freed by whichever thread drops it.
unsafe impl<const N: usize> Send for PerCpuCounters<N> {}

// SAFETY: The words are read and written only as atomics.
unsafe impl<const N: usize> Sync for PerCpuCounters<N> {}

impl<const N: usize> PerCpuCounters<N> {
    /// Allocates counters that are zero. May sleep.
    pub fn new() -> Result<Self, AllocError> {
        let words = u32::try_from(N).map_err(|_| AllocError)?;
        // SAFETY: An FFI call with no preconditions but a context that may sleep.
        let base = unsafe { bindings::rlvs_percpu_alloc(words) };
        // INVARIANT: A pointer that is not null has `N` words for each possible CPU.
        Ok(Self {
            base: NonNull::new(base).ok_or(AllocError)?,
        })
    }

    /// Adds to counters of this CPU: (index, value) each. An index out of range adds nothing. Not
    /// for hard interrupts.
    #[inline]
    pub fn add<const M: usize>(&self, bh: &LocalBhDisabled, values: [(usize, u64); M]) {
        for (index, value) in values {
            self.add_to(bh, index, value);
        }
    }

    /// A load and a store are enough: the token proves that nothing else of this CPU adds in
    /// between.
    #[cfg(not(CONFIG_PREEMPT_RT))]
    #[inline]
    fn add_to(&self, bh: &LocalBhDisabled, index: usize, value: u64) {
        if index >= N {
            return;
        }
        // This CPU's (`this_cpu_ptr()`): bottom halves are off, so this thread stays on its CPU
        // while it uses the result.
        let words = self.base.as_ptr().wrapping_byte_add(bh.percpu_offset());
        let word = words.wrapping_add(index);
        // SAFETY: `index` is below `N`, the number of words of each CPU, so that `word` is aligned
        // and valid while `self` lives. Only this CPU writes it, in a section with bottom halves
        // off; other CPUs read it, by `READ_ONCE` in `rlvs_percpu_sum`.
        let counter = unsafe { Atomic::from_ptr(word) };
        counter.write_once(counter.read_once().wrapping_add(value));
    }

    /// The token keeps the CPU, and no more: another task of it may add at any moment, so that a
    /// counter is changed by what is not interrupted (`this_cpu_add()`).
    #[cfg(CONFIG_PREEMPT_RT)]
    #[inline]
    fn add_to(&self, _bh: &LocalBhDisabled, index: usize, value: u64) {
        match u32::try_from(index) {
            // SAFETY: By the type's invariant `base` has `N` words, and `index` is below `N`.
            Ok(word) if index < N => unsafe {
                bindings::rlvs_percpu_add(self.base.as_ptr(), word, value);
            },
            _ => {}
        }
    }

    /// Returns the counter `index` of one CPU, as of some moment during the call; 0 for a CPU that
    /// there cannot be.
    pub fn of(&self, cpu: u32, index: usize) -> u64 {
        match u32::try_from(index) {
            // SAFETY: By the type's invariant `base` has `N` words, and `index` is below `N`.
            Ok(word) if index < N => unsafe {
                bindings::rlvs_percpu_of(self.base.as_ptr(), word, cpu)
            },
            _ => 0,
        }
    }

    /// Returns the sum of the counter `index` over all possible CPUs.
    ///
    /// Exact once no CPU adds any more; until then, each CPU's share is as of some moment during
    /// the call.
    pub fn sum(&self, index: usize) -> u64 {
        match u32::try_from(index) {
            // SAFETY: By the type's invariant `base` has `N` words, and `index` is below `N`.
            Ok(word) if index < N => unsafe { bindings::rlvs_percpu_sum(self.base.as_ptr(), word) },
            _ => 0,
        }
    }
}

/// Returns one more than the highest number of a CPU that there can be. Any context.
pub fn cpus() -> u32 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_percpu_cpus() }
}

/// Returns `true` if there can be a CPU of this number. Any context.
pub fn is_possible(cpu: u32) -> bool {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_percpu_is_possible(cpu) }
}

impl<const N: usize> Drop for PerCpuCounters<N> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this value owns the memory, and it is not borrowed.
        unsafe { bindings::rlvs_percpu_free(self.base.as_ptr()) };
    }
}
