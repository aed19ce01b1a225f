// SPDX-License-Identifier: GPL-2.0

//! Destinations and memory for tests.

use std::{vec, vec::Vec};

use super::*;
use crate::address::{Address, Endpoint};

/// Memory of the host.
pub(crate) struct Host;

impl Memory for Host {
    type Slice<T: Copy> = Vec<T>;

    fn filled<T: Copy>(value: T, len: usize) -> Option<Vec<T>> {
        Some(vec![value; len])
    }
}

/// Destinations, each on 192.0.2.1 and port 8001 plus its number.
pub(crate) struct Pool {
    /// Weight, active and inactive connections.
    pub(crate) loads: Vec<(u16, u32, u32)>,
    pub(crate) last_weights: Vec<u16>,
    /// What waits there; none of those that are missing.
    pub(crate) queues: Vec<Option<u32>>,
}

impl Pool {
    /// Destinations that have always had their weights.
    pub(crate) fn new(loads: &[(u16, u32, u32)]) -> Self {
        Self {
            loads: loads.to_vec(),
            last_weights: loads.iter().map(|load| load.0).collect(),
            queues: Vec::new(),
        }
    }

    fn at(&self, index: usize) -> (u16, u32, u32) {
        self.loads.get(index).copied().unwrap_or_default()
    }
}

impl Destinations for Pool {
    fn len(&self) -> usize {
        self.loads.len()
    }

    fn id(&self, index: usize) -> u32 {
        u32::try_from(index).unwrap()
    }

    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>> {
        (index < self.len()).then(|| Endpoint {
            address: Address::V4([192, 0, 2, 1]),
            port: 8001 + u16::try_from(index).unwrap(),
        })
    }

    fn weight(&self, index: usize) -> u16 {
        self.at(index).0
    }

    fn last_weight(&self, index: usize) -> u16 {
        self.last_weights.get(index).copied().unwrap_or(0)
    }

    fn active(&self, index: usize) -> u32 {
        self.at(index).1
    }

    fn inactive(&self, index: usize) -> u32 {
        self.at(index).2
    }

    fn full(&self, _index: usize) -> bool {
        false
    }

    fn queue(&self, index: usize) -> Option<u32> {
        self.queues.get(index).copied().unwrap_or(Some(0))
    }

    fn tried(&self, _index: usize) -> bool {
        false
    }

    fn take_changed(&self, each: impl FnMut(usize)) {
        (0..self.len()).for_each(each);
    }
}

/// A packet from `address` and `port` to 192.0.2.1:80.
pub(crate) fn request(address: Address, port: u16) -> Request {
    Request {
        client: Endpoint { address, port },
        service: Endpoint {
            address: Address::V4([192, 0, 2, 1]),
            port: 80,
        },
        now: 1000,
        random: [0; 2],
    }
}

/// A scheduler without flags for the destinations.
pub(crate) fn scheduler(kind: Kind, pool: &Pool) -> Scheduler<Host> {
    Scheduler::new(&Settings::new(kind), pool).expect("it can be made")
}
