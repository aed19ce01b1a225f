// SPDX-License-Identifier: GPL-2.0

//! Locality-based least connections with replication: an address of the service keeps a set of
//! destinations, which grows when they have too much to do and shrinks again with time.
//!
//! That means something for a service on the wildcard address; any other one has one address.

use core::cmp::Reverse;

use super::{
    destinations::{Destinations, Request},
    identity::{Identities, Progress},
    least::{least_of, Load},
    locality::{Addresses, Loads, EXPIRATION},
    memory::Memory,
};
use crate::refusal::Refusal;

/// How many destinations a set has at most.
const MOST: usize = 8;

/// The scheduler with replication. A choice looks at the destinations of one set, eight at most,
/// and takes O(log n) steps for each destination that has changed since the last one, as
/// [`super::least::Smallest`] says.
///
/// [`super::locality::CAPACITY`] addresses are remembered, for a day after their last use. IPVS has
/// sets of any size, and 24576 addresses.
pub struct Lblcr<M: Memory> {
    addresses: Addresses<M, Set>,
    identities: Identities<M>,
    loads: Loads<M>,
}

/// The destinations of an address.
#[derive(Clone, Copy, Default)]
struct Set {
    /// Their identities.
    ids: [u32; MOST],
    len: usize,
    /// When one was last added or taken away, in seconds since boot.
    changed: u32,
}

impl Set {
    fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.ids.iter().take(self.len).copied()
    }

    /// Adds a destination; to a full set in place of the one with the most to do.
    fn add(&mut self, id: u32, now: u32, busiest: impl FnOnce(&Self) -> Option<usize>) {
        if self.ids().any(|known| known == id) {
            return;
        }
        let place = if self.len < MOST {
            self.len = self.len.saturating_add(1);
            self.len.saturating_sub(1)
        } else {
            busiest(self).unwrap_or(0)
        };
        if let Some(slot) = self.ids.get_mut(place) {
            *slot = id;
        }
        self.changed = now;
    }

    /// Takes the destination with the most to do away, if the set has had several for a day.
    fn shrink(&mut self, now: u32, busiest: impl FnOnce(&Self) -> Option<usize>) {
        if self.len < 2 || now.wrapping_sub(self.changed) <= EXPIRATION {
            return;
        }
        if let Some(place) = busiest(self) {
            let last = self.len.saturating_sub(1);
            if place <= last && last < MOST {
                self.ids.swap(place, last);
                self.len = last;
            }
            self.changed = now;
        }
    }
}

impl<M: Memory> Lblcr<M> {
    /// Creates a scheduler that knows no address.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        Ok(Self {
            addresses: Addresses::new(Set::default())?,
            identities: Identities::new(destinations)?,
            loads: Loads::new(destinations)?,
        })
    }

    /// Returns the destination of the address's set with the fewest connections for its weight. If
    /// it has too much to do, that of all, which joins the set.
    pub fn pick<D: Destinations>(&mut self, destinations: &D, request: &Request) -> Option<usize> {
        let now = request.now;
        let Self {
            addresses,
            identities,
            loads,
        } = self;
        loads.look(destinations);
        let load = |index| Load::overhead(destinations, index);
        // The place in a set of the destination with the most connections for its weight. One that
        // is gone or quiesced has the most, whatever it has: no new connection is for it.
        let busiest = |set: &Set| {
            let places = set.ids().enumerate().map(|(place, id)| {
                let load = identities.number(id).and_then(load);
                ((load.is_none(), load), Reverse(place))
            });
            places.max().map(|(_, Reverse(place))| place)
        };
        if let Some(set) = addresses.find(&request.service.address, now) {
            let known = set.ids().filter_map(|id| identities.number(id));
            let kept = least_of(destinations, known, load);
            set.shrink(now, busiest);
            if let Some(index) = kept.filter(|index| loads.can_stay(destinations, *index)) {
                return Some(index);
            }
            let index = loads.least(destinations)?;
            set.add(destinations.id(index), now, busiest);
            return Some(index);
        }
        let index = loads.least(destinations)?;
        let mut set = Set::default();
        set.add(destinations.id(index), now, busiest);
        addresses.remember(&request.service.address, now, set);
        Some(index)
    }

    /// Looks at the destinations that have changed. Part of each choice.
    pub(super) fn look<D: Destinations>(&mut self, destinations: &D) {
        self.loads.look(destinations);
    }

    /// Remembers the addresses that `old` does: see [`super::Exclusive::inherit_part`].
    pub(super) fn inherit(&mut self, old: &Self, progress: &mut Progress) -> bool {
        self.addresses.copy_from(&old.addresses, progress)
    }
}
