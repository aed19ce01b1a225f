// SPDX-License-Identifier: GPL-2.0

//! Bottom halves: proof that they are off, and locks that need the proof.
//!
//! A lock that softirq takes as well deadlocks when process context holds it while bottom halves
//! are on: the interrupt that ends in softirq on the same CPU then waits for its own CPU. Packets
//! that a process sends run their hooks in process context with bottom halves on, so this is not
//! a corner case. [`SpinLockBh`] can therefore be locked only with a [`LocalBhDisabled`] token,
//! and the guard cannot outlive the token.
//!
//! What the token proves depends on the kernel:
//! - On every kernel the thread stays on its CPU, and runs no softirq handler itself.
//! - Without `PREEMPT_RT` no softirq handler runs on this CPU meanwhile, and nothing else that has
//!   bottom halves off there. So what only such sections of one CPU touch needs no lock.
//! - With `PREEMPT_RT` softirq handlers run in threads, and a thread with bottom halves off is
//!   preempted, and sleeps where it waits for a spinlock, while another one of the same CPU has them
//!   off too (unless the kernel has `PREEMPT_RT_NEEDS_BH_LOCK`). The token excludes nothing, and the
//!   lock alone does: [`SpinLockBh`] is right on both kinds of kernel, and what is per CPU is
//!   changed by operations that cannot be interrupted ([`crate::percpu`]).
//!
//! C headers: [`include/linux/bottom_half.h`](srctree/include/linux/bottom_half.h),
//! [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! Upstream: shaped as `LocalInterruptDisabled` and `SpinLockIrq::lock_with` of the interrupt-aware
//! locks series (L. Paul, B. Feng); none for bottom halves. Can go when there is a variant for
//! them.

use crate::bindings;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use kernel::{
    prelude::*,
    sync::{lock, lock::spinlock::SpinLockBackend, LockClassKey, SpinLock},
    types::NotThreadSafe,
};

/// Proof that bottom halves are off for this thread, which stays on its CPU. Other threads of the
/// CPU are excluded by that only on kernels without `PREEMPT_RT`: see the [module](self).
///
/// It is neither `Send` nor `Sync`, since it speaks of the current thread and CPU only.
///
/// # Invariants
///
/// Bottom halves are disabled for the current thread while a value of this type exists, it does not
/// change its CPU, and `cpu` is of this CPU.
pub struct LocalBhDisabled {
    /// What [`rlvs_local_bh_disable`](bindings) has returned for the CPU.
    cpu: bindings::rlvs_bh,
    thread: NotThreadSafe,
}

impl LocalBhDisabled {
    /// Returns the distance from a per-CPU pointer to what is this CPU's, in bytes. With
    /// `PREEMPT_RT` that would be no proof that nothing else uses it.
    #[cfg(not(CONFIG_PREEMPT_RT))]
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
    // The token does not leave this function, hence not this thread, which cannot change its CPU
    // meanwhile: it is not preempted, or not migrated (`PREEMPT_RT`), as `f` does not sleep but for
    // a spinlock there.
    let token = LocalBhDisabled {
        cpu,
        thread: NotThreadSafe,
    };
    f(&token)
}

/// A spinlock that softirq takes too: it is locked with bottom halves off, which the caller proves.
#[pin_data]
pub struct SpinLockBh<T> {
    /// Guarded by: itself; bottom halves off.
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

    /// Takes the lock; spins while another CPU has it. With `PREEMPT_RT` it sleeps while another
    /// thread has it, which may be one of the same CPU.
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
