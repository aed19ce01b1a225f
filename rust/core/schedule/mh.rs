// SPDX-License-Identifier: GPL-2.0

//! Maglev hashing: a client always gets the same destination, and when destinations come or go,
//! most clients keep theirs. (D. E. Eisenbud and others, "Maglev: A Fast and Reliable Software
//! Network Load Balancer", NSDI 2016, section 3.4.)
//!
//! Each destination has an order of preference for all slots of a table. They take slots in turn,
//! each the first in its order that is free. A director makes the choice that every other one
//! makes for the same destinations and weights.
//!
//! The small table is IPVS's, slot for slot, as long as the destinations were added in the same
//! order. The large one is the same whatever the order, and has the weights exact to two slots for
//! each destination. When one of up to 40 equal destinations leaves, less than 0.6 % of all clients
//! move besides its own.

use super::{
    destinations::{Destinations, Request},
    flags::Flags,
    hash::{self, fold, hsiphash, NOBODY},
    memory::Memory,
    sort::sort_by_key,
};
use crate::{
    address::{Address, Endpoint},
    refusal::Refusal,
};

/// The keys of IPVS's two hashes: the first also finds a client's slot.
const FIRST_KEY: u64 = 2_654_435_761;
const SECOND_KEY: u64 = 2_654_446_892;

/// A weight has at most this many bits in IPVS's table: half of `CONFIG_IP_VS_MH_TAB_INDEX`.
const WEIGHT_BITS: u32 = 6;

/// How many slots the table has; a prime number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableSize {
    /// 4093: what IPVS has, if its kernel has the default for `CONFIG_IP_VS_MH_TAB_INDEX`.
    Ipvs,
    /// 65537.
    Large,
}

impl TableSize {
    /// Returns the number of slots.
    pub const fn slots(self) -> u32 {
        match self {
            Self::Ipvs => 4093,
            Self::Large => 65537,
        }
    }

    /// Returns the size with this number of slots.
    ///
    /// # Errors
    ///
    /// [`Refusal::TableSize`] for any other number.
    pub const fn from_slots(slots: u32) -> Result<Self, Refusal> {
        match slots {
            4093 => Ok(Self::Ipvs),
            65537 => Ok(Self::Large),
            _ => Err(Refusal::TableSize),
        }
    }
}

/// The Maglev scheduler. A choice looks at one slot of a table; see [`hash::pick`] for what
/// [`Flags::FALLBACK`] costs.
///
/// Making the table takes about s ln s steps for s slots, and with the large one up to s steps for
/// each destination when weights differ a thousand times and more.
pub struct Mh<M: Memory> {
    table: M::Slice<u32>,
    flags: Flags,
    slots: u32,
}

/// A destination's order of preference, and its share, while a table is filled.
#[derive(Clone, Copy)]
struct Preference {
    endpoint: Option<Endpoint<Address>>,
    /// Its number.
    index: u32,
    order: Order,
    /// How many slots of its order it has tried.
    tried: u32,
    /// The weight; in IPVS's table how many slots it takes in its turn.
    weight: u32,
    /// In the large table: the round in which it takes its next slot, times its weight.
    target: u64,
}

/// An order of all slots of a table.
#[derive(Clone, Copy)]
enum Order {
    /// Each slot is `skip` after the one before, as in the paper and in IPVS.
    Line { first: u32, skip: u32 },
    /// Such a line, raised to the third power: modulo 65537 that is an order of all slots as well.
    ///
    /// Two lines with skips that are nearly multiples of each other run into each other again and
    /// again, and then many clients move for no reason when a third destination leaves: 1.5 % for
    /// some six destinations, where 0.2 % is usual. Cubes do not.
    Cubes { first: u32, skip: u32, shift: u32 },
}

impl Order {
    /// Returns the slot at a place in the order, of a table with so many slots.
    fn slot(self, place: u32, slots: u32) -> u32 {
        let slots = u64::from(slots);
        let rest = |value: u64| value.checked_rem(slots).unwrap_or(0);
        let slot = match self {
            Self::Line { first, skip } => rest(
                u64::from(skip)
                    .saturating_mul(u64::from(place))
                    .saturating_add(first.into()),
            ),
            Self::Cubes { first, skip, shift } => {
                let place = rest(u64::from(place).saturating_add(shift.into()));
                let at = rest(u64::from(skip).saturating_mul(place));
                let square = rest(at.saturating_mul(at));
                rest(square.saturating_mul(at).saturating_add(first.into()))
            }
        };
        u32::try_from(slot).unwrap_or(0)
    }

    /// Returns the order of a destination in a table of this size.
    fn of(endpoint: &Endpoint<Address>, size: TableSize) -> Self {
        let slots = size.slots();
        let below = |hash: u32, limit: u32| hash.checked_rem(limit).unwrap_or(0);
        let port = u32::from(endpoint.port);
        let address = fold(&endpoint.address);
        let name = match size {
            TableSize::Ipvs => address.wrapping_add(port),
            // A sum would give two destinations the same order.
            TableSize::Large => address ^ hsiphash(port, SECOND_KEY),
        };
        let first = below(hsiphash(name, FIRST_KEY), slots);
        let skip = below(hsiphash(name, SECOND_KEY), slots.saturating_sub(1)).saturating_add(1);
        match size {
            TableSize::Ipvs => Self::Line { first, skip },
            TableSize::Large => Self::Cubes {
                first,
                skip,
                shift: below(hsiphash(!name, SECOND_KEY), slots),
            },
        }
    }
}

impl<M: Memory> Mh<M> {
    /// Creates a table for these destinations. A quiesced one has the slots that its last weight
    /// gives it.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooManyForTable`] when there are more destinations than slots, or
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(
        destinations: &D,
        flags: Flags,
        size: TableSize,
    ) -> Result<Self, Refusal> {
        let slots = size.slots();
        let len = usize::try_from(slots).map_err(|_| Refusal::NoMemory)?;
        if destinations.len() > len {
            return Err(Refusal::TooManyForTable);
        }
        let mut table = M::filled(NOBODY, len).ok_or(Refusal::NoMemory)?;
        let mut preferences = preferences::<M, D>(destinations, size)?;
        match size {
            TableSize::Ipvs => fill_in_turns(&mut table, &mut preferences),
            TableSize::Large => fill_by_weight(&mut table, &mut preferences),
        }
        Ok(Self {
            table,
            flags,
            slots,
        })
    }

    /// Returns the number of the destination that each slot has; `u32::MAX` in all when none has
    /// had a weight.
    pub fn table(&self) -> &[u32] {
        &self.table
    }

    /// Returns the destination for the client's address, and port if the flag says so. `None` when
    /// it is quiesced or unusable, or with [`Flags::FALLBACK`] when all are.
    pub fn pick<D: Destinations>(&self, destinations: &D, request: &Request) -> Option<usize> {
        let client = hash::client(request, self.flags);
        hash::pick(&self.table, destinations, self.flags, |offset| {
            let hash = hsiphash(client.wrapping_add(offset), FIRST_KEY);
            usize::try_from(hash.checked_rem(self.slots).unwrap_or(0)).unwrap_or(0)
        })
    }
}

/// Returns the preferences of the destinations, the one that was added last first: IPVS adds one at
/// the beginning of its list.
fn preferences<M: Memory, D: Destinations>(
    destinations: &D,
    size: TableSize,
) -> Result<M::Slice<Preference>, Refusal> {
    let none = Preference {
        endpoint: None,
        index: NOBODY,
        order: Order::Line { first: 0, skip: 1 },
        tried: 0,
        weight: 0,
        target: 0,
    };
    let mut preferences = M::filled(none, destinations.len()).ok_or(Refusal::NoMemory)?;
    for (preference, index) in preferences.iter_mut().zip((0..destinations.len()).rev()) {
        let Some(endpoint) = destinations.endpoint(index) else {
            continue;
        };
        *preference = Preference {
            endpoint: Some(endpoint),
            index: u32::try_from(index).unwrap_or(NOBODY),
            order: Order::of(&endpoint, size),
            weight: u32::from(destinations.last_weight(index)),
            ..none
        };
    }
    Ok(preferences)
}

impl Preference {
    /// Takes the free slot that it likes best.
    fn take(&mut self, table: &mut [u32]) {
        let slots = u32::try_from(table.len()).unwrap_or(u32::MAX);
        // There is one left while the table is not full.
        while self.tried < slots {
            let slot = usize::try_from(self.order.slot(self.tried, slots)).ok();
            self.tried = self.tried.saturating_add(1);
            let free = slot
                .and_then(|slot| table.get_mut(slot))
                .filter(|slot| **slot == NOBODY);
            if let Some(slot) = free {
                *slot = self.index;
                return;
            }
        }
    }
}

/// Fills the table as IPVS does: each destination takes as many slots in its turn as its weight
/// says, divided by the greatest common divisor of all and cut to [`WEIGHT_BITS`] bits.
fn fill_in_turns(table: &mut [u32], preferences: &mut [Preference]) {
    let weights = || preferences.iter().map(|preference| preference.weight);
    let divisor = weights().fold(0, gcd);
    let Some(largest) = weights().max().unwrap_or(0).checked_div(divisor) else {
        return;
    };
    let bits = u32::BITS.saturating_sub(largest.leading_zeros());
    let shift = bits.saturating_sub(WEIGHT_BITS);
    for preference in preferences.iter_mut().filter(|p| p.weight != 0) {
        let weight = preference.weight.checked_div(divisor).unwrap_or(0);
        preference.weight = weight.checked_shr(shift).unwrap_or(0).max(1);
    }
    let mut left = table.len();
    while left > 0 {
        for preference in preferences.iter_mut() {
            for _ in 0..preference.weight {
                if left == 0 {
                    return;
                }
                preference.take(table);
                left = left.saturating_sub(1);
            }
        }
    }
}

/// Returns the greatest common divisor; of 0 and another number that one.
fn gcd(mut a: u32, mut b: u32) -> u32 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// Fills the table so that after each round every destination has the slots that its weight gives
/// it, to one: the heaviest takes one in each round, the others one in some.
fn fill_by_weight(table: &mut [u32], preferences: &mut [Preference]) {
    sort_by_key(preferences, |preference| preference.endpoint);
    let weights = preferences.iter().map(|preference| preference.weight);
    let largest = u64::from(weights.max().unwrap_or(0));
    if largest == 0 {
        return;
    }
    let mut left = table.len();
    let mut round: u64 = 0;
    loop {
        for preference in preferences.iter_mut() {
            let weight = u64::from(preference.weight);
            if weight == 0 || round.saturating_mul(weight) < preference.target {
                continue;
            }
            if left == 0 {
                return;
            }
            preference.target = preference.target.saturating_add(largest);
            preference.take(table);
            left = left.saturating_sub(1);
        }
        round = round.saturating_add(1);
    }
}
