// SPDX-License-Identifier: GPL-2.0

//! A pointer that readers follow under RCU and a writer replaces.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! Upstream: the `Rcu<P>` prototype (B. Feng); not merged. `sync::rcu` has the read-side guard
//! only.

use crate::{bindings as helpers, memory::KEPT};
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{addr_of_mut, NonNull};
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
    sync::rcu::Guard,
    task::might_sleep,
};

use crate::netns::{Handle, Namespace};

/// A value, and the place of the next one that waits for the same grace period.
struct Node<T: ?Sized> {
    /// Belongs to the [`Retired`] that has the node. Readers have the value only.
    next: Option<NonNull<Node<dyn Send>>>,
    value: T,
}

/// A value in memory that an [`Rcu`] can publish and a [`Retired`] take over: both without a further
/// allocation, so that neither fails.
pub struct RcuBox<T>(KBox<Node<T>>);

impl<T> RcuBox<T> {
    /// Moves the value there.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn new(value: T) -> Result<Self> {
        let node = Node { next: None, value };
        Ok(Self(KBox::new(node, KEPT)?))
    }
}

impl<T> Deref for RcuBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// A boxed value that is read without a lock and replaced as a whole.
///
/// # Invariants
///
/// `pointer` is not null and came from [`KBox::into_raw`]; a value that it has left is freed only
/// after a grace period.
pub struct Rcu<T: Send + Sync> {
    /// Guarded by: RCU; replaced under what its owner says.
    pointer: Atomic<*mut Node<T>>,
    owned: PhantomData<KBox<T>>,
}

impl<T: Send + Sync> Rcu<T> {
    /// Wraps a first value.
    pub fn new(value: RcuBox<T>) -> Self {
        // INVARIANT: The pointer comes from `into_raw`.
        Self {
            pointer: Atomic::new(KBox::into_raw(value.0)),
            owned: PhantomData,
        }
    }

    /// Returns the current value, which stays readable, although it may be replaced, as long as
    /// `guard` lives. Any context.
    #[inline]
    pub fn read<'a>(&'a self, _guard: &'a Guard) -> &'a T {
        // As `rcu_dereference()`: a reader of the pointer sees what it points to, which is read
        // at an address that depends on it, after the full ordering in `replace`. An acquire load
        // is a fence in User Mode Linux, and a call of a C function.
        // SAFETY: The pointer to the pointer is valid and aligned, as the atomic guarantees. A
        // writer meanwhile uses an atomic operation, with which a volatile load is no data
        // race in the kernel's memory model.
        let pointer = unsafe { self.pointer.as_ptr().read_volatile() };
        // SAFETY: By the type's invariant the pointer is valid, and a value that `replace` takes
        // out meanwhile is not freed before the read-side section of `_guard` has ended. `Drop`
        // cannot run while `self` is borrowed. Only shared references to the value are ever handed
        // out, and `Retired` writes beside it.
        unsafe { &(*pointer).value }
    }

    /// Publishes `value` and leaves the one before it to `retired`: readers that run now may go on
    /// with that.
    ///
    /// # Context
    ///
    /// Any, also inside a read-side section. Where `retired` is freed or dropped is another matter:
    /// [`Retired::free`].
    pub fn replace(&self, value: RcuBox<T>, retired: &mut Retired)
    where
        T: 'static,
    {
        // INVARIANT: The new pointer comes from `into_raw`; `Retired` frees the old one, after a
        // grace period.
        let old = self.pointer.xchg(KBox::into_raw(value.0), Full);
        if let Some(old) = NonNull::new(old) {
            // SAFETY: `old` came from `into_raw`; the exchange took it out for this caller alone.
            unsafe { retired.add(old) };
        }
    }
}

/// Values that were replaced and are to be freed after a grace period: one for all of them.
///
/// # Invariants
///
/// `first` and the nodes that follow it are `len` nodes that came from [`KBox::into_raw`] and that
/// nothing else owns; only readers that found a node before it was added can have its value. `since`
/// is not before the last one was added.
pub struct Retired {
    first: Option<NonNull<Node<dyn Send>>>,
    len: usize,
    since: helpers::rlvs_grace,
}

impl Default for Retired {
    fn default() -> Self {
        Self {
            first: None,
            len: 0,
            since: helpers::rlvs_grace { state: [0; 2] },
        }
    }
}

// SAFETY: The nodes are owned, and what they hold may be freed by any thread.
unsafe impl Send for Retired {}

impl Retired {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if there is no value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes over a value.
    ///
    /// # Safety
    ///
    /// `old` must have come from [`KBox::into_raw`] and belong to the caller alone; readers that
    /// begin now must not find it.
    unsafe fn add<T: Send + 'static>(&mut self, old: NonNull<Node<T>>) {
        // SAFETY: The caller promises that the node is valid and its own: only its value is read
        // by others.
        let next = unsafe { addr_of_mut!((*old.as_ptr()).next) };
        // SAFETY: The caller promises that the node is its own, and a pointer to a field is
        // aligned. There was nothing to drop.
        unsafe { next.write(self.first) };
        // INVARIANT: The caller promises what holds of a node.
        self.first = Some(old);
        self.len = self.len.saturating_add(1);
        // SAFETY: `since` may be written to.
        unsafe { helpers::rlvs_rcu_now(&raw mut self.since) };
    }

    /// Waits for a grace period, also when there is no value, and frees the values. Hooks have no
    /// [`Handle`].
    ///
    /// # Context
    ///
    /// Process context; sleeps. Must not be called inside a read-side section, which would end:
    /// what was read in it would be freed. Nor with bottom halves off.
    pub fn free<T: Namespace>(mut self, _ns: &Handle<'_, T>, pace: Pace) {
        synchronize(pace);
        // SAFETY: A grace period has passed just now.
        unsafe { self.free_all() };
    }

    /// Frees the values.
    ///
    /// # Safety
    ///
    /// A grace period must have passed since the last one was added.
    unsafe fn free_all(&mut self) {
        self.len = 0;
        while let Some(node) = self.first.take() {
            // SAFETY: By the type's invariant the pointer came from `into_raw` and is owned; the
            // grace period that the caller promises has ended every reader that could have seen it.
            // It has left the list.
            let mut node = unsafe { KBox::from_raw(node.as_ptr()) };
            self.first = node.next.take();
        }
    }
}

impl Drop for Retired {
    /// Waits for a grace period, if there is a value.
    ///
    /// # Context
    ///
    /// That of [`Retired::free`], unless it is empty, or a grace period has passed since
    /// the last value was added.
    fn drop(&mut self) {
        if self.is_empty() {
            return;
        }
        might_sleep();
        // SAFETY: By the type's invariant `since` was set when the last value was added, and this
        // function's context allows to sleep.
        unsafe { helpers::rlvs_rcu_wait_since(&raw mut self.since) };
        // SAFETY: A grace period has passed since then.
        unsafe { self.free_all() };
    }
}

/// How a grace period is waited for.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Until it is over by itself, some ticks of the clock later.
    Usual,
    /// For a task that a user waits for: less than a tick, at the cost of interrupting the other
    /// processors that run kernel code.
    Hurried,
}

/// Waits until every read-side section that runs now has ended.
///
/// # Context
///
/// Process context; sleeps for a grace period. Must not be called inside a read-side section.
fn synchronize(pace: Pace) {
    might_sleep();
    match pace {
        // SAFETY: An FFI call that sleeps and must not be in a read-side section, which this
        // function's context says.
        Pace::Usual => unsafe { bindings::synchronize_rcu() },
        // SAFETY: An FFI call that sleeps and must not be in a read-side section, which this
        // function's context says.
        Pace::Hurried => unsafe { crate::bindings::rlvs_synchronize_rcu_expedited() },
    }
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

/// [`barrier`], which the task that ends a batch of namespaces leaves to the end of the batch:
/// nothing may follow then that needs it done.
///
/// # Context
///
/// Process context; sleeps.
pub(crate) fn barrier_for_batch() {
    might_sleep();
    // SAFETY: An FFI call with no preconditions.
    if !unsafe { helpers::rlvs_netns_barrier_follows() } {
        barrier();
    }
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
