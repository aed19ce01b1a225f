// SPDX-License-Identifier: GPL-2.0

//! Connection entries.
//!
//! An entry is found by the packets of both directions and belongs to one destination for all its
//! life. Its addresses are its keys; the rest is a state and a time, both atomics.

use core::marker::PhantomData;
use kernel::sync::{atomic::Atomic, Arc};
use rlvs_core::{
    address::{Endpoint, Protocol, V4, V6},
    connection::{
        state::{self, Rules, State},
        timeout::{self, Timeouts},
        tuple::{Side, Tuple},
        Lifecycle, Tally,
    },
    packet::Signal,
    persistence::TemplateRef,
};
use rlvs_kext::{
    bh::LocalBhDisabled,
    flow_table::{EntryCache, Flow, FlowTable},
    net::Net,
    rwonce::Once,
    sock::TcpSocket,
};

use crate::{
    family::IpFamily,
    primitives::Word,
    service::{timeouts::TimeoutSettings, Destination},
    table::socket::has_socket,
};

/// Value of an entry, besides its keys.
pub(crate) struct Connection<A> {
    destination: Arc<Destination>,
    /// The state and the time of the last packet.
    life: Lifecycle<Word>,
    /// The client's first packet has gone to the destination, and nothing has come back yet.
    /// Guarded by: atomic; any packet, the last writer wins.
    unanswered: Atomic<bool>,
    /// The destination's process has another peer than the client.
    /// Guarded by: atomic; set once, by the first answer.
    other_peer: Atomic<bool>,
    /// Reference to the template that led it to its destination, if one did.
    template_ref: Option<Arc<TemplateRef<Word>>>,
    family: PhantomData<A>,
}

/// The connection entries of one family.
pub(crate) type Table<A> = FlowTable<<A as rlvs_core::address::Ip>::Words, Connection<A>>;

/// The memory of entries of IPv6.
pub(crate) type Cache = EntryCache<<V6 as rlvs_core::address::Ip>::Words, Connection<V6>>;

/// One entry.
pub(crate) type Entry<A> = Flow<<A as rlvs_core::address::Ip>::Words, Connection<A>>;

// Documentation/performance states the memory that a connection takes.
const _: () = assert!(Table::<V4>::ENTRY_SIZE <= 128);
const _: () = assert!(Table::<V6>::ENTRY_SIZE <= 192);

impl<A: IpFamily> Connection<A> {
    /// Makes an entry's value; [`begin`] counts it once it is in the table. `unanswered`: what
    /// [`Self::is_unanswered`] returns at first.
    #[inline]
    pub(crate) fn new(
        destination: Arc<Destination>,
        template_ref: Option<Arc<TemplateRef<Word>>>,
        (state, now): (State, u32),
        unanswered: bool,
    ) -> Self {
        Self {
            destination,
            life: Lifecycle::new(state, now),
            unanswered: Atomic::new(unanswered),
            other_peer: Atomic::new(false),
            template_ref,
            family: PhantomData,
        }
    }

    /// Returns the destination.
    pub(crate) fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// Returns the state.
    pub(crate) fn state(&self) -> State {
        self.life.state()
    }

    /// Returns when a packet was last seen, in seconds since boot.
    pub(crate) fn last_seen(&self) -> u32 {
        self.life.last_seen()
    }

    /// Returns `true` if the client's first packet waits for its answer:
    /// [`crate::table::unanswered`].
    #[inline]
    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered.read_once()
    }

    /// Sets whether the client's first packet waits for its answer.
    pub(crate) fn set_unanswered(&self, unanswered: bool) {
        self.unanswered.write_once(unanswered);
    }

    /// Notes that source NAT shows the destination's process another peer than the client, which
    /// its first answer has shown.
    pub(crate) fn set_other_peer(&self) {
        self.other_peer.write_once(true);
    }

    /// Notes that a packet was seen at `now`, in seconds since boot.
    #[inline]
    pub(crate) fn touch(&self, now: u32) {
        self.life.touch(now);
    }

    /// Returns `true` if a packet of `side` may change anything but when a packet was last seen:
    /// [`Connection::advance`].
    #[inline]
    pub(crate) fn may_move(&self, side: Side, signal: Signal) -> bool {
        state::may_move(self.state(), side, signal)
    }

    /// Moves the state by a packet of `side`, and the counts with it.
    #[inline]
    pub(crate) fn advance(&self, side: Side, signal: Signal, rules: Rules) {
        self.life
            .advance(&self.tally(), |from| rules.next(from, side, signal));
        if let Some(template_ref) = &self.template_ref {
            let state = self.state();
            if state.is_active() && !state.is_half_open() {
                template_ref.prove();
            }
        }
    }

    /// Ends the connection, whatever state its packets left it in: late ones are still matched.
    pub(crate) fn close(&self) {
        self.life.advance(&self.tally(), |from| {
            if from.has_socket() {
                State::TimeWait
            } else {
                from
            }
        });
    }

    /// Returns the counts that the entry is a part of.
    fn tally(&self) -> impl Tally + '_ {
        let template_ref = self.template_ref.as_deref().map(TemplateRef::counts);
        (
            (&self.destination.counts, template_ref),
            &*self.destination.udp,
        )
    }
}

/// Returns the protocol and the client's and the service's end, from the entry's inbound key.
pub(crate) fn inbound<A: IpFamily>(entry: &Entry<A>) -> (Protocol, Endpoint<A>, Endpoint<A>) {
    let tuple = Tuple::<A>::from_words(entry.inbound_key());
    (tuple.protocol(), tuple.source(), tuple.destination())
}

/// Returns the destination's end, from the entry's reply key.
pub(crate) fn destination<A: IpFamily>(entry: &Entry<A>) -> Endpoint<A> {
    Tuple::<A>::from_words(entry.reply_key()).source()
}

/// Counts an entry that was inserted. Its inserter calls this, in the read-side section of the
/// insertion.
pub(crate) fn begin<A: IpFamily>(entry: &Entry<A>) {
    entry.destination.entry_made();
    entry.life.begin(&entry.tally());
}

/// Takes an entry out of the table and out of the counts. Returns `false` if another caller did.
pub(crate) fn remove<A: IpFamily>(
    table: &Table<A>,
    entry: &Entry<A>,
    bh: &LocalBhDisabled,
) -> bool {
    if !table.remove(entry, bh) {
        return false;
    }
    entry.life.end(&entry.tally());
    entry.destination.entry_gone();
    true
}

/// Returns `true` if the destination's process still has the connection: then an entry is idle, not
/// over, whatever its state. Always `false` but for TCP; SCTP's heartbeats keep an entry. Any
/// context but hard interrupt.
pub(crate) fn is_alive<A: IpFamily>(net: &Net, entry: &Entry<A>) -> bool {
    let (protocol, client, _) = inbound(entry);
    protocol == Protocol::Tcp && has_socket(net, &destination(entry), &client, None)
}

/// Returns `true` unless the process is known to have lost the connection: [`is_alive`], or its
/// socket has a peer that only connection tracking knew, which has forgotten it.
pub(crate) fn may_be_alive<A: IpFamily>(net: &Net, entry: &Entry<A>) -> bool {
    let (_, client, _) = inbound(entry);
    let is_unknown =
        || entry.other_peer.read_once() && !net.is_tracked(&A::ends(&destination(entry), &client));
    is_alive(net, entry) || is_unknown()
}

/// Returns `true` if [`is_alive`] does and the client has completed the handshake.
pub(crate) fn is_established<A: IpFamily>(net: &Net, entry: &Entry<A>) -> bool {
    let (protocol, client, _) = inbound(entry);
    protocol == Protocol::Tcp
        && net.tcp_socket(&A::ends(&destination(entry), &client), None) == TcpSocket::Live
}

/// Returns the timeout of an entry, in seconds: that of its service, or else of the namespace, or
/// else one of `defaults`.
pub(crate) fn timeout<A: IpFamily>(
    entry: &Entry<A>,
    defaults: &Timeouts,
    namespace: &TimeoutSettings,
) -> u32 {
    let (protocol, _, _) = inbound(entry);
    let service = &entry.destination().timeouts;
    timeout::effective(
        protocol,
        entry.state(),
        defaults,
        |tunable| service.get(tunable),
        |tunable| namespace.get(tunable),
    )
}
