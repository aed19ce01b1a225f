// SPDX-License-Identifier: GPL-2.0

//! The end of a table.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none.

use super::{
    flow::{Flow, Second},
    key::Key,
    table::FlowTable,
};
use crate::{bh::with_bh_disabled, bindings, rcu, task};
use core::ptr::NonNull;
use kernel::{prelude::*, sync::atomic::Relaxed, types::Opaque};

/// Links that are looked at in one read-side section when a table is emptied.
const REMOVE_BATCH: usize = 4096;

impl<K: Key, T: Send + Sync + 'static, R: Second<K>> FlowTable<K, T, R> {
    /// Removes all flows.
    ///
    /// # Context
    ///
    /// Process context; may sleep. No flow may be added meanwhile.
    fn remove_all(&self) {
        let iter = Opaque::<bindings::rhashtable_iter>::uninit();
        // A pass may miss links that a resize moves meanwhile, hence the loop: nothing is added.
        while !self.is_empty() {
            // SAFETY: The table is initialised; the iterator stays where it is until the exit.
            unsafe { bindings::rhashtable_walk_enter(self.table.get(), iter.get()) };
            // SAFETY: The iterator was entered.
            while unsafe { self.remove_some(iter.get()) } {
                task::cond_resched();
            }
            // SAFETY: The iterator was entered and is stopped.
            unsafe { bindings::rhashtable_walk_exit(iter.get()) };
        }
    }

    /// Removes the flows of the next links. Returns `false` at the end of the table.
    ///
    /// # Safety
    ///
    /// `iter` must have been entered for this table and not be started.
    unsafe fn remove_some(&self, iter: *mut bindings::rhashtable_iter) -> bool {
        let mut more = true;
        // SAFETY: The caller promises it; this starts a read-side section.
        unsafe { bindings::rlvs_flow_walk_start(iter) };
        for _ in 0..REMOVE_BATCH {
            // SAFETY: The iterator was started.
            let link = unsafe { bindings::rlvs_flow_walk_next(iter) };
            let Some(link) = NonNull::new(link) else {
                more = false;
                break;
            };
            // SAFETY: What is in the table are links of such flows.
            let flow = unsafe { Flow::<K, T, R>::from_link(link) };
            // SAFETY: The read-side section keeps the flow.
            let flow = unsafe { flow.as_ref() };
            with_bh_disabled(|bh| self.remove(flow, bh));
        }
        // SAFETY: The iterator was started; this ends the read-side section.
        unsafe { bindings::rhashtable_walk_stop(iter) };
        more
    }
}

#[pinned_drop]
impl<K: Key, T: Send + Sync + 'static, R: Second<K>> PinnedDrop for FlowTable<K, T, R> {
    /// Sleeps, also for a grace period: no callback of the table is left after it, so that a module
    /// whose tables are gone can be unloaded. In the state of a namespace that ends, none is left
    /// when the last namespace of the batch has ended.
    fn drop(self: Pin<&mut Self>) {
        self.remove_all();
        // SAFETY: The table is initialised, empty, and not borrowed: this is its last use.
        unsafe { bindings::rhashtable_destroy(self.table.get()) };
        if self.freeing.load(Relaxed) {
            rcu::barrier_for_batch();
        }
    }
}
