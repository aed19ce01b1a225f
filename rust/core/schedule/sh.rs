// SPDX-License-Identifier: GPL-2.0

//! Source hashing: a client always gets the same destination.
//!
//! A director makes the choice that every other one makes, IPVS's included, as long as the same
//! destinations with the same weights were added in the same order. So a client that reaches
//! another director keeps its destination, and its connections.

use super::{
    destinations::{Destinations, Request},
    flags::Flags,
    hash::{self, hash_32, NOBODY},
    memory::Memory,
};
use crate::refusal::Refusal;

/// How many slots IPVS's table has as well, if its kernel has the default for
/// `CONFIG_IP_VS_SH_TAB_BITS`: 2^8.
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;

/// The source hashing scheduler. A choice looks at one slot of a table; see [`hash::pick`] for what
/// [`Flags::FALLBACK`] costs.
pub struct Sh<M: Memory> {
    table: M::Slice<u32>,
    flags: Flags,
}

impl<M: Memory> Sh<M> {
    /// Creates a table for these destinations: in turn, the one that was added last first, each has
    /// as many slots in a row as its weight says, but one at least, until all 256 are given away.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub fn new<D: Destinations>(destinations: &D, flags: Flags) -> Result<Self, Refusal> {
        let mut table = M::filled(NOBODY, SLOTS).ok_or(Refusal::NoMemory)?;
        let mut slots = table.iter_mut();
        // IPVS adds a destination at the beginning of its list.
        'full: for index in (0..destinations.len()).rev().cycle() {
            for _ in 0..destinations.weight(index).max(1) {
                let Some(slot) = slots.next() else {
                    break 'full;
                };
                *slot = u32::try_from(index).unwrap_or(NOBODY);
            }
        }
        Ok(Self { table, flags })
    }

    /// Returns the destination for the client's address, and port if the flag says so. `None` when
    /// it is quiesced or unusable, or with [`Flags::FALLBACK`] when all are.
    pub fn pick<D: Destinations>(&self, destinations: &D, request: &Request) -> Option<usize> {
        let client = hash_32(hash::client(request, self.flags), BITS);
        hash::pick(&self.table, destinations, self.flags, |offset| {
            let slot = usize::try_from(offset.wrapping_add(client)).unwrap_or(0);
            slot & SLOTS.wrapping_sub(1)
        })
    }
}
