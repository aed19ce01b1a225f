// SPDX-License-Identifier: GPL-2.0

//! Insertion and removal of flows.
//!
//! The order of the steps is checked by the model in `rust/core/tests/model/`, which has them again.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none.

use super::{
    flow::{Flow, Link, NoReply, Second},
    key::{Hashed, Key, Side},
    table::FlowTable,
};
use crate::{bh::LocalBhDisabled, bindings, flow_total, rcu};
use core::mem::offset_of;
use core::ptr::NonNull;
use kernel::{
    bindings::callback_head,
    error::from_err_ptr,
    prelude::*,
    sync::{atomic::Relaxed, rcu::Guard},
    types::Opaque,
};

/// Why a flow was not inserted.
pub enum Refused<'a, K: Key, T, R: Second<K> = Link<K>> {
    /// Another flow has the same inbound key.
    Exists(&'a Flow<K, T, R>),
    /// Another flow has the same reply key.
    Conflict(&'a Flow<K, T, R>),
    /// Memory is short, or the table has not grown as fast as it was filled.
    NoMemory,
}

impl<K: Key, T: Send + Sync + 'static, R: Second<K>> FlowTable<K, T, R> {
    /// Inserts a flow, which its keys then find until it is removed.
    fn put<'a>(
        &'a self,
        inbound: Hashed<K>,
        reply: R,
        value: T,
        _guard: &'a Guard,
        bh: &LocalBhDisabled,
    ) -> core::result::Result<&'a Flow<K, T, R>, Refused<'a, K, T, R>> {
        // SAFETY: By the type's invariant this is null or the memory of a cache for such flows, which
        // the table keeps for as long as it has flows.
        let flow = unsafe { Flow::allocate(self.memory) }.ok_or(Refused::NoMemory)?;
        let raw: *mut Flow<K, T, R> = flow.as_ptr();
        // INVARIANT: The keys are hashed for their sides, the links are in no table.
        let new = Flow {
            inbound: Link::new(inbound),
            reply,
            rcu: Opaque::zeroed(),
            value,
        };
        // SAFETY: The memory was allocated for a flow, with the size and alignment of one, and
        // nothing else refers to it.
        unsafe { raw.write(new) };
        flow_total::made(bh);

        // The reply key first: while only it is in the table, no packet of the client finds the
        // flow, and there are no answers yet.
        // SAFETY: The link, if there is one, belongs to the flow and is in no table.
        match unsafe { self.link_second(flow) } {
            Ok(None) => {}
            other => {
                // SAFETY: The flow was made above and was never in the table; `bh` is the proof.
                unsafe { Flow::free(flow) };
                let Ok(Some(link)) = other else {
                    return Err(Refused::NoMemory);
                };
                // SAFETY: What is in the table are links of such flows.
                let existing = unsafe { Flow::<K, T, R>::from_link(link) };
                // SAFETY: A flow that was in the table is freed after a grace period, which
                // `_guard` holds off, or with the table, which is borrowed.
                return Err(Refused::Conflict(unsafe { existing.as_ref() }));
            }
        }
        // SAFETY: The link belongs to the flow and is in no table.
        match unsafe { self.link(&raw mut (*raw).inbound) } {
            // SAFETY: A flow that was in the table is freed after a grace period, which `_guard`
            // holds off, or with the table, which is borrowed.
            Ok(None) => Ok(unsafe { flow.as_ref() }),
            other => {
                // SAFETY: The link was inserted above, and only a caller that has removed
                // an inbound link, which this flow has not in the table, removes the other.
                unsafe { self.unlink_second(flow) };
                // SAFETY: The flow is out of the table; a reader may still see it.
                unsafe { self.free_later(flow) };
                let Ok(Some(link)) = other else {
                    return Err(Refused::NoMemory);
                };
                // SAFETY: What is in the table are links of such flows.
                let existing = unsafe { Flow::<K, T, R>::from_link(link) };
                // SAFETY: A flow that was in the table is freed after a grace period, which
                // `_guard` holds off, or with the table, which is borrowed.
                Err(Refused::Exists(unsafe { existing.as_ref() }))
            }
        }
    }

    /// Takes `flow` out of the table. Returns `true` to the one caller that did.
    ///
    /// Packets that have found it may go on using it; its value is dropped after a grace period.
    pub fn remove(&self, flow: &Flow<K, T, R>, _bh: &LocalBhDisabled) -> bool {
        let raw: *mut Flow<K, T, R> = core::ptr::from_ref(flow).cast_mut();
        // SAFETY: The link belongs to a flow that is alive; C compares addresses before it takes
        // a link out, so that a flow of another table is left alone.
        if !unsafe { self.unlink(&raw mut (*raw).inbound) } {
            return false;
        }
        // SAFETY: The flow is alive. The caller that removed the inbound link removes this one, so
        // it is there if the flow has it.
        unsafe { self.unlink_second(NonNull::from(flow)) };
        // SAFETY: The flow is out of the table, by this caller alone.
        unsafe { self.free_later(NonNull::from(flow)) };
        true
    }

    /// Inserts a link. Returns the one that has its key if there is one, and then inserts nothing.
    ///
    /// # Safety
    ///
    /// `link` must belong to a flow of this type and be in no table.
    unsafe fn link(&self, link: *mut Link<K>) -> Result<Option<NonNull<bindings::rlvs_flow_link>>> {
        // SAFETY: The table is initialised with this key length, the caller promises the link, and
        // an RCU read-side section is proved by the callers' guards.
        from_err_ptr(unsafe {
            bindings::rlvs_flow_insert(self.table.get(), Self::KEY_LEN, link.cast())
        })
        .map(NonNull::new)
    }

    /// Takes a link out. Returns `true` if it was in the table.
    ///
    /// # Safety
    ///
    /// `link` must belong to a flow of this type that is alive.
    unsafe fn unlink(&self, link: *mut Link<K>) -> bool {
        // SAFETY: The table is initialised with this key length; the caller promises the link.
        unsafe { bindings::rlvs_flow_remove(self.table.get(), Self::KEY_LEN, link.cast()) }
    }

    /// Inserts the second link of a flow, if it has one.
    ///
    /// # Safety
    ///
    /// `flow` must be alive, and its second link in no table.
    unsafe fn link_second(
        &self,
        flow: NonNull<Flow<K, T, R>>,
    ) -> Result<Option<NonNull<bindings::rlvs_flow_link>>> {
        // SAFETY: The flow is alive, and so the field is inside its memory.
        let link = R::link(unsafe { &raw mut (*flow.as_ptr()).reply });
        if link.is_null() {
            return Ok(None);
        }
        // SAFETY: The caller promises it.
        unsafe { self.link(link) }
    }

    /// Takes the second link of a flow out, if it has one.
    ///
    /// # Safety
    ///
    /// `flow` must be alive.
    unsafe fn unlink_second(&self, flow: NonNull<Flow<K, T, R>>) {
        // SAFETY: The flow is alive, and so the field is inside its memory.
        let link = R::link(unsafe { &raw mut (*flow.as_ptr()).reply });
        if !link.is_null() {
            // SAFETY: The link belongs to a flow that is alive.
            unsafe { self.unlink(link) };
        }
    }

    /// Frees a flow after a grace period.
    ///
    /// # Safety
    ///
    /// `flow` must be out of the table, and this the only call for it.
    unsafe fn free_later(&self, flow: NonNull<Flow<K, T, R>>) {
        if !self.freeing.load(Relaxed) {
            self.freeing.store(true, Relaxed);
        }
        // SAFETY: The flow is alive, by the caller's promise.
        let head = unsafe { Flow::rcu_head(flow) };
        // SAFETY: The head is part of the flow, which lives until the callback frees it; the
        // callback is the one for this type.
        unsafe { rcu::call(head, free_flow::<K, T, R>) };
    }
}

impl<K: Key, T: Send + Sync + 'static> FlowTable<K, T> {
    /// Inserts a flow with both keys, each hashed for its side, which then finds it until it is
    /// removed.
    ///
    /// `value` is dropped when it is refused. Values are dropped in softirq context, here or after
    /// a grace period: their destructor must not sleep or take long.
    pub fn insert<'a>(
        &'a self,
        inbound: Hashed<K>,
        reply: Hashed<K>,
        value: T,
        guard: &'a Guard,
        bh: &LocalBhDisabled,
    ) -> core::result::Result<&'a Flow<K, T>, Refused<'a, K, T>> {
        self.put(
            inbound.of(Side::Inbound),
            Link::new(reply.of(Side::Reply)),
            value,
            guard,
            bh,
        )
    }
}

impl<K: Key, T: Send + Sync + 'static> FlowTable<K, T, NoReply> {
    /// Inserts a flow with one key, hashed for [`Side::Inbound`], which then finds it until it is
    /// removed.
    ///
    /// `value` is dropped when it is refused. Values are dropped in softirq context, here or after
    /// a grace period: their destructor must not sleep or take long.
    pub fn insert<'a>(
        &'a self,
        key: Hashed<K>,
        value: T,
        guard: &'a Guard,
        bh: &LocalBhDisabled,
    ) -> core::result::Result<&'a Flow<K, T, NoReply>, Refused<'a, K, T, NoReply>> {
        self.put(key.of(Side::Inbound), NoReply, value, guard, bh)
    }
}

/// Frees the flow of an RCU head.
///
/// # Safety
///
/// Called by RCU with the head that [`FlowTable::free_later`] gave it.
unsafe extern "C" fn free_flow<K: Key, T, R: Second<K>>(head: *mut callback_head) {
    // SAFETY: The head is the field of a flow, which begins that many bytes before.
    let flow = unsafe { head.byte_sub(offset_of!(Flow<K, T, R>, rcu)) }.cast::<Flow<K, T, R>>();
    // SAFETY: A flow that begins there is not at null.
    let flow = unsafe { NonNull::new_unchecked(flow) };
    // SAFETY: The flow is one that a table has allocated; it is out of the table, and the grace
    // period has ended every reader. RCU calls its callbacks with bottom halves off, whatever thread
    // does it.
    unsafe { Flow::free(flow) };
}
