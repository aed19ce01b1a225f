// SPDX-License-Identifier: GPL-2.0

//! What `lblc` and `lblcr` share: a memory of addresses of the service, and when a destination has
//! too much to do to be kept.

use super::{
    destinations::{eligible, takes_new, Destinations},
    hash::{fold, hash_32},
    identity::Progress,
    least::Load,
    memory::Memory,
    tournament::Tournament,
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
    /// Creates a memory that is empty; `value` is any.
    pub(super) fn new(value: T) -> Result<Self, Refusal> {
        let free = Entry {
            address: None,
            used: 0,
            value,
        };
        let entries = M::filled(free, CAPACITY).ok_or(Refusal::NoMemory)?;
        Ok(Self(entries))
    }

    /// Remembers what another memory does in the next part of its places; whether there is more.
    pub(super) fn copy_from(&mut self, other: &Self, progress: &mut Progress) -> bool {
        let part = progress.part(CAPACITY);
        let end = part.end;
        if let (Some(places), Some(entries)) = (self.0.get_mut(part.clone()), other.0.get(part)) {
            for (place, entry) in places.iter_mut().zip(entries) {
                *place = *entry;
            }
        }
        end < CAPACITY
    }

    fn row(&mut self, address: &Address) -> &mut [Entry<T>] {
        let row = usize::try_from(hash_32(fold(address), BITS)).unwrap_or(0);
        let start = row.saturating_mul(WAYS);
        let row = self.0.get_mut(start..start.saturating_add(WAYS));
        row.unwrap_or_default()
    }

    /// Returns what is remembered of the address, if anything. It counts as used at `now`.
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

/// What the destinations have to do, for a choice among all of them and for whether one has too
/// much. What that costs is what it costs with [`super::least::Smallest`], twice.
pub(super) struct Loads<M: Memory> {
    /// The connections for the weight, as [`super::wlc::Wlc`] counts them.
    connections: Tournament<M, Load>,
    /// The active connections for the weight.
    active: Tournament<M, Load>,
    /// No load has been looked at yet.
    fresh: bool,
}

impl<M: Memory> Loads<M> {
    /// Creates the loads of as many destinations. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub(super) fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Ok(Self {
            connections: Tournament::new(destinations.len())?,
            active: Tournament::new(destinations.len())?,
            fresh: true,
        })
    }

    /// Looks at the destinations that have changed. Before each choice.
    pub(super) fn look<D: Destinations>(&mut self, destinations: &D) {
        let connections =
            |index| takes_new(destinations, index).then(|| Load::overhead(destinations, index))?;
        let active = |index| takes_new(destinations, index).then(|| active(destinations, index))?;
        if core::mem::take(&mut self.fresh) {
            self.connections.fill(connections);
            self.active.fill(active);
        } else {
            destinations.take_changed(|index| {
                self.connections.set(index, connections(index));
                self.active.set(index, active(index));
            });
        }
    }

    /// Returns the destination with the fewest connections for its weight.
    pub(super) fn least<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        self.connections
            .first(|index| eligible(destinations, index))
    }

    /// Returns `true` if a destination that is remembered can be kept.
    pub(super) fn can_stay<D: Destinations>(&self, destinations: &D, index: usize) -> bool {
        eligible(destinations, index) && !self.is_overloaded(destinations, index)
    }

    /// Returns `true` if a destination has more active connections than its weight says while
    /// another one has less than half as many as its own weight says. IPVS has the same rule.
    fn is_overloaded<D: Destinations>(&self, destinations: &D, index: usize) -> bool {
        if destinations.active(index) <= u32::from(destinations.weight(index)) {
            return false;
        }
        // If any other has less than half, the one with the fewest for its weight has.
        let other = self.active.first(|other| eligible(destinations, other));
        let load = other.and_then(|other| self.active.get(other));
        load.is_some_and(|load| load < Load::HALF)
    }
}

/// Returns the active connections of a destination for its weight.
fn active<D: Destinations>(destinations: &D, index: usize) -> Option<Load> {
    let active = u64::from(destinations.active(index));
    Load::new(active, destinations.weight(index))
}
