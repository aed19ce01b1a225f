// SPDX-License-Identifier: GPL-2.0

//! Connection entries.
//!
//! An entry is found by the packets of both directions and belongs to one destination for all its
//! life. Its addresses are its keys; the rest is a state and a time, both atomics.

use core::marker::PhantomData;
use kernel::sync::Arc;
use rlvs_core::{
    address::{Endpoint, Protocol, V4, V6},
    flow::{Rules, State, Window},
    lifecycle::Lifecycle,
    tuple::{Side, Tuple},
    wire::Signal,
};
use rlvs_kext::{
    bh::LocalBhDisabled,
    flow_table::{self, Flow, FlowTable},
    inet::{Device, Net, TcpSocket},
};

use crate::{family::Family, services::Destination, word::Word};

/// What an entry has besides its keys.
pub(crate) struct Connection<A> {
    destination: Arc<Destination>,
    /// The state and the time of the last packet.
    life: Lifecycle<Word>,
    family: PhantomData<A>,
}

/// The connection entries of one family.
pub(crate) type Table<A> = FlowTable<<A as rlvs_core::address::Ip>::Words, Connection<A>>;

/// One entry.
pub(crate) type Entry<A> = Flow<<A as rlvs_core::address::Ip>::Words, Connection<A>>;

// The memory that a connection takes is promised in the documentation.
const _: () = assert!(Table::<V4>::ENTRY_SIZE <= 128);
const _: () = assert!(Table::<V6>::ENTRY_SIZE <= 192);

/// The side as the table has it.
pub(crate) fn table_side(side: Side) -> flow_table::Side {
    match side {
        Side::Inbound => flow_table::Side::Inbound,
        Side::Reply => flow_table::Side::Reply,
    }
}

impl<A: Family> Connection<A> {
    /// An entry's value; [`begin`] counts it once it is in the table.
    pub(crate) fn new(destination: Arc<Destination>, state: State, now: u32) -> Self {
        Self {
            destination,
            life: Lifecycle::new(state, now),
            family: PhantomData,
        }
    }

    /// The destination.
    pub(crate) fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// The state.
    pub(crate) fn state(&self) -> State {
        self.life.state()
    }

    /// When a packet was last seen, in seconds since boot.
    pub(crate) fn last_seen(&self) -> u32 {
        self.life.last_seen()
    }

    /// A packet was seen.
    #[inline]
    pub(crate) fn touch(&self, now: u32) {
        self.life.touch(now);
    }

    /// Moves the state by a packet of `side`, and the destination's counts with it.
    #[inline]
    pub(crate) fn advance(&self, side: Side, signal: Signal, rules: Rules) {
        self.life.advance(&self.destination.counts, |from| {
            rules.next(from, side, signal)
        });
    }
}

/// The protocol and the client's and the service's end, from the entry's inbound key.
pub(crate) fn inbound<A: Family>(entry: &Entry<A>) -> (Protocol, Endpoint<A>, Endpoint<A>) {
    let tuple = Tuple::<A>::from_words(entry.inbound_key());
    (tuple.protocol(), tuple.source(), tuple.destination())
}

/// The destination's end, from the entry's reply key.
pub(crate) fn destination<A: Family>(entry: &Entry<A>) -> Endpoint<A> {
    Tuple::<A>::from_words(entry.reply_key()).source()
}

/// Counts an entry that was inserted. Its inserter calls this, in the read-side section of the
/// insertion.
pub(crate) fn begin<A: Family>(entry: &Entry<A>) {
    entry.life.begin(&entry.destination.counts);
}

/// Takes an entry out of the table and out of its destination's counts. False when somebody else
/// did.
pub(crate) fn remove<A: Family>(table: &Table<A>, entry: &Entry<A>, bh: &LocalBhDisabled) -> bool {
    if !table.remove(entry, bh) {
        return false;
    }
    entry.life.end(&entry.destination.counts);
    true
}

/// Whether the destination's process still has the connection: then an entry is idle, not over,
/// whatever its state. Only of TCP this is known; SCTP's heartbeats keep an entry. Any context but
/// hard interrupt.
pub(crate) fn is_alive<A: Family>(net: &Net, entry: &Entry<A>) -> bool {
    let (protocol, client, _) = inbound(entry);
    protocol == Protocol::Tcp && has_socket(net, &destination(entry), &client, None)
}

/// The same, but a handshake that the client has not completed does not count.
pub(crate) fn is_established<A: Family>(net: &Net, entry: &Entry<A>) -> bool {
    let (protocol, client, _) = inbound(entry);
    protocol == Protocol::Tcp
        && net.tcp_socket(&A::ends(&destination(entry), &client), None) == TcpSocket::Live
}

/// Whether the host has a TCP socket, not counting one in TIME_WAIT, between `local` and `remote`:
/// one that gets packets that come in by `device`, or by any without that.
pub(crate) fn has_socket<A: Family>(
    net: &Net,
    local: &Endpoint<A>,
    remote: &Endpoint<A>,
    device: Option<Device>,
) -> bool {
    matches!(
        net.tcp_socket(&A::ends(local, remote), device),
        TcpSocket::Opening | TcpSocket::Live
    )
}

/// Where the TCP connection between `local` and `remote` is, if the host has a socket for it, one in
/// TIME_WAIT included: one that gets packets that come in by `device`.
pub(crate) fn window<A: Family>(
    net: &Net,
    local: &Endpoint<A>,
    remote: &Endpoint<A>,
    device: Device,
) -> Option<Window> {
    let found = net.tcp_window(&A::ends(local, remote), Some(device))?;
    Some(Window {
        receive_next: found.receive_next,
        receive_window: found.receive_window,
        receive_past: found.receive_past,
        send_unacknowledged: found.send_unacknowledged,
        send_next: found.send_next,
        send_past: found.send_past,
    })
}
