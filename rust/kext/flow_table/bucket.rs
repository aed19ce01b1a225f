// SPDX-License-Identifier: GPL-2.0

//! The flows of one bucket: a sample of a table, for callers that need any few of its flows.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::sync::rcu::Guard;

use super::{
    flow::{Flow, Link, Second},
    key::Key,
    table::FlowTable,
};
use crate::bindings;

/// The flows that have a link in one bucket. One with both links there comes twice, one that is
/// being moved by a resize may be missing, and what follows it may be of another bucket.
pub struct Bucket<'a, K: Key, T, R: Second<K> = Link<K>> {
    /// The next link; null at the end.
    ///
    /// # Invariants
    ///
    /// It was in a table of such flows in the read-side section that lasts for `'a`.
    next: *mut bindings::rlvs_flow_link,
    flows: PhantomData<&'a Flow<K, T, R>>,
}

impl<K: Key, T: Send + Sync + 'static, R: Second<K>> FlowTable<K, T, R> {
    /// Returns the flows of the bucket with this number, modulo how many buckets there are.
    pub fn bucket<'a>(&'a self, number: u32, _guard: &'a Guard) -> Bucket<'a, K, T, R> {
        Bucket {
            // INVARIANT: The guard proves the section, and is borrowed for `'a`.
            // SAFETY: The table is initialised, and the guard proves the read-side section.
            next: unsafe { bindings::rlvs_flow_first(self.table.get(), number) },
            flows: PhantomData,
        }
    }
}

impl<'a, K: Key, T, R: Second<K>> Iterator for Bucket<'a, K, T, R> {
    type Item = &'a Flow<K, T, R>;

    fn next(&mut self) -> Option<Self::Item> {
        let link = NonNull::new(self.next)?;
        // INVARIANT: What follows a link in its list was in the table while the section lasted: were
        // it taken out before, the link would not lead to it.
        // SAFETY: By the invariant the link is of a flow that RCU keeps, and the section lasts.
        self.next = unsafe { bindings::rlvs_flow_after(link.as_ptr()) };
        // SAFETY: What is in the table are links of such flows.
        let flow = unsafe { Flow::<K, T, R>::from_link(link) };
        // SAFETY: By the invariant a grace period has to pass before the flow is freed, which the
        // section holds off; or it is freed with the table, which is borrowed for `'a`.
        Some(unsafe { flow.as_ref() })
    }
}
