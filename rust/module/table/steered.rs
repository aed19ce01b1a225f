// SPDX-License-Identifier: GPL-2.0

//! Steered connections, for the counts of their destinations.
//!
//! The host carries a steered connection by itself. Schedulers, bounds, draining and cutting have
//! to know which connections a destination has, so a *record* is kept for each. Of a connection's
//! packets only the first one looks for it, and the one by which the destination closes: schedulers
//! that go by active connections are to know at once that there is one less. No packet shows that
//! the connection is over: the periodic work looks the socket between the client and the service
//! up, and takes the record away when it has gone.
//!
//! A service with the flag uncounted does without: what needs to know its connections is refused.

use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::{rcu::Guard, Arc},
};
use rlvs_core::{
    address::{Endpoint, Protocol, V4, V6},
    connection::{state::State, timeout, tuple::Tuple, Lifecycle},
};
use rlvs_kext::{
    bh::{with_bh_disabled, LocalBhDisabled},
    flow_table::{Flow, FlowTable, Hashed, NoReply, Refused},
    net::Net,
    netns::{Handle, Namespace},
};

use crate::{
    family::IpFamily,
    primitives::Word,
    service::Destination,
    table::{cursor, key, socket},
};

/// Seconds for which a record stays in any case: its socket is made after it.
const LEAST_AGE: u32 = 2;

/// Value of a record, besides its key.
pub(crate) struct Record<A> {
    destination: Arc<Destination>,
    /// The state, and when the SYN came, the last one of several.
    life: Lifecycle<Word>,
    family: PhantomData<A>,
}

impl<A> Record<A> {
    /// Returns `true` if the connection is to be ended.
    pub(crate) fn must_abort(&self) -> bool {
        self.destination.must_abort()
    }
}

/// The records of one family.
pub(crate) type SteeredTable<A> =
    FlowTable<<A as rlvs_core::address::Ip>::Words, Record<A>, NoReply>;

// Documentation/performance states the memory that a record takes.
const _: () = assert!(SteeredTable::<V4>::ENTRY_SIZE <= 64);
const _: () = assert!(SteeredTable::<V6>::ENTRY_SIZE <= 96);

/// One record.
pub(crate) type SteeredEntry<A> = Flow<<A as rlvs_core::address::Ip>::Words, Record<A>, NoReply>;

/// Returns the key of the record of a connection from a client to a service, which has the address
/// that the client used, and prefetches its bucket. `zone` is the client's.
pub(crate) fn key<A: IpFamily>(
    table: &SteeredTable<A>,
    (client, service): (Endpoint<A>, Endpoint<A>),
    zone: u32,
    guard: &Guard,
) -> Hashed<A::Words> {
    let tuple = Tuple::inbound(Protocol::Tcp, client, service);
    let key = key::hashed(table, &tuple, zone);
    table.prefetch(&key, guard);
    key
}

/// Returns the client's and the service's end, from a record's key.
fn ends<A: IpFamily>(record: &SteeredEntry<A>) -> (Endpoint<A>, Endpoint<A>) {
    let tuple = Tuple::<A>::from_words(record.inbound_key());
    (tuple.source(), tuple.destination())
}

/// Counts the connection of a [`key`] at `destination` as long as it lasts, and at no other one.
/// Returns `None` if memory is short.
pub(crate) fn count<A: IpFamily>(
    table: &SteeredTable<A>,
    key: Hashed<A::Words>,
    destination: &Arc<Destination>,
    now: u32,
    guard: &Guard,
    bh: &LocalBhDisabled,
) -> Option<()> {
    if let Some(old) = table.find(&key, guard) {
        if Arc::ptr_eq(&old.destination, destination) {
            old.life.touch(now);
            old.life
                .advance(&old.destination.counts, |_| State::Established);
            return Some(());
        }
        // Of a connection before it, or a handshake that nothing has remembered.
        remove(table, old, bh);
    }
    let record = Record {
        destination: destination.clone(),
        life: Lifecycle::new(State::Established, now),
        family: PhantomData,
    };
    match table.insert(key, record, guard, bh) {
        Ok(record) => {
            record.life.begin(&destination.counts);
            // Updates the mark that the destination is full.
            destination.is_full();
            Some(())
        }
        // Another CPU has had the same packet, if memory is not short.
        Err(refused) => (!matches!(refused, Refused::NoMemory)).then_some(()),
    }
}

/// Takes a connection whose destination has closed its side or has given it up out of the active
/// ones. The record stays, as the client may go on.
pub(crate) fn close<A: IpFamily>(
    table: &SteeredTable<A>,
    (client, service): (Endpoint<A>, Endpoint<A>),
    zone: u32,
    guard: &Guard,
) {
    let tuple = Tuple::inbound(Protocol::Tcp, client, service);
    if let Some(record) = table.find(&key::hashed(table, &tuple, zone), guard) {
        record
            .life
            .advance(&record.destination.counts, |_| State::FinWait);
    }
}

/// Removes a record, unless another CPU did.
pub(crate) fn remove<A: IpFamily>(
    table: &SteeredTable<A>,
    record: &SteeredEntry<A>,
    bh: &LocalBhDisabled,
) {
    if table.remove(record, bh) {
        record.life.end(&record.destination.counts);
    }
}

/// Returns `true` if the host has the socket of a connection in a zone, not counting one in
/// TIME_WAIT.
fn has_socket<A: IpFamily>(
    net: &Net,
    (service, client): (&Endpoint<A>, &Endpoint<A>),
    zone: u32,
) -> bool {
    socket::is_open(net.tcp_socket_in(&A::ends(service, client), zone))
}

/// Removes the records of connections that have ended, and those of destinations that are not
/// counted any more: the client's next connection from the same port would be taken for the one of
/// the record, though it may be another destination's. Process context; may sleep.
///
/// # Errors
///
/// Those of [`cursor::all`].
pub(crate) fn expire<A: IpFamily>(
    table: &Arc<SteeredTable<A>>,
    ns: &Handle<'_, impl Namespace>,
    now: u32,
) -> Result {
    let has_vrf = ns.net().has_vrf();
    cursor::all(ns, table, |record| {
        let is_new = timeout::idle(record.life.last_seen(), now) < LEAST_AGE;
        let (client, service) = ends(record);
        // The zone costs a hash: only where two zones may have the client.
        let may_be_twice = has_vrf || client.address.is_link_local();
        let zone = || may_be_twice.then(|| key::zone::<A, _, _>(table, record));
        let has_ended =
            || !is_new && !has_socket(ns.net(), (&service, &client), zone().unwrap_or(0));
        if record.destination.is_uncounted() || has_ended() {
            with_bh_disabled(|bh| remove(table, record, bh));
        }
    })
}

/// Ends one connection whose destination is marked for it; its record goes last. Process context;
/// sleeps.
pub(crate) fn end<A: IpFamily>(table: &SteeredTable<A>, net: &Net, key: Hashed<A::Words>) {
    let tuple = Tuple::<A>::from_words(key.words());
    let zone = key::zone_of(table, &tuple, &key);
    net.tcp_abort(&A::ends(&tuple.destination(), &tuple.source()), zone);
    with_bh_disabled(|bh| {
        let guard = kernel::sync::rcu::read_lock();
        if let Some(record) = table.find(&key, &guard) {
            if record.must_abort() {
                remove(table, record, bh);
            }
        }
    });
}
