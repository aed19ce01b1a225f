// SPDX-License-Identifier: GPL-2.0

//! A pointer that readers follow under RCU and a writer replaces.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! Upstream: the `Rcu<P>` prototype; not merged.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{Acquire, Atomic, Full, Relaxed},
    sync::rcu::Guard,
    task::might_sleep,
};

/// A boxed value that is read without a lock and replaced as a whole.
///
/// # Invariants
///
/// `pointer` is not null and came from [`KBox::into_raw`]; a value that it has left is freed only
/// after a grace period.
pub struct Rcu<T: Send + Sync> {
    pointer: Atomic<*mut T>,
    owned: PhantomData<KBox<T>>,
}

impl<T: Send + Sync> Rcu<T> {
    /// Wraps a first value.
    pub fn new(value: KBox<T>) -> Self {
        // INVARIANT: The pointer comes from `into_raw`.
        Self {
            pointer: Atomic::new(KBox::into_raw(value)),
            owned: PhantomData,
        }
    }

    /// The current value; it stays readable, although it may be replaced, as long as `guard` lives.
    #[inline]
    pub fn read<'a>(&'a self, _guard: &'a Guard) -> &'a T {
        // Acquire pairs with the full ordering in `replace`: a reader that sees the pointer sees
        // what it points to.
        let pointer = self.pointer.load(Acquire);
        // SAFETY: By the type's invariant the pointer is valid, and a value that `replace` takes
        // out meanwhile is not freed before the read-side section of `_guard` has ended. `Drop`
        // cannot run while `self` is borrowed. Only shared references are ever handed out.
        unsafe { &*pointer }
    }

    /// Publishes `value` and frees the one before it after a grace period.
    ///
    /// # Context
    ///
    /// Process context; sleeps for a grace period. Must not be called inside a read-side section.
    pub fn replace(&self, value: KBox<T>) {
        might_sleep();
        // INVARIANT: The new pointer comes from `into_raw`.
        let old = self.pointer.xchg(KBox::into_raw(value), Full);
        // SAFETY: An FFI call that may sleep, which this function's context allows.
        unsafe { bindings::synchronize_rcu() };
        // SAFETY: `old` came from `into_raw`; the exchange took it out for this caller alone, and
        // the grace period has ended every reader that could have seen it.
        drop(unsafe { KBox::from_raw(old) });
    }
}

/// Publishes two values, the first one first, and frees those before them after one grace period.
///
/// # Context
///
/// As for [`Rcu::replace`].
pub fn replace_both<T: Send + Sync, U: Send + Sync>(
    first: (&Rcu<T>, KBox<T>),
    second: (&Rcu<U>, KBox<U>),
) {
    might_sleep();
    // INVARIANT: The new pointer comes from `into_raw`.
    let old = first.0.pointer.xchg(KBox::into_raw(first.1), Full);
    // The grace period is for both: it begins after this.
    second.0.replace(second.1);
    // SAFETY: `old` came from `into_raw`; the exchange took it out for this caller alone, and the
    // grace period of `replace` has ended every reader that could have seen it.
    drop(unsafe { KBox::from_raw(old) });
}

/// Waits until every read-side section that runs now has ended.
///
/// # Context
///
/// Process context; sleeps for a grace period. Must not be called inside a read-side section.
pub fn synchronize() {
    might_sleep();
    // SAFETY: An FFI call that may sleep, which this function's context allows.
    unsafe { bindings::synchronize_rcu() };
}

impl<T: Send + Sync> Drop for Rcu<T> {
    fn drop(&mut self) {
        let pointer = self.pointer.load(Relaxed);
        // SAFETY: By the type's invariant the pointer came from `into_raw`; readers borrow `self`,
        // so there is none.
        drop(unsafe { KBox::from_raw(pointer) });
    }
}

/// Waits until every callback that was queued before has run.
///
/// # Context
///
/// Process context; sleeps.
pub(crate) fn barrier() {
    might_sleep();
    // SAFETY: An FFI call that may sleep, which this function's context allows.
    unsafe { bindings::rcu_barrier() };
}

/// Hands `head` to RCU: `callback` runs with it in softirq context after a grace period.
///
/// # Safety
///
/// - `head` must be valid until `callback` has run and must not be in use by RCU already.
/// - `callback` must be callable with `head` then, from softirq context.
pub(crate) unsafe fn call(
    head: NonNull<bindings::callback_head>,
    callback: unsafe extern "C" fn(*mut bindings::callback_head),
) {
    // SAFETY: The caller's promises are the function's preconditions.
    unsafe { bindings::call_rcu(head.as_ptr(), Some(callback)) };
}
