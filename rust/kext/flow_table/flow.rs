// SPDX-License-Identifier: GPL-2.0

//! The entries of a table, their memory, and the slab caches that it comes from.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none.

use super::key::{bare, Hashed, Key, REPLY_BIT};
use crate::{bindings, flow_total, rcu};
use core::marker::PhantomData;
use core::mem::{align_of, offset_of, size_of};
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::{
    bindings::{callback_head, rhash_head},
    prelude::*,
    sync::Arc,
    types::Opaque,
};

/// `struct rlvs_flow_link` with a key of its length.
#[repr(C)]
pub struct Link<K> {
    /// Guarded by: the bucket lock of its bucket.
    node: Opaque<rhash_head>,
    pub(super) key: K,
}

impl<K> Link<K> {
    /// A link that is in no table.
    pub(super) fn new(key: Hashed<K>) -> Self {
        Self {
            node: Opaque::zeroed(),
            key: key.0,
        }
    }
}

/// In place of the second link: the flow is found by its inbound key alone.
pub struct NoReply;

/// The second link of the flows of a table: [`Link`] or [`NoReply`].
pub trait Second<K>: Links<K> {}

impl<K: Key> Second<K> for Link<K> {}
impl<K: Key> Second<K> for NoReply {}

/// What the table does with a second link. Not exported, so that no other type is one.
pub trait Links<K>: Sized + 'static {
    /// The number of links that a flow has.
    const COUNT: u32;

    /// Returns the second link, or null if there is none.
    fn link(this: *mut Self) -> *mut Link<K>;
}

impl<K: Key> Links<K> for Link<K> {
    const COUNT: u32 = 2;

    #[inline]
    fn link(this: *mut Self) -> *mut Self {
        this
    }
}

impl<K: Key> Links<K> for NoReply {
    const COUNT: u32 = 1;

    #[inline]
    fn link(_: *mut Self) -> *mut Link<K> {
        core::ptr::null_mut()
    }
}

/// An entry of a [`FlowTable`](super::FlowTable).
///
/// # Invariants
///
/// The reply bit is clear in the key of `inbound` and set in that of `reply`, if that is a link. The
/// memory came from [`Flow::allocate`]. Neither link is in a table other than the one that made the
/// flow.
#[repr(C)]
pub struct Flow<K: Key, T, R: Second<K> = Link<K>> {
    pub(super) inbound: Link<K>,
    pub(super) reply: R,
    /// Guarded by: the CPU that took the inbound link out; then RCU.
    pub(super) rcu: Opaque<callback_head>,
    pub(super) value: T,
}

// SAFETY: A flow is shared as its keys, which do not change, and its value; the links and the RCU
// head are touched only by C, under the table's own locks.
unsafe impl<K: Key, T: Send + Sync, R: Second<K>> Sync for Flow<K, T, R> {}

// SAFETY: A flow is sent as its value, which may be; its memory may be freed by any thread.
unsafe impl<K: Key, T: Send + Sync, R: Second<K>> Send for Flow<K, T, R> {}

impl<K: Key, T> Flow<K, T> {
    /// Returns the key of the packets that answer.
    #[inline]
    pub fn reply_key(&self) -> K {
        bare(self.reply.key)
    }
}

impl<K: Key, T, R: Second<K>> Flow<K, T, R> {
    /// Returns the key of the packets that opened the flow.
    #[inline]
    pub fn inbound_key(&self) -> K {
        bare(self.inbound.key)
    }

    const SIZE: u32 = {
        // What every slab cache and `kmalloc()` aligns its memory to.
        assert!(align_of::<Self>() <= align_of::<u64>());
        assert!(size_of::<Self>() <= 4096);
        size_of::<Self>() as u32
    };

    /// Allocates memory for a flow, without anything in it yet. Returns `None` when memory is
    /// short. Any context.
    ///
    /// # Safety
    ///
    /// `cache` must be null or a slab cache for [`Self::SIZE`] bytes, which lives until the memory
    /// was given back by [`Flow::free`].
    pub(super) unsafe fn allocate(cache: *mut bindings::kmem_cache) -> Option<NonNull<Self>> {
        // SAFETY: The caller promises that the cache lives, if there is one.
        let memory = unsafe { bindings::rlvs_flow_alloc(cache, Self::SIZE) };
        NonNull::new(memory.cast())
    }

    /// Drops a flow, which was counted, and gives its memory back. Any context in which its value may
    /// be dropped, with bottom halves off.
    ///
    /// # Safety
    ///
    /// `flow` must be valid, in memory from [`Flow::allocate`], and this the last use of it. Bottom
    /// halves must be off.
    // Not inlined where flows are inserted, which needs it for one that was refused only.
    #[inline(never)]
    pub(super) unsafe fn free(flow: NonNull<Self>) {
        // SAFETY: The caller promises that bottom halves are off.
        unsafe { flow_total::gone() };
        // SAFETY: The caller promises that the flow is valid and is not used again.
        unsafe { flow.as_ptr().drop_in_place() };
        // SAFETY: The memory was allocated by `kmem_cache_alloc()` or `kmalloc()`, either of which
        // `kfree()` takes back, and the caller promises that it is not used again.
        unsafe { kernel::bindings::kfree(flow.as_ptr().cast()) };
    }

    /// Returns the key of the packets that opened the flow, as it finds the flow.
    #[inline]
    pub fn hashed_key(&self) -> Hashed<K> {
        Hashed(self.inbound.key)
    }

    /// Returns the flow that has `link`.
    ///
    /// # Safety
    ///
    /// `link` must be a link of a flow of the same `K`, `T` and `R`.
    #[inline]
    pub(super) unsafe fn from_link(link: NonNull<bindings::rlvs_flow_link>) -> NonNull<Self> {
        let link = link.cast::<Link<K>>();
        // SAFETY: The caller promises a link of a flow, which is valid to read.
        let key = unsafe { &(*link.as_ptr()).key };
        let offset = if key.last() & REPLY_BIT == 0 {
            offset_of!(Self, inbound)
        } else {
            offset_of!(Self, reply)
        };
        // SAFETY: By the flow's invariant the bit says which of its links this is, so that the
        // flow starts that many bytes before.
        unsafe { link.byte_sub(offset) }.cast()
    }

    /// Returns the head by which RCU has the flow.
    ///
    /// # Safety
    ///
    /// `flow` must be in memory that is large enough for a flow.
    pub(super) unsafe fn rcu_head(flow: NonNull<Self>) -> NonNull<callback_head> {
        // SAFETY: The caller promises the memory, and the field is inside of it.
        let head = unsafe { &raw mut (*flow.as_ptr()).rcu };
        // SAFETY: A field of something that is not null is not null.
        // CAST: `Opaque` is a transparent wrapper.
        unsafe { NonNull::new_unchecked(head.cast()) }
    }
}

impl<K: Key, T, R: Second<K>> Deref for Flow<K, T, R> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A slab cache for the entries of tables, which have a reference to it each. For entries of a size
/// of which `kmalloc()` would waste much.
///
/// # Invariants
///
/// `raw` is a slab cache for [`Flow::SIZE`] bytes, which this value owns. What is allocated from it
/// is the entries of tables that own a reference to this value.
pub struct EntryCache<K: Key, T, R: Second<K> = Link<K>> {
    pub(super) raw: NonNull<bindings::kmem_cache>,
    flows: PhantomData<Flow<K, T, R>>,
}

// SAFETY: The kernel's slab caches are made to be used by several CPUs at once.
unsafe impl<K: Key, T, R: Second<K>> Sync for EntryCache<K, T, R> {}

// SAFETY: A slab cache may be destroyed by any thread.
unsafe impl<K: Key, T, R: Second<K>> Send for EntryCache<K, T, R> {}

impl<K: Key, T, R: Second<K>> EntryCache<K, T, R> {
    /// Makes a cache. Its name, in /proc/slabinfo, is the same for every one.
    ///
    /// # Context
    ///
    /// Process context; may sleep. So for dropping the last reference.
    pub fn new() -> Result<Arc<Self>> {
        // SAFETY: An FFI call that may sleep, which this function's context allows; the size is
        // not 0, and that of a page at most.
        let raw = unsafe { bindings::rlvs_flow_cache_create(Flow::<K, T, R>::SIZE) };
        // INVARIANT: The cache was made for this value, for this size.
        let cache = Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            flows: PhantomData,
        };
        Ok(Arc::new(cache, GFP_KERNEL)?)
    }
}

impl<K: Key, T, R: Second<K>> Drop for EntryCache<K, T, R> {
    fn drop(&mut self) {
        // What the tables of namespaces that are ending have left to RCU.
        rcu::barrier();
        // SAFETY: By the type's invariant the value owns the cache, and the tables are gone that
        // have allocated from it. Each has freed its entries or left them to RCU, for which the
        // barrier has waited.
        unsafe { bindings::rlvs_flow_cache_destroy(self.raw.as_ptr()) };
    }
}
