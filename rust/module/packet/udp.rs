// SPDX-License-Identifier: GPL-2.0

//! Room for new connections: flows of UDP that were not answered go first.

use kernel::prelude::*;
use rlvs_core::{
    address::{self, Protocol, V4, V6},
    connection::timeout,
    udp::{Search, Share, BUCKETS},
};
use rlvs_kext::random;

use super::passage::Passage;
use crate::{
    state::InState,
    stats::Event,
    table::connection::{self, Table},
};

/// Flows removed for one connection at most: one more than it takes, as two processors that make
/// one at the same time may both find room for one.
const MOST_GONE: usize = 2;

impl<A: InState> Passage<'_, A> {
    /// Returns `true` if UDP may have another flow, or the new connection is not of UDP. A refusal
    /// is logged, as for [`Passage::has_room`].
    pub(super) fn udp_has_room(&self, protocol: Protocol) -> bool {
        let most = self.state.sysctls.conn_max();
        let has_room = || Share::of(most).has_room(protocol, &self.state.udp);
        if has_room() || self.evict_until(protocol, most, has_room) {
            return true;
        }
        if self
            .state
            .udp_full_message
            .passes(self.context.net(), self.now)
        {
            let inode = self.context.net().inode();
            pr_warn!(
                "net:[{inode}]: new UDP flows are refused: UDP has its share of the {most} \
                 connections that net.ipv4.vs.conn_max allows\n"
            );
        }
        false
    }

    /// Makes room for a connection in a table that has as many as it may have, `most`. Returns
    /// `false` if that cannot be.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&self, protocol: Protocol, most: u32) -> bool {
        self.evict_until(protocol, most, || self.state.used() < most)
    }

    /// Removes flows that were not answered, until there is room for a connection of `protocol`.
    fn evict_until(&self, protocol: Protocol, most: u32, has_room: impl Fn() -> bool) -> bool {
        let gives_way = || most != 0 && Share::of(most).gives_way(protocol, &self.state.udp);
        (0..MOST_GONE).any(|_| gives_way() && self.evict() && has_room())
    }

    /// Removes a flow that was not answered, at a random place of either table. Returns `false` if
    /// none was found there.
    fn evict(&self) -> bool {
        match A::FAMILY {
            address::Family::V4 => self.evict_of::<V4>() || self.evict_of::<V6>(),
            address::Family::V6 => self.evict_of::<V6>() || self.evict_of::<V4>(),
        }
    }

    fn evict_of<B: InState>(&self) -> bool {
        let (rcu, bh) = (self.context.rcu, self.context.bh);
        let table: &Table<B> = &B::tables(self.state).connections;
        let place = random::u32();
        let mut search = Search::default();
        for entry in (0..BUCKETS).flat_map(|number| table.bucket(place.wrapping_add(number), rcu)) {
            search.look(
                entry,
                entry.state(),
                timeout::idle(entry.last_seen(), self.now),
            );
            if search.is_over() {
                break;
            }
        }
        let found = search.found();
        let is_gone = found.is_some_and(|entry| connection::remove(table, entry, bh));
        if is_gone {
            self.state.events.count(bh, Event::EarlyExpired);
        }
        is_gone
    }
}
