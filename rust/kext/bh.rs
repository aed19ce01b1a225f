// SPDX-License-Identifier: GPL-2.0

//! Bottom halves: proof that they are off, and locks that need the proof.
//!
//! A lock that softirq takes as well deadlocks when process context holds it while bottom halves
//! are on: the interrupt that ends in softirq on the same CPU then waits for its own CPU. Packets
//! that a process sends run their hooks in process context with bottom halves on, so this is not
//! a corner case. [`SpinLockBh`] can therefore be locked only with a [`LocalBhDisabled`] token,
//! and the guard cannot outlive the token.
//!
//! C headers: [`include/linux/bottom_half.h`](srctree/include/linux/bottom_half.h),
//! [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! Upstream: shaped as `LocalInterruptDisabled` and `SpinLockIrq::lock_with` of the interrupt-aware
//! locks series; none for bottom halves.

use crate::bindings;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use kernel::{
    prelude::*,
    sync::{lock, lock::spinlock::SpinLockBackend, LockClassKey, SpinLock},
    types::NotThreadSafe,
};

/// Proof that bottom halves are off on this CPU.
///
/// It is neither `Send` nor `Sync`, since it speaks of the current CPU only.
///
/// # Invariants
///
/// Bottom halves are disabled on the current CPU while a value of this type exists, and `cpu` is of
/// this CPU.
pub struct LocalBhDisabled {
    /// What [`rlvs_local_bh_disable`](bindings) has told of the CPU.
    cpu: bindings::rlvs_bh,
    thread: NotThreadSafe,
}

impl LocalBhDisabled {
    /// How far it is from a per-CPU pointer to what is this CPU's, in bytes.
    #[inline]
    pub(crate) fn percpu_offset(&self) -> usize {
        self.cpu.percpu_offset
    }
}

impl Drop for LocalBhDisabled {
    #[inline]
    fn drop(&mut self) {
        if self.cpu.enable {
            // SAFETY: This thread disabled bottom halves on this CPU, and the value, which made
            // that last, ends here: the calls are balanced.
            unsafe { bindings::rlvs_local_bh_enable() };
        }
    }
}

/// Runs `f` with bottom halves off.
///
/// The token is only lent, so that bottom halves are never enabled before what was locked with it
/// has been unlocked. Calls nest.
///
/// # Context
///
/// Any but hard interrupt. `f` must not sleep, nor wait for a grace period: the thread might go on on
/// another CPU, of which the token says nothing.
#[inline]
pub fn with_bh_disabled<R>(f: impl for<'a> FnOnce(&'a LocalBhDisabled) -> R) -> R {
    // SAFETY: An FFI call that is for any context but hard interrupt, as is this function; the token's
    // drop balances it.
    let cpu = unsafe { bindings::rlvs_local_bh_disable() };
    // INVARIANT: Bottom halves were just disabled and stay so until the token is dropped, or they
    // were off already, by a caller of ours or by being softirq, and so they are until we return.
    // The token does not leave this function, hence not this thread. With bottom halves off the
    // thread stays on its CPU unless it sleeps, which the context forbids `f`.
    let token = LocalBhDisabled {
        cpu,
        thread: NotThreadSafe,
    };
    f(&token)
}

/// A spinlock that softirq takes too: it is locked with bottom halves off, which the caller proves.
#[pin_data]
pub struct SpinLockBh<T> {
    #[pin]
    inner: SpinLock<T>,
}

impl<T> SpinLockBh<T> {
    /// Prepares a lock around `value`. Use [`new_spinlock_bh!`](crate::new_spinlock_bh).
    pub fn new(
        value: T,
        name: &'static CStr,
        class: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- SpinLock::new(value, name, class),
        })
    }

    /// Takes the lock; spins while another CPU has it.
    #[inline]
    pub fn lock_with<'a>(&'a self, _bh: &'a LocalBhDisabled) -> SpinLockBhGuard<'a, T> {
        SpinLockBhGuard {
            inner: self.inner.lock(),
        }
    }
}

/// A held [`SpinLockBh`]; unlocks when dropped.
///
/// It hides the guard of the `kernel` crate, which would hand out the lock without the token.
#[must_use = "the lock is released at once when the guard is not kept"]
pub struct SpinLockBhGuard<'a, T> {
    inner: lock::Guard<'a, T, SpinLockBackend>,
}

impl<T> Deref for SpinLockBhGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: Unpin> DerefMut for SpinLockBhGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// Creates a [`SpinLockBh`](crate::bh::SpinLockBh) initialiser with a lock class of its own.
#[macro_export]
macro_rules! new_spinlock_bh {
    ($value:expr, $name:literal) => {
        $crate::bh::SpinLockBh::new(
            $value,
            $crate::__kernel::c_str!($name),
            $crate::__kernel::static_lock_class!(),
        )
    };
}
