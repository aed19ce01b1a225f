// SPDX-License-Identifier: GPL-2.0

//! What the CPUs share, and what must hold when none of them does anything.

use std::sync::{
    atomic::{AtomicU32, Ordering::SeqCst},
    Mutex,
};

use loom::{cell::UnsafeCell, sync::atomic::AtomicBool};
use rlvs_core::{
    address::Protocol,
    connection::{
        state::{self, State},
        timeout::Timeouts,
        Counts, Lifecycle,
    },
};

use crate::{
    machine::{Fault, Rcu, Word},
    table::Table,
};

/// A flow that a CPU may insert: its keys and the number of its destination.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) inbound: usize,
    pub(crate) reply: usize,
    pub(crate) destination: usize,
}

/// A wrong order of steps, to see that the model finds what it leads to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mistakes {
    /// A removed flow is freed without a grace period.
    pub(crate) frees_at_once: bool,
    /// The connections of a deleted destination are cut without a grace period before.
    pub(crate) cuts_at_once: bool,
    /// The CPU that takes the reply link out removes the flow.
    pub(crate) removes_reply_first: bool,
    /// The inbound key finds a flow before the reply key does.
    pub(crate) inserts_inbound_first: bool,
    /// A resize takes a link out of the old table before it is in the new one.
    pub(crate) moves_unlink_first: bool,
    /// The periodic work takes changes for settled without a grace period.
    pub(crate) settles_at_once: bool,
    /// It takes those for settled that were made while it waited.
    pub(crate) settles_too_many: bool,
}

/// What the configuration's mutex guards.
#[derive(Default)]
pub(crate) struct Config {
    /// The number of the last change.
    pub(crate) published: u32,
    /// The change that has deleted each destination, if it is deleted and not forgotten.
    pub(crate) left_by: [Option<u32>; 2],
}

pub(crate) struct Flow<F> {
    pub(crate) plan: Plan,
    pub(crate) life: Lifecycle<Word<F>>,
    /// Written where the flow is made and freed, read where it is used. Loom finds when one of
    /// these is not ordered after the other.
    memory: UnsafeCell<()>,
    pub(crate) made: AtomicU32,
    pub(crate) freed: AtomicU32,
}

impl<F: Fault> Flow<F> {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            life: Lifecycle::new(state::initial(Protocol::Tcp), 0),
            memory: UnsafeCell::new(()),
            made: AtomicU32::new(0),
            freed: AtomicU32::new(0),
        }
    }

    pub(crate) fn make(&self) {
        self.memory.with_mut(|_| ());
        assert_eq!(self.made.fetch_add(1, SeqCst), 0, "a flow is made once");
    }

    pub(crate) fn read(&self) {
        assert_eq!(self.freed.load(SeqCst), 0, "a freed flow is used");
        self.memory.with(|_| ());
    }

    pub(crate) fn free(&self) {
        assert_eq!(self.freed.fetch_add(1, SeqCst), 0, "a flow is freed twice");
        self.memory.with_mut(|_| ());
    }
}

pub(crate) struct Destination<F> {
    pub(crate) counts: Counts<Word<F>>,
    /// New connections may get it; this is in the pool that is published.
    pub(crate) picked: AtomicBool,
    pub(crate) cut: AtomicBool,
    /// It was deleted and had no connection.
    pub(crate) forgotten: std::sync::atomic::AtomicBool,
}

/// A namespace with two destinations.
pub(crate) struct World<F> {
    pub(crate) rcu: Rcu,
    pub(crate) table: Table,
    pub(crate) flows: Vec<Flow<F>>,
    pub(crate) destinations: [Destination<F>; 2],
    pub(crate) config: loom::sync::Mutex<Config>,
    pub(crate) timeouts: Timeouts,
    pub(crate) mistakes: Mistakes,
    /// The flows that packets of clients were forwarded by.
    pub(crate) used: Mutex<Vec<usize>>,
}

impl<F: Fault> World<F> {
    pub(crate) fn new(mistakes: Mistakes, plans: &[Plan]) -> Self {
        let last = plans.iter().map(|plan| plan.inbound.max(plan.reply)).max();
        Self {
            rcu: Rcu::new(),
            table: Table::new(last.map_or(0, |key| key + 1)),
            flows: plans.iter().copied().map(Flow::new).collect(),
            destinations: std::array::from_fn(|_| Destination {
                counts: Counts::new(()),
                picked: AtomicBool::new(true),
                cut: AtomicBool::new(false),
                forgotten: false.into(),
            }),
            config: loom::sync::Mutex::new(Config::default()),
            timeouts: Timeouts::default(),
            mistakes,
            used: Mutex::default(),
        }
    }

    /// What holds when no CPU does anything.
    pub(crate) fn check(&self) {
        let mut found = [(0, 0, 0); 2];
        for (number, flow) in self.flows.iter().enumerate() {
            let links = |key| self.table.all(key).filter(|link| *link == number).count();
            let linked = links(flow.plan.inbound);
            assert!(linked <= 1, "a flow is in the table twice");
            assert_eq!(links(flow.plan.reply), linked, "a flow has half its links");
            let made = flow.made.load(SeqCst) as usize;
            let freed = flow.freed.load(SeqCst) as usize;
            assert_eq!(made, linked + freed, "a flow was lost, or freed too soon");
            if linked == 1 {
                let (connections, active, open) = &mut found[flow.plan.destination];
                let state = flow.life.state();
                *connections += 1;
                *active += u32::from(state.is_active());
                *open += u32::from(!state.is_finished());
            }
        }
        for key in self.table.keys() {
            assert!(self.table.all(key).count() <= 1, "two flows have one key");
        }
        for (destination, (connections, active, open)) in self.destinations.iter().zip(found) {
            assert!(
                connections == 0 || !destination.forgotten.load(SeqCst),
                "a connection of a forgotten destination is left"
            );
            let counts = &destination.counts;
            // A count below zero is shown as zero: one more, of an active connection, shows it.
            Lifecycle::<Word<F>>::new(State::Established, 0).begin(counts);
            assert_eq!(
                (counts.connections(), counts.active(), counts.open()),
                (connections + 1, active + 1, open + 1),
                "the counts are not the table's"
            );
        }
    }
}
