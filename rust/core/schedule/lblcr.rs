// SPDX-License-Identifier: GPL-2.0

//! Locality-based least connections with replication: an address of the service keeps a set of
//! destinations, which grows when they have too much to do and shrinks again with time.
//!
//! That means something for a service on the wildcard address; any other one has one address.

use super::{
    least::{is_less, overhead},
    locality::{can_stay, least_loaded, Addresses, EXPIRATION},
    Destinations, Memory, Request,
};
use crate::refusal::Refusal;

/// How many destinations a set has at most.
const MOST: usize = 8;

/// The scheduler with replication. A choice looks at the destinations of one set, eight at most, and
/// at all when those have too much to do.
///
/// [`super::locality::CAPACITY`] addresses are remembered, for a day after their last use. IPVS has
/// sets of any size, and 24576 addresses.
pub struct Lblcr<M: Memory>(Addresses<M, Set>);

/// The destinations of an address.
#[derive(Clone, Copy, Default)]
struct Set {
    numbers: [u32; MOST],
    len: usize,
    /// When one was last added or taken away, in seconds since boot.
    changed: u32,
}

impl Set {
    fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        let numbers = self.numbers.iter().take(self.len);
        numbers.filter_map(|number| usize::try_from(*number).ok())
    }

    /// The place in the set of the destination with the most connections for its weight.
    fn most_loaded<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        let of = |index| (overhead(destinations, index), destinations.weight(index));
        let mut most: Option<(usize, (u64, u16))> = None;
        for (place, index) in self.indices().enumerate() {
            let load = of(index);
            if most.is_none_or(|(_, most)| is_less(most, load)) {
                most = Some((place, load));
            }
        }
        most.map(|(place, _)| place)
    }

    /// Adds a destination; to a full set in place of the one with the most to do.
    fn add<D: Destinations>(&mut self, destinations: &D, index: usize, now: u32) {
        let Ok(number) = u32::try_from(index) else {
            return;
        };
        if self.indices().any(|known| known == index) {
            return;
        }
        let place = if self.len < MOST {
            self.len = self.len.saturating_add(1);
            self.len.saturating_sub(1)
        } else {
            self.most_loaded(destinations).unwrap_or(0)
        };
        if let Some(slot) = self.numbers.get_mut(place) {
            *slot = number;
        }
        self.changed = now;
    }

    /// Takes the destination with the most to do away, if the set has had several for a day.
    fn shrink<D: Destinations>(&mut self, destinations: &D, now: u32) {
        if self.len < 2 || now.wrapping_sub(self.changed) <= EXPIRATION {
            return;
        }
        if let Some(place) = self.most_loaded(destinations) {
            let last = self.len.saturating_sub(1);
            if place <= last && last < MOST {
                self.numbers.swap(place, last);
                self.len = last;
            }
            self.changed = now;
        }
    }
}

impl<M: Memory> Lblcr<M> {
    /// A scheduler that knows no address.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new() -> Result<Self, Refusal> {
        Addresses::new(Set::default()).map(Self)
    }

    /// The destination of the address's set with the fewest connections for its weight. If it has
    /// too much to do, that of all, which joins the set.
    pub fn pick<D: Destinations>(&mut self, destinations: &D, request: &Request) -> Option<usize> {
        let now = request.now;
        let all = || least_loaded(destinations, 0..destinations.len());
        if let Some(set) = self.0.find(&request.service.address, now) {
            let kept = least_loaded(destinations, set.indices());
            set.shrink(destinations, now);
            if let Some(index) = kept.filter(|index| can_stay(destinations, *index)) {
                return Some(index);
            }
            let index = all()?;
            set.add(destinations, index, now);
            return Some(index);
        }
        let index = all()?;
        let mut set = Set::default();
        set.add(destinations, index, now);
        self.0.remember(&request.service.address, now, set);
        Some(index)
    }
}
