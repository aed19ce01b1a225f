// SPDX-License-Identifier: GPL-2.0

//! What `lblc` and `lblcr` share: a memory of addresses of the service, and when a destination has
//! too much to do to be kept.

use super::{
    eligible,
    hash::{fold, hash_32},
    least::{least, overhead},
    Destinations, Memory,
};
use crate::{address::Address, refusal::Refusal};

/// IPVS's table has 2^10 rows as well, of any length.
const BITS: u32 = 10;
const ROWS: usize = 1 << BITS;

/// How many addresses a row remembers.
const WAYS: usize = 4;

/// How many addresses are remembered at most: 4096.
pub const CAPACITY: usize = ROWS * WAYS;

/// After so many seconds without a use an address is forgotten: a day, as in IPVS.
pub(super) const EXPIRATION: u32 = 24 * 60 * 60;

/// An address and what is remembered of it.
#[derive(Clone, Copy)]
struct Entry<T> {
    /// `None` in a place that is free.
    address: Option<Address>,
    /// Seconds since boot.
    used: u32,
    value: T,
}

/// A memory of addresses: [`CAPACITY`] of them, in rows of four. A full row forgets the address
/// that was not used for the longest time.
pub(super) struct Addresses<M: Memory, T: Copy>(M::Slice<Entry<T>>);

impl<M: Memory, T: Copy> Addresses<M, T> {
    /// A memory that is empty; `value` is any.
    pub(super) fn new(value: T) -> Result<Self, Refusal> {
        let free = Entry {
            address: None,
            used: 0,
            value,
        };
        let entries = M::filled(free, CAPACITY).ok_or(Refusal::NoMemory)?;
        Ok(Self(entries))
    }

    fn row(&mut self, address: &Address) -> &mut [Entry<T>] {
        let row = usize::try_from(hash_32(fold(address), BITS)).unwrap_or(0);
        let start = row.saturating_mul(WAYS);
        let row = self.0.get_mut(start..start.saturating_add(WAYS));
        row.unwrap_or_default()
    }

    /// What is remembered of the address, if anything. It counts as used at `now`.
    pub(super) fn find(&mut self, address: &Address, now: u32) -> Option<&mut T> {
        let mut row = self.row(address).iter_mut();
        let entry = row.find(|entry| entry.address == Some(*address))?;
        if now.wrapping_sub(entry.used) > EXPIRATION {
            entry.address = None;
            return None;
        }
        entry.used = now;
        Some(&mut entry.value)
    }

    /// Remembers something of the address, and forgets what was before.
    pub(super) fn remember(&mut self, address: &Address, now: u32, value: T) {
        let place = self.row(address).iter_mut().max_by_key(|entry| {
            let idle = now.wrapping_sub(entry.used);
            (
                entry.address == Some(*address),
                entry.address.is_none(),
                idle,
            )
        });
        if let Some(place) = place {
            *place = Entry {
                address: Some(*address),
                used: now,
                value,
            };
        }
    }
}

/// Whether a destination has more active connections than its weight says while another one has
/// less than half as many as its own weight says. IPVS has the same rule. Looks at every destination
/// when the first half holds.
pub(super) fn is_overloaded<D: Destinations>(destinations: &D, index: usize) -> bool {
    let weight = |index| u32::from(destinations.weight(index));
    let mut all = 0..destinations.len();
    destinations.active(index) > weight(index)
        && all.any(|other| {
            destinations.usable(other)
                && destinations.active(other).saturating_mul(2) < weight(other)
        })
}

/// The candidate with the fewest connections for its weight, as [`super::wlc::Wlc`] chooses.
pub(super) fn least_loaded<D: Destinations>(
    destinations: &D,
    candidates: impl Iterator<Item = usize>,
) -> Option<usize> {
    let load = |index| overhead(destinations, index);
    least(destinations, candidates, load, |index| {
        destinations.weight(index)
    })
}

/// Whether a destination that is remembered can be kept.
pub(super) fn can_stay<D: Destinations>(destinations: &D, index: usize) -> bool {
    eligible(destinations, index) && !is_overloaded(destinations, index)
}
