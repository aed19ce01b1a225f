// SPDX-License-Identifier: GPL-2.0

//! The periodic work of a namespace: entries expire, drained destinations go, and with the last of
//! all the hooks.
//!
//! No timer is armed for a packet: an entry has the time of its last packet, and a walk over the
//! table once a second finds those whose time is over.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    address::{Protocol, V4, V6},
    defence::{may_drop, shortened, Sample},
    flow::{self, Timeouts},
    tuple::{Side, Tuple},
};
use rlvs_kext::{
    bh::with_bh_disabled, clock, flow_table::Walker, inet::Net, netns::Handle, random, task,
};

use crate::{
    connections::{self, Connection, Entry, Table},
    defence,
    family::Family,
    namespace::State,
    stats::Event,
    timeouts,
};

/// Entries looked at in one read-side section, after which others may run.
const BATCH: usize = 256;

/// Entries that are cut between two walks over the table.
const CUT_BATCH: usize = 64;

/// Runs once a second while the hooks are registered. Process context.
pub(crate) fn tick(ns: &Handle<'_, State>) {
    let state = ns.state();
    defence::adapt(&state.sysctls, &state.drop_packet);
    let mut round = Round::new(ns);
    // Short of memory there is nothing to do but to try again in a second.
    let _ = round.expire(&state.connections4);
    let _ = round.expire(&state.connections6);

    let mut config = state.config.lock();
    config.forget_drained(state);
    if config.is_empty() && state.connections4.is_empty() && state.connections6.is_empty() {
        ns.detach();
    }
}

/// One walk over the tables of a namespace.
struct Round<'a> {
    state: &'a State,
    net: &'a Net,
    now: u32,
    timeouts: Timeouts,
    /// The timeouts that hold as the tables are filling up.
    shortened: Option<Timeouts>,
    /// Which entries the defence `drop_entry` takes, if it is on.
    drop_entry: Option<Sample>,
}

impl<'a> Round<'a> {
    fn new(ns: &'a Handle<'_, State>) -> Self {
        let state = ns.state();
        let timeouts = Timeouts::default();
        let on = state.sysctls.drop_entry().is_on();
        Self {
            state,
            net: ns.net(),
            now: clock::seconds(),
            timeouts,
            shortened: shortened(&timeouts, state.entries(), state.sysctls.conn_max()),
            drop_entry: on.then(|| Sample::new(random::u32())),
        }
    }

    fn expire<A: Family>(&mut self, table: &Arc<Table<A>>) -> Result {
        if table.is_empty() {
            return Ok(());
        }
        let mut walker = Walker::new(table.clone())?;
        while walker.batch(BATCH, |entry| {
            self.look_at(table, entry);
            true
        }) {
            task::cond_resched();
        }
        Ok(())
    }

    /// Removes the entry if its time is over, or if it has to go for others. A connection that the
    /// process still has stays in any case; one that the client has not completed does not count
    /// for that when entries run out.
    fn look_at<A: Family>(&mut self, table: &Table<A>, entry: &Entry<A>) {
        let (state, seen) = (entry.state(), entry.last_seen());
        let timeout = timeouts::of_entry(entry, &self.timeouts, &self.state.timeouts);
        let over = flow::expired(timeout, seen, self.now);
        let early = state.is_half_open()
            && self
                .shortened
                .is_some_and(|timeouts| flow::expired(timeouts.of(state), seen, self.now));
        if early {
            if connections::is_established(self.net, entry) {
                entry.touch(self.now);
            } else {
                self.remove(table, entry, (!over).then_some(Event::EarlyExpired));
            }
        } else if over {
            if connections::is_alive(self.net, entry) {
                entry.touch(self.now);
            } else {
                self.remove(table, entry, None);
            }
        } else if self.drops(state, seen) && !connections::is_established(self.net, entry) {
            self.remove(table, entry, Some(Event::DropEntry));
        }
    }

    fn drops(&mut self, state: flow::State, seen: u32) -> bool {
        match &mut self.drop_entry {
            Some(sample) => may_drop(state, flow::idle(seen, self.now)) && sample.takes_next(),
            None => false,
        }
    }

    fn remove<A: Family>(&self, table: &Table<A>, entry: &Entry<A>, event: Option<Event>) {
        with_bh_disabled(|bh| {
            if connections::remove(table, entry, bh) {
                if let Some(event) = event {
                    self.state.events.count(bh, event);
                }
            }
        });
    }
}

/// What it takes to end connections. It is had before the change that needs it, which is then not
/// refused half done when memory is short.
pub(crate) struct Cut {
    v4: FamilyCut<V4>,
    v6: FamilyCut<V6>,
}

struct FamilyCut<A: Family> {
    walker: Walker<A::Words, Connection<A>>,
    found: KVec<(A::Words, A::Words)>,
}

impl Cut {
    /// Allocates. Process context; may sleep.
    pub(crate) fn prepare(state: &State) -> Result<Self> {
        Ok(Self {
            v4: FamilyCut::prepare(&state.connections4)?,
            v6: FamilyCut::prepare(&state.connections6)?,
        })
    }

    /// Ends the connections of the destinations that are marked for it: the processes' sockets are
    /// aborted, which also tells the clients, and the entries removed.
    ///
    /// Process context; sleeps. No packet may use the destinations for new connections any more.
    pub(crate) fn run(mut self, ns: &Handle<'_, State>) {
        self.v4.run(&ns.state().connections4, ns.net());
        self.v6.run(&ns.state().connections6, ns.net());
    }
}

impl<A: Family> FamilyCut<A> {
    fn prepare(table: &Arc<Table<A>>) -> Result<Self> {
        Ok(Self {
            walker: Walker::new(table.clone())?,
            found: KVec::with_capacity(CUT_BATCH, GFP_KERNEL)?,
        })
    }

    fn run(&mut self, table: &Table<A>, net: &Net) {
        let Self { walker, found } = self;
        // Removing entries moves the others in their bucket, so that a walk may pass some over: it
        // is repeated until it finds none. None is added meanwhile.
        let mut again = true;
        while core::mem::take(&mut again) {
            walker.restart();
            let mut more = true;
            while more {
                more = walker.batch(BATCH, |entry| {
                    if !entry.destination().is_cut() {
                        return true;
                    }
                    // When the list is full, this entry comes again in the next batch.
                    found
                        .push_within_capacity((entry.inbound_key(), entry.reply_key()))
                        .is_ok()
                });
                for (inbound, reply) in found.drain_all() {
                    again = true;
                    cut_entry::<A>(table, net, inbound, reply);
                }
                task::cond_resched();
            }
        }
    }
}

/// Ends one connection. The entry goes last: the reset that the socket sends has to pass it.
fn cut_entry<A: Family>(table: &Table<A>, net: &Net, inbound: A::Words, reply: A::Words) {
    let client = Tuple::<A>::from_words(inbound);
    let end = Tuple::<A>::from_words(reply).source();
    if client.protocol() == Protocol::Tcp {
        net.tcp_abort(&A::ends(&end, &client.source()));
    }
    with_bh_disabled(|bh| {
        let guard = kernel::sync::rcu::read_lock();
        let side = connections::table_side(Side::Inbound);
        if let Some(entry) = table.lookup(side, inbound, &guard) {
            if entry.reply_key() == reply {
                connections::remove(table, entry, bh);
            }
        }
    });
}
