// SPDX-License-Identifier: GPL-2.0

//! Admission of new connections, by the limits of the namespace and of the host, and their counts.

use kernel::prelude::*;
use rlvs_core::{address::Protocol, packet::Packet, schedule::choice::Choice};
use rlvs_kext::{flow_table::Digest, skbuff::Skb};

use super::passage::Passage;
use crate::{
    service::{Destination, Service},
    state::InState,
    stats::Event,
    table::connection::Entry,
};

impl<'a, A: InState> Passage<'a, A> {
    /// Makes the entry of a new connection, within the limits.
    pub(super) fn admit(
        &self,
        skb: &Skb<'_>,
        packet: &Packet<A>,
        digest: Digest<'_>,
        service: &Service,
    ) -> Result<&'a Entry<A>, Event> {
        if !self.has_room(packet.protocol) {
            return Err(Event::TableFull);
        }
        if !self.udp_has_room(packet.protocol) {
            return Err(Event::UdpFull);
        }
        if !self.is_below_ceiling() {
            return Err(Event::TotalFull);
        }
        if self.state.drop_packet.takes_next(&self.state.sysctls) {
            return Err(Event::DropPacket);
        }
        self.schedule(skb, packet, digest, service)
    }

    /// Returns `true` if `conn_max` allows another connection, of this protocol. A refusal is
    /// logged, once a minute at most, so that an operator learns why clients do not get through.
    pub(super) fn has_room(&self, protocol: Protocol) -> bool {
        let most = self.state.sysctls.conn_max();
        if self.state.used() < most || self.make_room(protocol, most) {
            return true;
        }
        if self.state.full_message.passes(self.context.net(), self.now) {
            let inode = self.context.net().inode();
            pr_warn!(
                "net:[{inode}]: new connections are refused: there are {most}, as many as \
                 net.ipv4.vs.conn_max allows\n"
            );
        }
        false
    }

    /// Returns `true` if `conn_max_total` allows another connection.
    pub(super) fn is_below_ceiling(&self) -> bool {
        self.state.ceiling.has_room(self.context.net(), self.now)
    }

    /// Counts a new connection for its destination, and for its service at the first try.
    pub(super) fn count_connection(&self, destination: &Destination) {
        destination.stats.connection(self.context.bh);
        if self.refusers.is_none() {
            destination.service_stats.connection(self.context.bh);
        }
    }

    /// Counts a connection that was kept away from a destination that would not have served it.
    pub(super) fn count_avoided(&self, choice: &Choice, destination: &Destination) {
        if choice.has_avoided() {
            destination.stats.avoided(self.context.bh);
            destination.service_stats.avoided(self.context.bh);
        }
    }
}
