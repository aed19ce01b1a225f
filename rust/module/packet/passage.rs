// SPDX-License-Identifier: GPL-2.0

//! One packet on its way through a hook, and what it is looked up in.

use kernel::sync::Arc;
use rlvs_core::{
    address::{Endpoint, Protocol},
    config::backends::BackendKey,
    connection::tuple::{Side, Tuple},
};
use rlvs_kext::{
    clock,
    flow_table::Digest,
    netfilter::{Context, LocalOut},
    skbuff::Skb,
};

use crate::{
    family::IpFamily,
    service::{refused::RefusedBy, Destination, Service},
    state::{InState, State},
    table::{
        connection::{self, Entry, Table},
        key,
    },
};

/// What it takes to handle one packet in a hook.
pub(super) struct Passage<'a, A: InState> {
    pub(super) state: &'a State,
    pub(super) context: &'a Context<'a>,
    pub(super) connections: &'a Table<A>,
    /// The hook, of a packet that this host sends and that has been routed: it can route it again.
    pub(super) routed: Option<&'a Context<'a, LocalOut>>,
    pub(super) now: u32,
    /// The sequence number of the answer that an ICMP error quotes, if an entry is opened for the
    /// error.
    pub(super) quoted: Option<u32>,
    /// The destinations that have refused a first packet that comes again. It is counted for the
    /// service already.
    pub(super) refusers: Option<&'a RefusedBy>,
}

impl<'a, A: InState> Passage<'a, A> {
    #[inline]
    pub(super) fn new(
        state: &'a State,
        context: &'a Context<'a>,
        routed: Option<&'a Context<'a, LocalOut>>,
    ) -> Self {
        Self {
            state,
            context,
            connections: &A::tables(state).connections,
            routed,
            now: clock::seconds(),
            quoted: None,
            refusers: None,
        }
    }

    /// Returns the service that a packet to this end is for, if it is for the host at all:
    /// [`Passage::is_for`].
    pub(super) fn service(
        &self,
        protocol: Protocol,
        end: &Endpoint<A>,
    ) -> Option<&'a Arc<Service>> {
        let services = self.state.services.read(self.context.rcu);
        services.find(protocol, end.address.to_address(), end.port)
    }

    /// Returns the destination that has this end, of any service.
    pub(super) fn backend(
        &self,
        skb: &Skb<'_>,
        protocol: Protocol,
        end: &Endpoint<A>,
    ) -> Option<&'a Arc<Destination>> {
        let backends = self.state.backends.read(self.context.rcu);
        let is_local = || self.is_own(skb, protocol, end);
        backends.find(backend_end(protocol, end), is_local)
    }

    #[inline(always)]
    pub(super) fn lookup(&self, skb: &Skb<'_>, tuple: Tuple<A>) -> Option<&'a Entry<A>> {
        self.find(self.digest(skb, &tuple), &tuple)
    }

    /// Returns the entry that has a key, of which the hash of the client's end is known.
    #[inline(always)]
    pub(super) fn find(&self, digest: Digest<'_>, tuple: &Tuple<A>) -> Option<&'a Entry<A>> {
        let key = key::with_digest(digest, tuple);
        self.connections.find(&key, self.context.rcu)
    }

    /// Returns the zone of the client that the packet is from, or goes to.
    #[inline(always)]
    pub(super) fn zone(&self, skb: &Skb<'_>, client: A) -> u32 {
        if client.is_link_local() {
            return self.context.link(skb);
        }
        self.context.vrf()
    }

    /// Returns the hash of a packet's client, for both keys of its connection.
    #[inline(always)]
    pub(super) fn digest(&self, skb: &Skb<'_>, tuple: &Tuple<A>) -> Digest<'a> {
        let client = match tuple.side() {
            Side::Inbound => tuple.source().address,
            Side::Reply => tuple.destination().address,
        };
        // The zone last, so that it is not kept through the call that hashes.
        let digest = key::digest(self.connections, tuple);
        digest.in_zone(self.zone(skb, client))
    }

    /// Removes an entry whose connection has ended; returns `false` if it has not. A forged reset
    /// may have ended the entry's state only, so the process's socket is looked up.
    #[inline(never)]
    pub(super) fn give_way(&self, entry: &Entry<A>) -> bool {
        if !entry.state().is_finished() || connection::is_alive(self.context.net(), entry) {
            return false;
        }
        connection::remove(self.connections, entry, self.context.bh);
        true
    }
}

/// Returns the end of a packet as destinations are looked up by it.
pub(super) fn backend_end<A: IpFamily>(protocol: Protocol, end: &Endpoint<A>) -> BackendKey {
    BackendKey {
        protocol,
        port: end.port,
        address: end.address.to_address(),
    }
}
