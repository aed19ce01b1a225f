// SPDX-License-Identifier: GPL-2.0

//! What a scheduler chooses from, and for what.

use crate::address::{Address, Endpoint};

/// The destinations of a service, numbered from 0 on in the order in which they were added, as a
/// scheduler sees them.
///
/// The numbers stay the same from one choice to the next. When destinations come or go, the caller
/// makes a new scheduler, which may inherit what the old one remembers
/// ([`super::Exclusive::inherit`]). No function fails for a number that is too large.
#[expect(clippy::len_without_is_empty, reason = "no scheduler asks for it")]
pub trait Destinations {
    /// Returns how many there are.
    fn len(&self) -> usize;

    /// Returns the destination's id, which stays the same as long as it is the service's, and which
    /// no other destination of the service has.
    fn id(&self, index: usize) -> u32;

    /// Returns where it is; `None` for a number that is too large.
    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>>;

    /// Returns the weight; 0 for a quiesced destination, which gets nothing new.
    fn weight(&self, index: usize) -> u16;

    /// Returns the last weight it had that was not 0; 0 if it never had one.
    fn last_weight(&self, index: usize) -> u16;

    /// Returns how many active connections it has.
    fn active(&self, index: usize) -> u32;

    /// Returns how many other connections it has.
    fn inactive(&self, index: usize) -> u32;

    /// Returns `true` if it has as many connections as it may, so that nothing new goes there.
    fn full(&self, index: usize) -> bool;

    /// Returns what waits at its process for this packet's turn: connections to be accepted, or
    /// bytes to be read. 0 if that cannot be known; `None` when no socket listens there.
    fn queue(&self, index: usize) -> Option<u32>;

    /// Returns `true` if this packet, and not just another one, was there already and could not
    /// stay.
    fn tried(&self, index: usize) -> bool;

    /// Calls `each` with the number of every destination whose weight, connections or fullness may
    /// have changed since the last call, before their new values are asked for. Only a scheduler
    /// that is [`super::Exclusive`] calls this, and one at a time.
    fn take_changed(&self, each: impl FnMut(usize));
}

/// What a choice is made for: the first packet of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The client's end.
    pub client: Endpoint<Address>,
    /// The end that the client has sent the packet to: of a service on the wildcard address the
    /// very address.
    pub service: Endpoint<Address>,
    /// Seconds since boot, wrapping at 2^32.
    pub now: u32,
    /// Two unpredictable random numbers, for a scheduler that [`super::Kind::is_random`]; no other
    /// one looks at them.
    pub random: [u32; 2],
}

/// Returns `true` if a destination can be chosen for new connections.
#[inline]
pub(super) fn takes_new<D: Destinations>(destinations: &D, index: usize) -> bool {
    index < destinations.len() && destinations.weight(index) != 0 && !destinations.full(index)
}

/// Returns `true` if a destination can be chosen for this one.
#[inline]
pub(super) fn eligible<D: Destinations>(destinations: &D, index: usize) -> bool {
    takes_new(destinations, index) && !destinations.tried(index)
}
