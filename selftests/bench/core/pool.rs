// SPDX-License-Identifier: GPL-2.0

//! Destinations of a service under a steady load.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use rlvs_core::{
    address::{Address, Endpoint},
    schedule::{Destinations, Memory, Request},
};

/// Connections that each destination has on average.
const LOAD: usize = 4;

/// What `ovf` takes for the connections that a destination may have: there is always room.
const WEIGHT: u16 = 8;

/// Memory of the host.
pub(crate) struct Host;

impl Memory for Host {
    type Slice<T: Copy> = Vec<T>;

    fn filled<T: Copy>(value: T, len: usize) -> Option<Vec<T>> {
        Some(vec![value; len])
    }
}

/// Destinations of equal weight. For each new connection the oldest one ends, so that schedulers
/// that follow the load have as much to follow as in a host at work.
pub(crate) struct Pool {
    active: Vec<Cell<u32>>,
    /// The destinations of all connections, the oldest first.
    connections: RefCell<VecDeque<usize>>,
    changed: RefCell<Vec<usize>>,
    /// The state of a generator of numbers that look random: clients must differ.
    random: Cell<u32>,
}

impl Pool {
    /// So many destinations, each with as many connections as the next one.
    pub(crate) fn new(len: u16) -> Self {
        let len = usize::from(len);
        let load = u32::try_from(LOAD).expect("it is small");
        Self {
            active: vec![Cell::new(load); len],
            connections: RefCell::new((0..len * LOAD).map(|number| number % len).collect()),
            changed: RefCell::default(),
            random: Cell::new(1),
        }
    }

    /// Another client's first packet.
    pub(crate) fn request(&self) -> Request {
        let first = self.next();
        Request {
            client: Endpoint {
                address: Address::V4(first.to_be_bytes()),
                port: 50000,
            },
            service: Endpoint {
                address: Address::V4([192, 0, 2, 1]),
                port: 80,
            },
            now: 1000,
            random: [first, self.next()],
        }
    }

    /// A connection begins at this destination, and the oldest one of all ends.
    pub(crate) fn connect(&self, index: usize) {
        let mut connections = self.connections.borrow_mut();
        connections.push_back(index);
        let ended = connections.pop_front().expect("there is one at least");
        let mut changed = self.changed.borrow_mut();
        // Only some schedulers ask for it; the others must not pay for a list without end.
        changed.clear();
        self.active[index].set(self.active[index].get() + 1);
        self.active[ended].set(self.active[ended].get() - 1);
        changed.extend([index, ended]);
    }

    /// Marsaglia's xorshift with the shifts 13, 17 and 5.
    fn next(&self) -> u32 {
        let mut number = self.random.get();
        number ^= number << 13;
        number ^= number >> 17;
        number ^= number << 5;
        self.random.set(number);
        number
    }
}

impl Destinations for Pool {
    fn len(&self) -> usize {
        self.active.len()
    }

    fn id(&self, index: usize) -> u32 {
        u32::try_from(index).expect("there are few")
    }

    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>> {
        (index < self.len()).then(|| Endpoint {
            address: Address::V4([192, 0, 2, 1]),
            port: 8001 + u16::try_from(index).expect("there are few"),
        })
    }

    fn weight(&self, _index: usize) -> u16 {
        WEIGHT
    }

    fn last_weight(&self, _index: usize) -> u16 {
        WEIGHT
    }

    fn active(&self, index: usize) -> u32 {
        self.active.get(index).map_or(0, Cell::get)
    }

    fn inactive(&self, _index: usize) -> u32 {
        0
    }

    fn full(&self, _index: usize) -> bool {
        false
    }

    fn queue(&self, _index: usize) -> Option<u32> {
        Some(0)
    }

    fn tried(&self, _index: usize) -> bool {
        false
    }

    fn take_changed(&self, each: impl FnMut(usize)) {
        self.changed.borrow_mut().drain(..).for_each(each);
    }
}
