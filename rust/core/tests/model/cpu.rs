// SPDX-License-Identifier: GPL-2.0

//! What the CPUs do with flows, step by step as `rust/kext/flow_table.rs`, `rust/module/packet.rs`,
//! `rust/module/periodic/expire.rs` and `rust/module/change/` do it.

use std::{cell::RefCell, sync::atomic::Ordering::SeqCst};

use loom::{
    sync::{
        atomic::Ordering::{Acquire, Relaxed, Release},
        Arc,
    },
    thread,
};
use rlvs_core::{
    connection::{state, timeout, tuple::Side, Counts},
    packet::{Signal, TcpFlags},
};

use crate::{
    machine::{Fault, Word, CPUS},
    world::{Config, Plan, World},
};

/// Why a flow was not inserted: another one has the same inbound, or the same reply key.
enum Refused {
    Exists(usize),
    Conflict(usize),
}

/// Segments of a client and of a server.
pub(crate) const SYN: Signal = Signal::Tcp(TcpFlags(TcpFlags::SYN));
pub(crate) const ACK: Signal = Signal::Tcp(TcpFlags(TcpFlags::ACK));
pub(crate) const RST: Signal = Signal::Tcp(TcpFlags(TcpFlags::RST));

/// A moment at which no flow of time 0 has expired, and one at which all have.
pub(crate) const SOON: u32 = 1;
pub(crate) const LATE: u32 = 10_000;

/// What one CPU does, from start to end.
pub(crate) type Role<F> = fn(&Cpu<'_, F>);

impl<F: Fault> World<F> {
    /// Runs `first` alone, then each role on a CPU of its own, and checks the quiet machine. Gives
    /// the flows that packets of clients were forwarded by.
    pub(crate) fn run(self, first: Role<F>, roles: &[Role<F>]) -> Vec<usize> {
        assert!(roles.len() <= CPUS);
        let world = Arc::new(self);
        world.play(0, first);
        let (last, others) = roles.split_last().expect("a role");
        let threads: Vec<_> = others
            .iter()
            .enumerate()
            .map(|(cpu, role)| {
                let (world, role) = (world.clone(), *role);
                thread::spawn(move || world.play(cpu, role))
            })
            .collect();
        world.play(others.len(), *last);
        for thread in threads {
            thread.join().expect("a role does not panic");
        }
        world.check();
        let used = world.used.lock().expect("nothing panicked");
        used.clone()
    }

    fn play(&self, number: usize, role: Role<F>) {
        let cpu = Cpu {
            world: self,
            number,
            queued: RefCell::default(),
        };
        role(&cpu);
        cpu.run_callbacks();
    }
}

/// A CPU that does something.
pub(crate) struct Cpu<'a, F> {
    world: &'a World<F>,
    number: usize,
    /// Flows that were handed to RCU.
    queued: RefCell<Vec<usize>>,
}

impl<F: Fault> Cpu<'_, F> {
    /// RCU's callbacks, as early as they may run.
    fn run_callbacks(&self) {
        let queued = self.queued.take();
        if !queued.is_empty() {
            self.world.rcu.synchronize();
        }
        for number in queued {
            self.world.flows[number].free();
        }
    }

    fn free_later(&self, number: usize) {
        if self.world.mistakes.frees_at_once {
            self.world.flows[number].free();
        } else {
            self.queued.borrow_mut().push(number);
        }
    }

    fn keys(&self, number: usize) -> [usize; 2] {
        let Plan { inbound, reply, .. } = self.world.flows[number].plan;
        [inbound, reply]
    }

    /// `FlowTable::insert`, in a read-side section.
    fn insert(&self, number: usize) -> Result<(), Refused> {
        let table = &self.world.table;
        self.world.flows[number].make();
        let [inbound, reply] = self.keys(number);
        let inbound_first = self.world.mistakes.inserts_inbound_first;
        let (first, second) = if inbound_first {
            (inbound, reply)
        } else {
            (reply, inbound)
        };
        let refused = |key, other| {
            if key == inbound {
                Refused::Exists(other)
            } else {
                Refused::Conflict(other)
            }
        };
        if let Err(other) = table.insert(first, number) {
            // It was never in the table.
            self.world.flows[number].free();
            return Err(refused(first, other));
        }
        if let Err(other) = table.insert(second, number) {
            table.remove(first, number);
            self.free_later(number);
            return Err(refused(second, other));
        }
        Ok(())
    }

    /// `FlowTable::remove` and what `connections::remove` adds to it, in a read-side section.
    fn remove(&self, number: usize) -> bool {
        let table = &self.world.table;
        let [inbound, reply] = self.keys(number);
        let (first, second) = if self.world.mistakes.removes_reply_first {
            (reply, inbound)
        } else {
            (inbound, reply)
        };
        if !table.remove(first, number) {
            return false;
        }
        table.remove(second, number);
        self.free_later(number);
        let flow = &self.world.flows[number];
        flow.life.end(self.counts(number));
        true
    }

    fn counts(&self, number: usize) -> &Counts<Word<F>> {
        let destination = self.world.flows[number].plan.destination;
        &self.world.destinations[destination].counts
    }

    /// A packet is forwarded by the flow that it has found.
    fn forward(&self, number: usize, side: Side, signal: Signal, now: u32) {
        let flow = &self.world.flows[number];
        flow.read();
        flow.life.touch(now);
        flow.life
            .advance(self.counts(number), |from| state::next(from, side, signal));
        flow.read();
    }

    /// A packet of a client. When it has no flow and opens one, it is `number`'s.
    pub(crate) fn client_sends(&self, number: usize, signal: Signal, now: u32) {
        let section = self.world.rcu.read(self.number);
        let [inbound, _] = self.keys(number);
        let found = self.world.table.lookup(inbound);
        let used = match found.filter(|other| !self.gives_way(*other, signal)) {
            Some(other) => Some(other),
            None if state::opens(signal) => self.open(number),
            None => None,
        };
        if let Some(used) = used {
            self.forward(used, Side::Inbound, signal, now);
            self.world.used.lock().expect("nothing panicked").push(used);
        }
        drop(section);
    }

    /// A packet of a client takes the place of a connection that is over.
    fn gives_way(&self, number: usize, signal: Signal) -> bool {
        let flow = &self.world.flows[number];
        flow.read();
        let over = state::reopens(flow.life.state(), signal);
        if over {
            self.remove(number);
        }
        over
    }

    /// `attempt` of the hooks: picks the destination, and inserts.
    fn open(&self, number: usize) -> Option<usize> {
        let flow = &self.world.flows[number];
        let destination = &self.world.destinations[flow.plan.destination];
        if !destination.picked.load(Acquire) {
            return None;
        }
        let [inbound, _] = self.keys(number);
        match self.insert(number) {
            Ok(()) => {
                flow.life.begin(&destination.counts);
                Some(number)
            }
            Err(Refused::Exists(other)) => Some(other),
            Err(Refused::Conflict(other)) => (self.keys(other)[0] == inbound).then_some(other),
        }
    }

    /// A packet of a server, which goes by the flow of its reply key, if there is one.
    pub(crate) fn server_sends(&self, reply: usize, signal: Signal, now: u32) {
        let section = self.world.rcu.read(self.number);
        if let Some(number) = self.world.table.lookup(reply) {
            self.forward(number, Side::Reply, signal, now);
        }
        drop(section);
    }

    /// A packet of a client whose flow must be found, since no CPU removes it.
    pub(crate) fn must_find(&self, number: usize) {
        let section = self.world.rcu.read(self.number);
        for key in self.keys(number) {
            assert_eq!(
                self.world.table.lookup(key),
                Some(number),
                "a flow of the table is not found"
            );
        }
        drop(section);
    }

    /// Inserts a flow although the first lookup would have found that its key is taken, as when
    /// another CPU is quicker.
    pub(crate) fn insert_blindly(&self, number: usize) {
        let section = self.world.rcu.read(self.number);
        if self.insert(number).is_ok() {
            self.world.flows[number].life.begin(self.counts(number));
        }
        drop(section);
    }

    /// Removes the flow of a key, whatever its state.
    pub(crate) fn remove_found(&self, key: usize) {
        let section = self.world.rcu.read(self.number);
        if let Some(number) = self.world.table.lookup(key) {
            self.world.flows[number].read();
            self.remove(number);
        }
        drop(section);
    }

    /// The periodic work at `now`.
    pub(crate) fn expire(&self, now: u32) {
        let section = self.world.rcu.read(self.number);
        for number in self.walk() {
            let life = &self.world.flows[number].life;
            self.world.flows[number].read();
            if timeout::expired(self.world.timeouts.of(life.state()), life.last_seen(), now) {
                self.remove(number);
            }
        }
        drop(section);
    }

    /// The flows that a walk over the table shows: those of the inbound keys.
    fn walk(&self) -> Vec<usize> {
        let found = self.world.table.keys().filter_map(|key| {
            let number = self.world.table.lookup(key)?;
            (self.keys(number)[0] == key).then_some(number)
        });
        found.collect()
    }

    /// Deletes a destination and ends its connections.
    pub(crate) fn delete(&self, destination: usize) {
        let deleted = &self.world.destinations[destination];
        deleted.picked.store(false, Release);
        if !self.world.mistakes.cuts_at_once {
            self.world.rcu.synchronize();
        }
        deleted.cut.store(true, Relaxed);
        while self.cut_some() {}
        let section = self.world.rcu.read(self.number);
        for number in self.walk() {
            assert_ne!(
                self.world.flows[number].plan.destination, destination,
                "a connection of a deleted destination is left"
            );
        }
        drop(section);
    }

    fn config(&self) -> loom::sync::MutexGuard<'_, Config> {
        self.world.config.lock().expect("nothing panicked")
    }

    /// Deletes a destination, leaves its connections alone and does not wait.
    pub(crate) fn leave(&self, destination: usize) {
        let mut config = self.config();
        let deleted = &self.world.destinations[destination];
        deleted.picked.store(false, Release);
        config.published += 1;
        config.left_by[destination] = Some(config.published);
    }

    /// Adds a destination again that was deleted and not forgotten.
    pub(crate) fn come_back(&self, destination: usize) {
        let mut config = self.config();
        if config.left_by[destination].take().is_some() {
            let back = &self.world.destinations[destination];
            back.picked.store(true, Release);
        }
    }

    /// The periodic work settles changes, and forgets deleted destinations without connections.
    pub(crate) fn settle(&self) {
        let mistakes = self.world.mistakes;
        let mut settled = self.config().published;
        if !mistakes.settles_at_once {
            self.world.rcu.synchronize();
        }
        let mut config = self.config();
        if mistakes.settles_too_many {
            settled = config.published;
        }
        for (left_by, destination) in config.left_by.iter_mut().zip(&self.world.destinations) {
            let is_settled = left_by.is_some_and(|number| number <= settled);
            if is_settled && destination.counts.is_drained() {
                *left_by = None;
                destination.forgotten.store(true, SeqCst);
            }
        }
    }

    /// Ends the connections that a walk shows; false when it shows none.
    fn cut_some(&self) -> bool {
        let section = self.world.rcu.read(self.number);
        let mut found = self.walk();
        found.retain(|number| {
            let destination = self.world.flows[*number].plan.destination;
            self.world.destinations[destination].cut.load(Relaxed)
        });
        for number in &found {
            self.world.flows[*number].read();
            self.remove(*number);
        }
        drop(section);
        !found.is_empty()
    }

    /// The worker of the table moves all flows.
    pub(crate) fn resize(&self) {
        let unlink_first = self.world.mistakes.moves_unlink_first;
        self.world.table.resize(unlink_first);
    }
}

/// Nothing happens before.
pub(crate) fn nothing<F: Fault>(_: &Cpu<'_, F>) {}
