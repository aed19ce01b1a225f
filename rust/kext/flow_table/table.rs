// SPDX-License-Identifier: GPL-2.0

//! The table itself, and how flows are found in it.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none.

use super::{
    flow::{EntryCache, Flow, Link, Second},
    key::{Digest, Hashed, Key, Secret},
};
use crate::{bindings, rwonce::Once};
use core::marker::PhantomData;
use core::mem::{offset_of, size_of};
use core::ptr::NonNull;
use kernel::{
    bindings::{rhash_head, rhashtable},
    error::to_result,
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag},
        rcu::Guard,
        Arc,
    },
    types::Opaque,
};

/// Flows found by two keys; by one, if `R` is [`NoReply`].
///
/// # Invariants
///
/// `memory` is that of `_cache`, or null without one.
///
/// # Context
///
/// Dropping the last reference to a table needs process context and sleeps, also for a grace period:
/// hooks must not do it, and what they may drop, like the value of a flow, must not have one.
#[pin_data(PinnedDrop)]
pub struct FlowTable<K: Key, T: Send + Sync + 'static, R: Second<K> = Link<K>> {
    /// Guarded by: itself, bucket locks and RCU.
    #[pin]
    pub(super) table: Opaque<rhashtable>,
    /// What the hashes are made with: random, and not known outside of this table.
    secret: bindings::rlvs_flow_secret,
    /// A flow was handed to RCU to be freed.
    /// Guarded by: atomic; set once.
    pub(super) freeing: AtomicFlag,
    /// Where flows' memory is from, `kmalloc()` if it is null: beside what every insertion reads.
    pub(super) memory: *mut bindings::kmem_cache,
    /// Keeps the cache until the flows are gone.
    _cache: Option<Arc<EntryCache<K, T, R>>>,
    flows: PhantomData<KBox<Flow<K, T, R>>>,
}

// SAFETY: The kernel's table is made to be used by several CPUs at once.
unsafe impl<K: Key, T: Send + Sync + 'static, R: Second<K>> Sync for FlowTable<K, T, R> {}

// SAFETY: The kernel's table may be torn down by any thread.
unsafe impl<K: Key, T: Send + Sync + 'static, R: Second<K>> Send for FlowTable<K, T, R> {}

impl<K: Key, T: Send + Sync + 'static, R: Second<K>> FlowTable<K, T, R> {
    /// Bytes that an entry takes.
    pub const ENTRY_SIZE: usize = size_of::<Flow<K, T, R>>();

    pub(super) const KEY_LEN: u32 = size_of::<K>() as u32;

    /// Prepares an empty table. May sleep.
    pub fn new() -> impl PinInit<Self, Error> {
        Self::with_memory(None)
    }

    /// Prepares an empty table whose entries are from a slab cache. May sleep.
    pub fn cached(cache: Arc<EntryCache<K, T, R>>) -> impl PinInit<Self, Error> {
        Self::with_memory(Some(cache))
    }

    fn with_memory(cache: Option<Arc<EntryCache<K, T, R>>>) -> impl PinInit<Self, Error> {
        const {
            // What C takes for granted of `struct rlvs_flow_link`.
            assert!(offset_of!(Link<K>, key) == size_of::<rhash_head>());
            assert!(size_of::<Link<K>>() == size_of::<rhash_head>() + size_of::<K>());
        };
        try_pin_init!(Self {
            table <- Opaque::try_ffi_init(|slot: *mut rhashtable| {
                // SAFETY: `slot` is valid for writes; the table stays where it is, being pinned.
                to_result(unsafe { bindings::rlvs_flow_table_init(slot, Self::KEY_LEN) })
            }),
            secret: Self::new_secret(),
            freeing: AtomicFlag::new(false),
            // INVARIANT: It is that of the cache, if there is one.
            memory: cache.as_ref().map_or(core::ptr::null_mut(), |cache| cache.raw.as_ptr()),
            _cache: cache,
            flows: PhantomData,
        }? Error)
    }

    fn new_secret() -> bindings::rlvs_flow_secret {
        let mut secret = bindings::rlvs_flow_secret {
            key: bindings::hsiphash_key_t::default(),
            numbers: Secret::default(),
        };
        // SAFETY: The pointer is valid for writes.
        unsafe { bindings::rlvs_flow_make_secret(&raw mut secret) };
        secret
    }

    /// Returns the keyed hash of these words, for keys of this table.
    #[inline]
    pub fn digest(&self, words: &[u64]) -> Digest<'_> {
        let secret = &raw const self.secret.key;
        let hash = if let [word] = words {
            // SAFETY: The secret is valid.
            unsafe { bindings::hsiphash_2u32(*word as u32, (*word >> u32::BITS) as u32, secret) }
        } else {
            // CAST: A key has five words at most.
            let count = words.len() as u32;
            // SAFETY: The secret is valid, and there are at least as many words as this.
            unsafe { bindings::rlvs_flow_digest(secret, words.as_ptr(), count) }
        };
        Digest {
            hash: u64::from(hash) << u32::BITS,
            secret: &self.secret.numbers,
        }
    }

    /// Prefetches the bucket of a key, which nearly always is in no cache of the processor. Any
    /// context.
    #[inline]
    pub fn prefetch(&self, key: &Hashed<K>, _guard: &Guard) {
        // SAFETY: The table is initialised with this key length, the key has as many bytes, and the
        // guard proves the read-side section.
        unsafe {
            bindings::rlvs_flow_prefetch(self.table.get(), Self::KEY_LEN, (&raw const key.0).cast())
        };
    }

    /// Returns the number of flows; another CPU may be changing it.
    #[inline]
    pub fn len(&self) -> u32 {
        // SAFETY: The field is inside of the table.
        let links = unsafe { &raw mut (*self.table.get()).nelems.counter };
        // SAFETY: The table is initialised, and changes the counter, which is aligned, by atomic
        // operations. It lives as long as `self` is borrowed.
        let links = unsafe { Atomic::from_ptr(links) }.read_once();
        // CAST: There are never fewer than none.
        links as u32 / R::COUNT
    }

    /// Returns the number of buckets; it changes with the number of flows.
    pub fn buckets(&self) -> u32 {
        // SAFETY: The table is initialised.
        unsafe { bindings::rlvs_flow_buckets(self.table.get()) }
    }

    /// Returns `true` if the table has no flow; another CPU may be changing that.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the flow that has `key`. Any context but hard interrupt.
    #[inline]
    pub fn find<'a>(&'a self, key: &Hashed<K>, _guard: &'a Guard) -> Option<&'a Flow<K, T, R>> {
        // SAFETY: The table is initialised with this key length, `key` has as many bytes and no
        // padding, and the guard proves the read-side section.
        let link = unsafe {
            bindings::rlvs_flow_lookup(self.table.get(), Self::KEY_LEN, (&raw const key.0).cast())
        };
        // SAFETY: What is in the table are links of such flows.
        let flow = unsafe { Flow::<K, T, R>::from_link(NonNull::new(link)?) };
        // SAFETY: A flow that was in the table is freed after a grace period, which `_guard`
        // holds off, or with the table, which is borrowed.
        Some(unsafe { flow.as_ref() })
    }
}
