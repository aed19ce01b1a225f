// SPDX-License-Identifier: GPL-2.0

//! Walks over a table that sleep in between.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none.

use super::{
    flow::{Flow, Link, Second},
    key::Key,
    table::FlowTable,
};
use crate::{
    bindings,
    memory::KEPT,
    netns::{Handle, Namespace},
    task,
};
use core::ptr::NonNull;
use kernel::{prelude::*, sync::Arc, types::Opaque};

/// Flows that are shown in one read-side section.
const BATCH: usize = 256;

/// A walk over a table that can be interrupted and taken up again.
///
/// It keeps its place over resizes, then shows some flows twice.
///
/// # Context
///
/// Process context, for all that is done with it: a lock is taken that the worker which resizes the
/// table takes with bottom halves on, so that a softirq on its CPU would wait for it forever. To drop
/// it is also to drop a reference to the table, and may sleep.
pub struct Walker<K: Key, T: Send + Sync + 'static, R: Second<K> = Link<K>> {
    /// Guarded by: `&mut self`.
    iter: KBox<Opaque<bindings::rhashtable_iter>>,
    /// Keeps the table until the iterator has left it.
    _table: Arc<FlowTable<K, T, R>>,
    /// The last flow was not consumed and comes again.
    again: bool,
}

// SAFETY: The iterator is used by one thread at a time, through `&mut self`.
unsafe impl<K: Key, T: Send + Sync + 'static, R: Second<K>> Send for Walker<K, T, R> {}

impl<K: Key, T: Send + Sync + 'static, R: Second<K>> Walker<K, T, R> {
    /// Starts at the first bucket.
    ///
    /// # Context
    ///
    /// Process context; may sleep. Hooks have no [`Handle`].
    pub fn new<S: Namespace>(table: Arc<FlowTable<K, T, R>>, _ns: &Handle<'_, S>) -> Result<Self> {
        let iter = KBox::new(Opaque::uninit(), KEPT)?;
        // SAFETY: The table is initialised and outlives the walker, which owns a reference; the
        // iterator's memory does not move, being boxed.
        unsafe { bindings::rhashtable_walk_enter(table.table.get(), iter.get()) };
        Ok(Self {
            iter,
            _table: table,
            again: false,
        })
    }

    /// Goes back to the first bucket.
    ///
    /// # Context
    ///
    /// Process context, not in a hook.
    pub fn restart(&mut self) {
        let iter = self.iter.get();
        // SAFETY: The iterator was entered and is stopped; the table is still there.
        unsafe { bindings::rhashtable_walk_exit(iter) };
        // SAFETY: The table is initialised and outlives the walker, which owns a reference; the
        // iterator has just been left, and its memory does not move, being boxed.
        unsafe { bindings::rhashtable_walk_enter(self._table.table.get(), iter) };
        self.again = false;
    }

    /// Shows all flows to `f`, from where the walk is; others may run after each batch.
    ///
    /// # Errors
    ///
    /// `EINTR` when the namespace ends, which waits for the caller.
    ///
    /// # Context
    ///
    /// Process context, not in a hook; may sleep. `f` is called as by [`batch`](Self::batch).
    pub fn for_each<S: Namespace>(
        &mut self,
        ns: &Handle<'_, S>,
        mut f: impl FnMut(&Flow<K, T, R>),
    ) -> Result {
        while self.batch(|flow| {
            f(flow);
            true
        }) {
            if ns.is_ending() {
                return Err(EINTR);
            }
            task::cond_resched();
        }
        Ok(())
    }

    /// Shows the next flows, 256 at most, to `f`, until it returns `false`: that flow comes again in
    /// the next batch. Returns `true` if there may be more flows.
    ///
    /// # Context
    ///
    /// Process context, not in a hook. `f` runs inside a read-side section and must not sleep, nor wait
    /// for a grace period: the walk would go on in what was freed meanwhile.
    pub fn batch(&mut self, mut f: impl FnMut(&Flow<K, T, R>) -> bool) -> bool {
        let iter = self.iter.get();
        let mut more = true;
        let mut left = BATCH;
        // SAFETY: The iterator was entered; this starts a read-side section.
        unsafe { bindings::rlvs_flow_walk_start(iter) };
        while left > 0 {
            let link = if core::mem::take(&mut self.again) {
                // SAFETY: The iterator was started.
                unsafe { bindings::rlvs_flow_walk_peek(iter) }
            } else {
                // SAFETY: The iterator was started.
                unsafe { bindings::rlvs_flow_walk_next(iter) }
            };
            let Some(link) = NonNull::new(link) else {
                more = false;
                break;
            };
            // SAFETY: What is in the table are links of such flows.
            let flow = unsafe { Flow::<K, T, R>::from_link(link) };
            if flow.cast() != link {
                // The flow's reply link; the flow is shown at its inbound link, which is first.
                continue;
            }
            // SAFETY: The read-side section keeps the flow.
            if !f(unsafe { flow.as_ref() }) {
                self.again = true;
                break;
            }
            left -= 1;
        }
        // SAFETY: The iterator was started; this ends the read-side section.
        unsafe { bindings::rhashtable_walk_stop(iter) };
        more
    }
}

impl<K: Key, T: Send + Sync + 'static, R: Second<K>> Drop for Walker<K, T, R> {
    fn drop(&mut self) {
        // SAFETY: The iterator was entered and is stopped; the table is still there.
        unsafe { bindings::rhashtable_walk_exit(self.iter.get()) };
    }
}
