// SPDX-License-Identifier: GPL-2.0

//! Keys of flows, and the hash that each has in it.
//!
//! C header: [`include/linux/siphash.h`](srctree/include/linux/siphash.h)
//!
//! Upstream: none.

use crate::bindings;

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
pub trait Key: Words {}

impl Key for [u64; 2] {}
impl Key for [u64; 5] {}

/// Words without padding, whose last word can be changed. Not exported, so that no other type is
/// one.
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

/// The bit of a key by which the two links of a flow differ: set in that of [`Side::Reply`].
pub(super) const REPLY_BIT: u64 = 1 << 63;

/// How many bits a hash has.
const HASH_BITS: u32 = 28;

/// Where a key has its hash, right below [`REPLY_BIT`]; C has the same number.
const HASH_SHIFT: u32 = 35;

/// The bits of a key's last word that are the table's own.
const OWN_BITS: u64 = !0 << HASH_SHIFT;

/// Returns `key` without the bits that are the table's own.
#[inline]
pub(super) fn bare<K: Key>(mut key: K) -> K {
    *key.last_mut() &= !OWN_BITS;
    key
}

/// Returns the hash that a key has in it.
#[inline]
fn hash_in<K: Key>(key: K) -> u32 {
    u32::try_from((key.last() & !REPLY_BIT) >> HASH_SHIFT).unwrap_or(0)
}

/// A key with its hash in one table, so that several questions about it take the hash once. In
/// another table it finds nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hashed<K>(pub(super) K);

impl<K: Key> Hashed<K> {
    /// Returns the hash.
    #[inline]
    pub fn hash(&self) -> u32 {
        hash_in(self.0)
    }

    /// Returns the zone of a key that in zone 0 is `unzoned`.
    #[inline]
    pub fn zone(&self, unzoned: &Self) -> u32 {
        self.hash() ^ unzoned.hash()
    }

    /// Returns the words of the key, without the hash.
    #[inline]
    pub fn words(&self) -> K {
        bare(self.0)
    }

    /// Returns the key with the bit of a side, whatever side it was hashed for: the hash is the
    /// same.
    #[inline]
    pub(super) fn of(mut self, side: Side) -> Self {
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
    pub(super) hash: u64,
    pub(super) secret: &'a Secret,
}

impl<'a> Digest<'a> {
    /// Returns the numbers of the table, for a hash of the rest of a key.
    #[inline]
    pub fn secret(&self) -> &'a Secret {
        self.secret
    }

    /// Returns the hash of what it was made of in a zone, of which there are 2^28, if it was in zone
    /// 0: flows in different zones are different ones even if their keys have the same words.
    ///
    /// The zone is in the key's hash, which is compared along with the words. Keys of the same words
    /// have the same hash before, and so another one in each zone.
    #[inline]
    pub fn in_zone(self, zone: u32) -> Self {
        let zone = u64::from(zone).wrapping_shl(u64::BITS.wrapping_sub(HASH_BITS));
        Self {
            hash: self.hash ^ zone,
            ..self
        }
    }

    /// Returns `key` as the table keeps it for `side`. `spread` is a hash of the rest of the key,
    /// of which the highest 28 bits count. A client that chooses the rest must not be able to
    /// choose that hash either.
    #[inline]
    pub fn hashed<K: Key>(self, side: Side, key: K, spread: u64) -> Hashed<K> {
        let hash = (self.hash ^ spread).wrapping_shr(u64::BITS.wrapping_sub(HASH_BITS));
        let mut key = bare(key);
        *key.last_mut() |= hash.wrapping_shl(HASH_SHIFT);
        Hashed(key).of(side)
    }
}
