// SPDX-License-Identifier: GPL-2.0

//! Aborts the connections of deleted destinations at once, if the request or the sysctl
//! `expire_nodest_conn` says so.

use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};
use rlvs_core::{
    address::{Ip, Protocol, V4, V6},
    connection::tuple::Tuple,
};
use rlvs_kext::{
    bh::with_bh_disabled,
    flow_table::{Flow, FlowTable, Hashed, Key, Link, NoReply, Second, Walker},
    net::Net,
    netns::Handle,
    rcu::Pace,
    task,
};

use super::{edit::Failure, Unsettled};
use crate::{
    family::IpFamily,
    state::State,
    table::{
        connection::{self, Connection, Table},
        key,
        steered::{self, Record},
    },
};

/// Flows that are ended between two batches.
const AT_ONCE: usize = 64;

/// What it takes to end connections. Preallocated before the change that needs it, so that an abort
/// cannot fail halfway.
pub(crate) struct Abort {
    v4: FamilyAbort<V4>,
    v6: FamilyAbort<V6>,
}

/// An entry's keys: of packets from the client, and of those to it.
type Keys<W> = (Hashed<W>, W);

type Words<A> = <A as Ip>::Words;

type EntrySweep<A> = Sweep<Words<A>, Connection<A>, Link<Words<A>>, Keys<Words<A>>>;

struct FamilyAbort<A: IpFamily> {
    entries: EntrySweep<A>,
    records: Sweep<Words<A>, Record<A>, NoReply, Hashed<Words<A>>>,
}

/// A walk over a table that ends flows.
struct Sweep<K: Key, T: Send + Sync + 'static, R: Second<K>, F> {
    walker: Walker<K, T, R>,
    found: KVec<F>,
}

/// Preallocates an abort, if the request or the sysctl says so. Process context; may sleep.
pub(crate) fn prepare(ns: &Handle<'_, State>, wanted: bool) -> Result<Option<Abort>, Failure> {
    if !wanted && !ns.state().sysctls.ends_deleted() {
        return Ok(None);
    }
    Ok(Some(Abort::new(ns)?))
}

/// Waits until no packet goes to deleted destinations any more, and ends their connections, if that
/// was prepared. Process context, without the configuration's mutex; sleeps for a grace period.
pub(crate) fn finish(ns: &Handle<'_, State>, deletion: Unsettled<'_>, abort: Option<Abort>) {
    deletion.settle(Pace::Hurried);
    if let Some(abort) = abort {
        abort.run(ns);
    }
}

impl Abort {
    /// Allocates. Process context; may sleep.
    fn new(ns: &Handle<'_, State>) -> Result<Self> {
        let state = ns.state();
        Ok(Self {
            v4: FamilyAbort::prepare(ns, &state.v4.connections, &state.v4.steered)?,
            v6: FamilyAbort::prepare(ns, &state.v6.connections, &state.v6.steered)?,
        })
    }

    /// Ends the connections of the destinations that are marked for it: the processes' sockets are
    /// aborted, which sends the clients a reset, and the entries and records removed.
    ///
    /// Process context; sleeps. Must be called after the deletion is settled, so that no packet
    /// makes connections of the destinations any more.
    fn run(mut self, ns: &Handle<'_, State>) {
        let state = ns.state();
        self.v4
            .run(&state.v4.connections, &state.v4.steered, ns.net());
        self.v6
            .run(&state.v6.connections, &state.v6.steered, ns.net());
    }
}

impl<A: IpFamily> FamilyAbort<A> {
    fn prepare(
        ns: &Handle<'_, State>,
        entries: &Arc<Table<A>>,
        records: &Arc<steered::SteeredTable<A>>,
    ) -> Result<Self> {
        Ok(Self {
            entries: Sweep::prepare(ns, entries)?,
            records: Sweep::prepare(ns, records)?,
        })
    }

    fn run(&mut self, entries: &Table<A>, records: &steered::SteeredTable<A>, net: &Net) {
        let keys = |entry: &connection::Entry<A>| {
            let must_abort = entry.destination().must_abort();
            must_abort.then(|| (entry.hashed_key(), entry.reply_key()))
        };
        self.entries
            .run(keys, |keys| end_entry::<A>(entries, net, keys));
        let key =
            |record: &steered::SteeredEntry<A>| record.must_abort().then(|| record.hashed_key());
        self.records
            .run(key, |key| steered::end::<A>(records, net, key));
    }
}

impl<K: Key, T: Send + Sync + 'static, R: Second<K>, F> Sweep<K, T, R, F> {
    fn prepare(ns: &Handle<'_, State>, table: &Arc<FlowTable<K, T, R>>) -> Result<Self> {
        Ok(Self {
            walker: Walker::new(table.clone(), ns)?,
            found: KVec::with_capacity(AT_ONCE, GFP_KERNEL)?,
        })
    }

    /// Calls `end`, which may sleep and removes the flow, with what `find` returns of each flow,
    /// until that is `None` for all.
    fn run(&mut self, find: impl Fn(&Flow<K, T, R>) -> Option<F>, end: impl Fn(F)) {
        let Self { walker, found } = self;
        // Removing a flow moves others of its bucket, so that a walk may miss some: it is repeated
        // until it finds none. None is added meanwhile.
        let mut again = true;
        while core::mem::take(&mut again) {
            walker.restart();
            let mut more = true;
            while more {
                more = walker.batch(|flow| match find(flow) {
                    None => true,
                    // With a full list, the next batch begins with this flow.
                    Some(what) => found.push_within_capacity(what).is_ok(),
                });
                for what in found.drain_all() {
                    again = true;
                    end(what);
                }
                task::cond_resched();
            }
        }
    }
}

/// Ends one connection. The entry is removed last: the reset that the socket sends is rewritten by
/// it. Process context; sleeps.
fn end_entry<A: IpFamily>(table: &Table<A>, net: &Net, (inbound, reply): Keys<A::Words>) {
    let client = Tuple::<A>::from_words(inbound.words());
    let end = Tuple::<A>::from_words(reply).source();
    if client.protocol() == Protocol::Tcp {
        let zone = key::zone_of(table, &client, &inbound);
        net.tcp_abort(&A::ends(&end, &client.source()), zone);
    }
    with_bh_disabled(|bh| {
        let guard = rcu::read_lock();
        if let Some(entry) = table.find(&inbound, &guard) {
            if entry.reply_key() == reply {
                connection::remove(table, entry, bh);
            }
        }
    });
}
