// SPDX-License-Identifier: GPL-2.0

//! The hashes that IPVS's schedulers use, so that directors of both kinds make the same choices,
//! and how a choice is looked up by one.

use super::{
    destinations::{eligible, Destinations, Request},
    flags::Flags,
};
use crate::{address::Address, heard::Sample};

/// Returns an address as one number in host byte order: IPv6's four words are combined by exclusive
/// or.
pub(super) fn fold(address: &Address) -> u32 {
    match *address {
        Address::V4(octets) => u32::from_be_bytes(octets),
        Address::V6(octets) => octets
            .chunks_exact(4)
            .filter_map(|word| word.try_into().ok())
            .map(u32::from_be_bytes)
            .fold(0, |folded, word| folded ^ word),
    }
}

/// Returns what stands for the client in a hash: its address and, if the service has the flag, its
/// port. IPVS adds them.
pub(super) fn client(request: &Request, flags: Flags) -> u32 {
    let port = if flags.has(Flags::PORT) {
        request.client.port
    } else {
        0
    };
    fold(&request.client.address).wrapping_add(u32::from(port))
}

/// Returns the upper `bits` bits, 1 to 32 of them, of the product with 2^32 divided by the golden
/// ratio squared: `hash_32()` of `include/linux/hash.h`.
pub(super) fn hash_32(value: u32, bits: u32) -> u32 {
    let product = value.wrapping_mul(0x61c8_8647);
    product.wrapping_shr(32_u32.wrapping_sub(bits))
}

/// Computes SipHash-1-3 of one 32-bit number with a key of twice the same word, folded to 32 bits:
/// what `hsiphash_1u32()` of `include/linux/siphash.h` is on a 64-bit machine. (J.-P. Aumasson, D.
/// J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.)
///
/// Machines of 32 bits have another hash under that name. Their choices differ from these.
pub(super) fn hsiphash(value: u32, key: u64) -> u32 {
    let mut v = [
        0x736f_6d65_7073_6575 ^ key,
        0x646f_7261_6e64_6f6d ^ key,
        0x6c79_6765_6e65_7261 ^ key,
        0x7465_6462_7974_6573 ^ key,
    ];
    // The last word of a message has its length, 4, in the top byte.
    let word = (4 << 56) | u64::from(value);
    v[3] ^= word;
    sip_round(&mut v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for _ in 0..3 {
        sip_round(&mut v);
    }
    let mixed = v[0] ^ v[1] ^ v[2] ^ v[3];
    // The lower half: what a cast to u32 leaves.
    let [.., a, b, c, d] = mixed.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Does one round of SipHash.
fn sip_round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v2 = v2.wrapping_add(*v3);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v1);
    *v0 = v0.wrapping_add(*v3);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.rotate_left(32);
}

/// How many slots are looked at for a client whose destination cannot be chosen: all of IPVS's
/// tables.
const MOST_SLOTS: usize = 4096;

/// A slot of a table that no destination has.
pub(super) const NOBODY: u32 = u32::MAX;

/// Returns the destination that a table has for a client, by number.
///
/// `slot` returns the client's slot for an offset. The one for offset 0 counts, and the others only
/// with [`Flags::FALLBACK`], when that one's destination cannot be chosen: as in IPVS, first for
/// the offset that is that slot's number, then for each after it. If none of them can, IPVS gives
/// up; this goes on to the destinations that have no slot, so that a client is rejected only when
/// there is none.
///
/// Usually looks at one slot. With the flag and a share of s of all slots whose destinations can be
/// chosen it is about 1 / s, at most 4096, after a look at all destinations for one that can; of more
/// than [`crate::heard::MANY`], at as many.
pub(super) fn pick<D: Destinations>(
    table: &[u32],
    destinations: &D,
    flags: Flags,
    slot: impl Fn(u32) -> usize,
) -> Option<usize> {
    let at = |slot: usize| {
        let index = usize::try_from(*table.get(slot)?).ok()?;
        eligible(destinations, index).then_some(index)
    };
    let first = slot(0);
    let found = at(first);
    if found.is_some() || !flags.has(Flags::FALLBACK) {
        return found;
    }
    let sample = Sample::new(destinations.len(), u32::try_from(first).ok()?);
    let mut others = sample.indices(|_| None);
    let other = others.find(|index| eligible(destinations, *index));
    if other.is_none() && sample.is_all() {
        return None;
    }
    let size = table.len();
    let offsets = (first.min(size)..size).chain(0..first.min(size));
    let mut slots = offsets
        .take(MOST_SLOTS)
        .filter_map(|offset| u32::try_from(offset).ok());
    slots.find_map(|offset| at(slot(offset))).or(other)
}
