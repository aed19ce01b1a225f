// SPDX-License-Identifier: GPL-2.0

//! The second try of a connection: what is remembered of it until its first packet is answered.
//!
//! A copy of the first packet is kept in one of a fixed number of slots, which the hash of the
//! connection's inbound key chooses. There it stays until the destination has answered, for three
//! seconds at most. If the answer is a refusal the packet is handled again from the start, and the
//! slot goes on remembering the destinations that have refused it, so that it goes to none twice.
//! Connections that meet in a slot are served in this way: the newer one takes it, and the older
//! one has no second try; but a packet that is on its way again keeps its slot.

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use rlvs_kext::{
    bh::{with_bh_disabled, LocalBhDisabled, SpinLockBh},
    flow_table::Hashed,
    memory::kept_by_packet,
    new_spinlock_bh,
    replay::Stashed,
    rwonce::Once,
};

use crate::{family::IpFamily, service::refused::RefusedBy};

/// Connections of a family that a namespace remembers at once. A power of two.
const SLOTS: usize = 256;

/// Seconds after which the periodic work forgets a first packet that was not answered: three at
/// most. An answer of this host takes microseconds.
const SECONDS: u32 = 2;

/// A connection that is remembered.
pub(crate) struct Unanswered<A: IpFamily> {
    key: Hashed<A::Words>,
    refusers: RefusedBy,
    /// When it was put here, in seconds since boot.
    since: u32,
    /// The first packet; none while it is on its way again.
    packet: Option<Stashed>,
}

impl<A: IpFamily> Unanswered<A> {
    /// Makes what is remembered of the connection with this inbound key. Returns `None` if memory
    /// is short.
    pub(crate) fn new(
        key: Hashed<A::Words>,
        refusers: RefusedBy,
        packet: Stashed,
        now: u32,
    ) -> Option<KBox<Self>> {
        let first = Self {
            key,
            refusers,
            since: now,
            packet: Some(packet),
        };
        KBox::new(first, kept_by_packet()).ok()
    }

    /// Returns the destinations that have refused it, and the last one that has got it.
    pub(crate) fn refusers(&self) -> &RefusedBy {
        &self.refusers
    }

    /// Returns the first packet, while it is here.
    pub(crate) fn packet(&self) -> Option<&Stashed> {
        self.packet.as_ref()
    }

    /// Takes the first packet out.
    pub(crate) fn take_packet(&mut self) -> Option<Stashed> {
        self.packet.take()
    }

    fn is_under_way(&self) -> bool {
        self.packet.is_none()
    }
}

type Place<A> = Option<KBox<Unanswered<A>>>;

/// The connections of a family that are remembered.
#[pin_data]
pub(crate) struct UnansweredSlots<A: IpFamily> {
    /// Guarded by: itself, the retry lock of each slot.
    #[pin]
    slots: [SpinLockBh<Place<A>>; SLOTS],
    /// How many of them are on their way again. Changed with the lock of the slot.
    /// Guarded by: atomic; written under the retry lock of the slot.
    under_way: Atomic<u32>,
}

impl<A: IpFamily> UnansweredSlots<A> {
    /// Makes empty slots. May sleep.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            slots <- pin_init::pin_init_array_from_fn(|_| new_spinlock_bh!(None, "rlvs_retry")),
            under_way: Atomic::new(0),
        })
    }

    /// Remembers a connection while its first packet waits for an answer. Does nothing when another
    /// connection has the slot whose packet is on its way again.
    pub(crate) fn keep(&self, first: KBox<Unanswered<A>>, bh: &LocalBhDisabled) {
        self.put(first, bh);
    }

    /// Remembers that the first packet of a connection is on its way again. Returns `false` if the
    /// slot is taken by another such.
    pub(crate) fn send(&self, first: KBox<Unanswered<A>>, bh: &LocalBhDisabled) -> bool {
        self.put(first, bh)
    }

    /// Takes a connection out that waits for an answer.
    pub(crate) fn take(&self, key: Hashed<A::Words>, bh: &LocalBhDisabled) -> Place<A> {
        self.change(key.hash(), bh, |place| {
            place.take_if(|first| first.key == key && !first.is_under_way())
        })
    }

    /// Takes a connection out whose first packet was on its way again and comes now; returns the
    /// destinations that have refused it. Calls `key` only if there is any such connection.
    #[inline]
    pub(crate) fn resume(
        &self,
        key: impl FnOnce() -> Hashed<A::Words>,
        bh: &LocalBhDisabled,
    ) -> Option<RefusedBy> {
        if self.under_way.read_once() == 0 {
            return None;
        }
        let key = key();
        let first = self.change(key.hash(), bh, |place| {
            place.take_if(|first| first.key == key && first.is_under_way())
        });
        first.map(|first| first.refusers)
    }

    /// Forgets what was not answered in time. Process context.
    pub(crate) fn expire(&self, now: u32) {
        self.forget(|first| now.wrapping_sub(first.since) >= SECONDS);
    }

    /// Forgets all. Process context.
    pub(crate) fn clear(&self) {
        self.forget(|_| true);
    }

    fn forget(&self, mut over: impl FnMut(&Unanswered<A>) -> bool) {
        for hash in (0_u32..).take(SLOTS) {
            with_bh_disabled(|bh| {
                drop(self.change(hash, bh, |place| place.take_if(|first| over(first))));
            });
        }
    }

    fn put(&self, first: KBox<Unanswered<A>>, bh: &LocalBhDisabled) -> bool {
        let mut refused = false;
        let old = self.change(first.key.hash(), bh, |place| {
            refused = place
                .as_ref()
                .is_some_and(|other| other.is_under_way() && other.key != first.key);
            if refused {
                Some(first)
            } else {
                place.replace(first)
            }
        });
        drop(old);
        !refused
    }

    /// Changes what is in the slot of a hash, under its lock. What `change` returns is dropped
    /// without the lock.
    fn change(
        &self,
        hash: u32,
        bh: &LocalBhDisabled,
        change: impl FnOnce(&mut Place<A>) -> Place<A>,
    ) -> Place<A> {
        let index = usize::try_from(hash).unwrap_or(0) & SLOTS.wrapping_sub(1);
        let slot = self.slots.get(index)?;
        let mut place = slot.lock_with(bh);
        let count = |place: &Place<A>| u32::from(place.as_ref().is_some_and(|f| f.is_under_way()));
        let before = count(&place);
        let out = change(&mut place);
        let more = count(&place).wrapping_sub(before);
        if more != 0 {
            self.under_way.add(more, Relaxed);
        }
        out
    }
}
