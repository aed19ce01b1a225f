// SPDX-License-Identifier: GPL-2.0

//! A table of flows, each found by two keys: one for the packets of either side; or by the first
//! one alone, where nobody looks for the other.
//!
//! It is the kernel's resizable hash table with a link in each entry for each key, as the flow table
//! of netfilter has them. Readers take no lock and no reference: RCU keeps an entry readable for the
//! packet that found it. The kernel's table locks a bucket with interrupts off for each insertion
//! and removal, and resizes in a worker while readers and writers go on.
//!
//! The order of the steps of insertion and removal is checked by the model in
//! `rust/core/tests/model/`, which has them again.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none; `struct rhashtable` is in the kernel's bindings, its lookups are inline.

use crate::{
    bh::LocalBhDisabled,
    bindings, flow_total,
    memory::KEPT,
    netns::{Handle, Namespace},
    rcu, task,
};
use core::marker::PhantomData;
use core::mem::{align_of, offset_of, size_of};
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::{
    bindings::{callback_head, rhash_head, rhashtable},
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::{
        atomic::{AtomicFlag, Relaxed},
        rcu::Guard,
        Arc,
    },
    types::Opaque,
};

pub use bucket::Bucket;

mod bucket;

/// Which of a flow's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The key of the packets that opened the flow.
    Inbound,
    /// The key of the packets that answer.
    Reply,
}

/// A key: 2 words for IPv4, 5 words for IPv6.
///
/// The 29 highest bits of the last word are the table's own; whatever a caller puts there is
/// ignored.
pub trait Key: sealed::Words {}

impl Key for [u64; 2] {}
impl Key for [u64; 5] {}

mod sealed {
    /// Words without padding, whose last word can be changed.
    pub trait Words: Copy + Eq + Send + Sync + 'static {
        fn last_mut(&mut self) -> &mut u64;
        fn last(&self) -> u64;
    }

    impl Words for [u64; 2] {
        #[inline]
        fn last_mut(&mut self) -> &mut u64 {
            let [_, last] = self;
            last
        }

        #[inline]
        fn last(&self) -> u64 {
            let [_, last] = self;
            *last
        }
    }

    impl Words for [u64; 5] {
        #[inline]
        fn last_mut(&mut self) -> &mut u64 {
            let [_, _, _, _, last] = self;
            last
        }

        #[inline]
        fn last(&self) -> u64 {
            let [_, _, _, _, last] = self;
            *last
        }
    }
}

/// Links that are looked at in one read-side section when a table is emptied.
const REMOVE_BATCH: usize = 4096;

/// The bit of a key that tells the two links of a flow apart.
const REPLY_BIT: u64 = 1 << 63;

/// How many bits a hash has.
const HASH_BITS: u32 = 28;

/// Where a key has its hash, right below [`REPLY_BIT`]; C has the same number.
const HASH_SHIFT: u32 = 35;

/// The bits of a key's last word that are the table's own.
const OWN_BITS: u64 = !0 << HASH_SHIFT;

/// `key` without what is the table's own.
#[inline]
fn bare<K: Key>(mut key: K) -> K {
    *key.last_mut() &= !OWN_BITS;
    key
}

/// The hash that a key has in it.
#[inline]
fn hash_in<K: Key>(key: K) -> u32 {
    u32::try_from((key.last() & !REPLY_BIT) >> HASH_SHIFT).unwrap_or(0)
}

/// A key with its hash in one table, so that several questions about it take the hash once. In
/// another table it finds nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hashed<K>(K);

impl<K: Key> Hashed<K> {
    /// The hash.
    #[inline]
    pub fn hash(&self) -> u32 {
        hash_in(self.0)
    }

    /// The key in a zone, of which there are 2^28, if it was in zone 0: flows in different zones are
    /// different ones even if their keys have the same words.
    ///
    /// The zone is in the key's hash, which is compared along with the words. Keys of the same words
    /// have the same hash before, and so another one in each zone.
    #[inline]
    pub fn in_zone(mut self, zone: u32) -> Self {
        *self.0.last_mut() ^= u64::from(zone).wrapping_shl(HASH_SHIFT) & OWN_BITS & !REPLY_BIT;
        self
    }

    /// The zone of a key whose words in zone 0 are `unzoned`.
    #[inline]
    pub fn zone(&self, unzoned: &Self) -> u32 {
        self.hash() ^ unzoned.hash()
    }

    /// The words of the key, without the hash.
    #[inline]
    pub fn words(&self) -> K {
        bare(self.0)
    }

    /// The key with the bit of a side, whatever side it was hashed for: the hash is the same.
    #[inline]
    fn of(mut self, side: Side) -> Self {
        let last = self.0.last_mut();
        *last &= !REPLY_BIT;
        if side == Side::Reply {
            *last |= REPLY_BIT;
        }
        self
    }
}

/// Random numbers of one table, which are kept secret: for a hash of what [`Digest`] leaves out.
pub type Secret = [u64; bindings::RLVS_FLOW_NUMBERS as usize];

/// A hash, with one table's secret, of that part of a key which is the same for both keys of a flow:
/// a client that chooses that part cannot choose the hash.
#[derive(Clone, Copy)]
pub struct Digest<'a> {
    hash: u64,
    secret: &'a Secret,
}

impl<'a> Digest<'a> {
    /// The numbers of the table, for a hash of the rest of a key.
    #[inline]
    pub fn secret(&self) -> &'a Secret {
        self.secret
    }

    /// `key` as the table keeps it for `side`. `spread` is a hash of the rest of the key, of which
    /// the highest 28 bits count. A client that chooses the rest must not be able to choose that
    /// hash either.
    #[inline]
    pub fn hashed<K: Key>(self, side: Side, key: K, spread: u64) -> Hashed<K> {
        let hash = (self.hash ^ spread).wrapping_shr(u64::BITS.wrapping_sub(HASH_BITS));
        let mut key = bare(key);
        *key.last_mut() |= hash.wrapping_shl(HASH_SHIFT);
        Hashed(key).of(side)
    }
}

/// `struct rlvs_flow_link` with a key of its length.
#[repr(C)]
pub struct Link<K> {
    node: Opaque<rhash_head>,
    key: K,
}

impl<K> Link<K> {
    /// A link that is in no table.
    fn new(key: Hashed<K>) -> Self {
        Self {
            node: Opaque::zeroed(),
            key: key.0,
        }
    }
}

/// In place of the second link: the flow is found by its inbound key alone.
pub struct NoReply;

/// The second link of the flows of a table: [`Link`] or [`NoReply`].
pub trait Second<K>: second::Links<K> {}

impl<K: Key> Second<K> for Link<K> {}
impl<K: Key> Second<K> for NoReply {}

mod second {
    use super::{Key, Link, NoReply};

    pub trait Links<K>: Sized + 'static {
        /// How many links a flow has.
        const COUNT: u32;

        /// The second link, or null if there is none.
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
}

/// An entry of a [`FlowTable`].
///
/// # Invariants
///
/// The reply bit is clear in the key of `inbound` and set in that of `reply`, if that is a link. The
/// memory came from [`Flow::allocate`]. Neither link is in a table other than the one that made the
/// flow.
#[repr(C)]
pub struct Flow<K: Key, T, R: Second<K> = Link<K>> {
    inbound: Link<K>,
    reply: R,
    rcu: Opaque<callback_head>,
    value: T,
}

// SAFETY: A flow is shared as its keys, which do not change, and its value; the links and the RCU
// head are touched only by C, under the table's own locks.
unsafe impl<K: Key, T: Send + Sync, R: Second<K>> Sync for Flow<K, T, R> {}

// SAFETY: As above; the memory may be freed by any thread.
unsafe impl<K: Key, T: Send + Sync, R: Second<K>> Send for Flow<K, T, R> {}

impl<K: Key, T> Flow<K, T> {
    /// The key of the packets that answer.
    #[inline]
    pub fn reply_key(&self) -> K {
        bare(self.reply.key)
    }
}

impl<K: Key, T, R: Second<K>> Flow<K, T, R> {
    /// The key of the packets that opened the flow.
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

    /// Memory for a flow, without anything in it yet. `None` when memory is short. Any context.
    ///
    /// # Safety
    ///
    /// `cache` must be null or a slab cache for [`Self::SIZE`] bytes, which lives until the memory
    /// was given back by [`Flow::free`].
    unsafe fn allocate(cache: *mut bindings::kmem_cache) -> Option<NonNull<Self>> {
        // SAFETY: The caller promises that the cache lives, if there is one.
        let memory = unsafe { bindings::rlvs_flow_alloc(cache, Self::SIZE) };
        NonNull::new(memory.cast())
    }

    /// Drops a flow and gives its memory back. Any context in which its value may be dropped.
    ///
    /// # Safety
    ///
    /// `flow` must be valid, in memory from [`Flow::allocate`], and this the last use of it.
    // Not inlined where flows are inserted, which needs it for one that was refused only.
    #[inline(never)]
    unsafe fn free(flow: NonNull<Self>) {
        // SAFETY: The caller promises that the flow is valid and is not used again.
        unsafe { flow.as_ptr().drop_in_place() };
        // SAFETY: The memory was allocated by `kmem_cache_alloc()` or `kmalloc()`, either of which
        // `kfree()` takes back, and the caller promises that it is not used again.
        unsafe { kernel::bindings::kfree(flow.as_ptr().cast()) };
    }

    /// The key of the packets that opened the flow, as it finds the flow.
    #[inline]
    pub fn hashed_key(&self) -> Hashed<K> {
        Hashed(self.inbound.key)
    }

    /// The flow that has `link`.
    ///
    /// # Safety
    ///
    /// `link` must be a link of a flow of the same `K`, `T` and `R`.
    #[inline]
    unsafe fn from_link(link: NonNull<bindings::rlvs_flow_link>) -> NonNull<Self> {
        let link = link.cast::<Link<K>>();
        // SAFETY: The caller promises a link of a flow, which is valid to read.
        let key = unsafe { &(*link.as_ptr()).key };
        let offset = if key.last() & REPLY_BIT == 0 {
            offset_of!(Self, inbound)
        } else {
            offset_of!(Self, reply)
        };
        // SAFETY: By the flow's invariant the bit tells which of its links this is, so that the
        // flow starts that many bytes before.
        unsafe { link.byte_sub(offset) }.cast()
    }

    /// The head by which RCU has the flow.
    ///
    /// # Safety
    ///
    /// `flow` must be in memory that is large enough for a flow.
    unsafe fn rcu_head(flow: NonNull<Self>) -> NonNull<callback_head> {
        // SAFETY: The caller promises the memory, and the field is inside of it.
        let head = unsafe { &raw mut (*flow.as_ptr()).rcu };
        // SAFETY: A field of something that is not null is not null.
        // CAST: `Opaque` is a transparent wrapper.
        unsafe { NonNull::new_unchecked(head.cast()) }
    }
}

impl<K: Key, T, R: Second<K>> Drop for Flow<K, T, R> {
    fn drop(&mut self) {
        flow_total::gone();
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
    raw: NonNull<bindings::kmem_cache>,
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

/// Why a flow was not inserted.
pub enum Refused<'a, K: Key, T, R: Second<K> = Link<K>> {
    /// Another flow has the same inbound key.
    Exists(&'a Flow<K, T, R>),
    /// Another flow has the same reply key.
    Conflict(&'a Flow<K, T, R>),
    /// Memory is short, or the table has not grown as fast as it was filled.
    NoMemory,
}

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
    #[pin]
    table: Opaque<rhashtable>,
    /// What the hashes are made with: random, and not known outside of this table.
    secret: bindings::rlvs_flow_secret,
    /// Whether a flow was ever handed to RCU to be freed.
    freeing: AtomicFlag,
    /// Where flows' memory is from, `kmalloc()` if it is null: beside what every insertion reads.
    memory: *mut bindings::kmem_cache,
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

    const KEY_LEN: u32 = size_of::<K>() as u32;

    /// Prepares an empty table. May sleep.
    pub fn new() -> impl PinInit<Self, Error> {
        Self::with_memory(None)
    }

    /// The same with entries from a slab cache.
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

    /// The keyed hash of these words, for keys of this table.
    #[inline]
    pub fn digest(&self, words: &[u64]) -> Digest<'_> {
        let secret = &raw const self.secret.key;
        let hash = if let [word] = words {
            // SAFETY: The secret is valid.
            unsafe { bindings::hsiphash_2u32(*word as u32, (*word >> u32::BITS) as u32, secret) }
        } else {
            // CAST: Nobody hashes more than the five words that a key has at most.
            let count = words.len() as u32;
            // SAFETY: The secret is valid, and there are at least as many words as this.
            unsafe { bindings::rlvs_flow_digest(secret, words.as_ptr(), count) }
        };
        Digest {
            hash: u64::from(hash) << u32::BITS,
            secret: &self.secret.numbers,
        }
    }

    /// Has the processor fetch the bucket of a key, which nearly always is in none of its caches,
    /// while it goes on with something else.
    #[inline]
    pub fn prefetch(&self, key: &Hashed<K>, _guard: &Guard) {
        // SAFETY: The table is initialised with this key length, the key has as many bytes, and the
        // guard proves the read-side section.
        unsafe {
            bindings::rlvs_flow_prefetch(self.table.get(), Self::KEY_LEN, (&raw const key.0).cast())
        };
    }

    /// Number of flows; another CPU may be changing it.
    pub fn len(&self) -> u32 {
        // SAFETY: The table is initialised.
        let links = unsafe { bindings::rlvs_flow_count(self.table.get()) };
        links / R::COUNT
    }

    /// Number of buckets; it changes with the number of flows.
    pub fn buckets(&self) -> u32 {
        // SAFETY: The table is initialised.
        unsafe { bindings::rlvs_flow_buckets(self.table.get()) }
    }

    /// Whether there is none; another CPU may be changing it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds the flow that has `key`.
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

    /// Inserts a flow, which its keys then find until it is removed.
    fn put<'a>(
        &'a self,
        inbound: Hashed<K>,
        reply: R,
        value: T,
        _guard: &'a Guard,
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
        flow_total::made();

        // The reply key first: while only it is in the table, no packet of the client finds the
        // flow, and there are no answers yet.
        // SAFETY: The link, if there is one, belongs to the flow and is in no table.
        match unsafe { self.link_second(flow) } {
            Ok(None) => {}
            other => {
                // SAFETY: The flow was made above and was never in the table.
                unsafe { Flow::free(flow) };
                let Ok(Some(link)) = other else {
                    return Err(Refused::NoMemory);
                };
                // SAFETY: What is in the table are links of such flows.
                let existing = unsafe { Flow::<K, T, R>::from_link(link) };
                // SAFETY: As in `lookup`: the guard keeps what was found.
                return Err(Refused::Conflict(unsafe { existing.as_ref() }));
            }
        }
        // SAFETY: The link belongs to the flow and is in no table.
        match unsafe { self.link(&raw mut (*raw).inbound) } {
            // SAFETY: As in `lookup`: the flow is freed after a grace period or with the table.
            Ok(None) => Ok(unsafe { flow.as_ref() }),
            other => {
                // SAFETY: The link was inserted above, and without an inbound link nobody else
                // removes the flow.
                unsafe { self.unlink_second(flow) };
                // SAFETY: The flow is out of the table; a reader may still see it.
                unsafe { self.free_later(flow) };
                let Ok(Some(link)) = other else {
                    return Err(Refused::NoMemory);
                };
                // SAFETY: What is in the table are links of such flows.
                let existing = unsafe { Flow::<K, T, R>::from_link(link) };
                // SAFETY: As in `lookup`: the guard keeps what was found.
                Err(Refused::Exists(unsafe { existing.as_ref() }))
            }
        }
    }

    /// Takes `flow` out of the table; true for the one caller that did.
    ///
    /// Packets that have found it may go on using it; its value is dropped after a grace period.
    pub fn remove(&self, flow: &Flow<K, T, R>, _bh: &LocalBhDisabled) -> bool {
        let raw: *mut Flow<K, T, R> = core::ptr::from_ref(flow).cast_mut();
        // SAFETY: The link belongs to a flow that is alive; C compares addresses before it takes
        // a link out, so that a flow of another table is left alone.
        if !unsafe { self.unlink(&raw mut (*raw).inbound) } {
            return false;
        }
        // SAFETY: The flow is alive. Whoever removed the inbound link removes this one, so it is
        // there if the flow has it.
        unsafe { self.unlink_second(NonNull::from(flow)) };
        // SAFETY: The flow is out of the table, by this caller alone.
        unsafe { self.free_later(NonNull::from(flow)) };
        true
    }

    /// Inserts a link, or tells which one has its key.
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

    /// Takes a link out; whether it was in the table.
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

    /// Removes the flows of the next links; false at the end of the table.
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
            crate::bh::with_bh_disabled(|bh| self.remove(flow, bh));
        }
        // SAFETY: The iterator was started; this ends the read-side section.
        unsafe { bindings::rhashtable_walk_stop(iter) };
        more
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
        _bh: &LocalBhDisabled,
    ) -> core::result::Result<&'a Flow<K, T>, Refused<'a, K, T>> {
        self.put(
            inbound.of(Side::Inbound),
            Link::new(reply.of(Side::Reply)),
            value,
            guard,
        )
    }
}

impl<K: Key, T: Send + Sync + 'static> FlowTable<K, T, NoReply> {
    /// The same for a flow that has one key.
    pub fn insert<'a>(
        &'a self,
        key: Hashed<K>,
        value: T,
        guard: &'a Guard,
        _bh: &LocalBhDisabled,
    ) -> core::result::Result<&'a Flow<K, T, NoReply>, Refused<'a, K, T, NoReply>> {
        self.put(key.of(Side::Inbound), NoReply, value, guard)
    }
}

#[pinned_drop]
impl<K: Key, T: Send + Sync + 'static, R: Second<K>> PinnedDrop for FlowTable<K, T, R> {
    /// Sleeps, also for a grace period: no callback of the table is left after it, so that a module
    /// whose tables are gone can be unloaded. In the state of a namespace that ends, none is left
    /// when the last namespace of the batch has ended.
    fn drop(self: Pin<&mut Self>) {
        self.remove_all();
        // SAFETY: The table is initialised, empty, and nobody borrows it.
        unsafe { bindings::rhashtable_destroy(self.table.get()) };
        if self.freeing.load(Relaxed) {
            rcu::barrier_for_batch();
        }
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
    // period has ended every reader.
    unsafe { Flow::free(flow) };
}

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
        // SAFETY: As in `new`; the iterator has just been left, so that its memory is free for use.
        unsafe { bindings::rhashtable_walk_enter(self._table.table.get(), iter) };
        self.again = false;
    }

    /// Shows up to `limit` flows to `f`, until it returns false: that flow comes again in the next
    /// batch. True when there may be more flows.
    ///
    /// # Context
    ///
    /// Process context, not in a hook. `f` runs inside a read-side section and must not sleep, nor wait
    /// for a grace period: the walk would go on in what was freed meanwhile.
    pub fn batch(&mut self, limit: usize, mut f: impl FnMut(&Flow<K, T, R>) -> bool) -> bool {
        let iter = self.iter.get();
        let mut more = true;
        let mut left = limit;
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
