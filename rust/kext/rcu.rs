// SPDX-License-Identifier: GPL-2.0

//! A pointer that readers follow under RCU and a writer replaces.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! Upstream: the `Rcu<P>` prototype; not merged.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::{
    alloc::kvec::PushError,
    bindings,
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
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
        // As `rcu_dereference()`: who sees the pointer sees what it points to, since that is read
        // at an address that depends on it, after the full ordering in `replace`. An acquire load
        // is a fence in User Mode Linux, and a call of a C function.
        // SAFETY: The pointer to the pointer is valid and aligned, as the atomic guarantees. Who
        // writes meanwhile does it by an atomic operation, with which a volatile load is no data
        // race in the kernel's memory model.
        let pointer = unsafe { self.pointer.as_ptr().read_volatile() };
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

    /// Publishes `value` and does not wait: readers that run now may go on with the one before it,
    /// which is left to `retired`.
    ///
    /// # Context
    ///
    /// As for [`Rcu::replace`]; sleeps for a grace period only when `retired` is full.
    pub fn replace_later(&self, value: KBox<T>, retired: &mut Retired)
    where
        T: 'static,
    {
        might_sleep();
        // INVARIANT: The new pointer comes from `into_raw`; `Retired` frees the old one, after a
        // grace period.
        let old = self.pointer.xchg(KBox::into_raw(value), Full);
        // SAFETY: `old` came from `into_raw`; the exchange took it out for this caller alone.
        unsafe { retired.add(old) };
    }
}

/// Values that were replaced and are to be freed after a grace period: one for all of them.
///
/// They are freed when there is no room for another one, when [`Retired::free`] is called, and at
/// the end; each of these sleeps.
///
/// # Invariants
///
/// Each pointer came from [`KBox::into_raw`], nobody else owns it, and only readers that found it
/// before it was added can have it.
pub struct Retired {
    values: KVec<*mut dyn Send>,
}

// SAFETY: The pointers are owned, and what they point to may be freed by any thread.
unsafe impl Send for Retired {}

impl Retired {
    /// So many values are kept at most.
    const ROOM: usize = 128;

    /// A list without values. May sleep.
    pub fn new() -> Result<Self> {
        let values = KVec::with_capacity(Self::ROOM, GFP_KERNEL)?;
        Ok(Self { values })
    }

    /// Takes over a value.
    ///
    /// # Safety
    ///
    /// `old` must have come from [`KBox::into_raw`] and belong to the caller alone; readers that
    /// begin now must not find it.
    unsafe fn add<T: Send + 'static>(&mut self, old: *mut T) {
        // INVARIANT: The caller promises it.
        if let Err(PushError(old)) = self.values.push_within_capacity(old) {
            self.wait_and_free();
            // SAFETY: The caller promises that the pointer came from `into_raw` and is this
            // function's alone; a grace period has ended every reader that could have seen it.
            drop(unsafe { KBox::from_raw(old) });
        }
    }

    /// Frees the values.
    ///
    /// # Context
    ///
    /// Process context; sleeps for a grace period if there are any. Must not be called inside a
    /// read-side section.
    pub fn free(&mut self) {
        if !self.values.is_empty() {
            self.wait_and_free();
        }
    }

    fn wait_and_free(&mut self) {
        synchronize();
        for old in self.values.drain_all() {
            // SAFETY: By the type's invariant the pointer came from `into_raw` and is owned; the
            // grace period has ended every reader that could have seen it. It has left the list.
            drop(unsafe { KBox::from_raw(old) });
        }
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        self.free();
    }
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
