// SPDX-License-Identifier: GPL-2.0

//! Deleted destinations that have connections, or may get some of packets that are under way.

use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
    sync::Arc,
};
use rlvs_core::{
    address::Address,
    config::{DestinationKey, ServiceKey},
};

use rlvs_kext::memory::KEPT;

use crate::service::Destination;

/// The order of the destinations: service, own key, and a number that is unique in the service. A
/// service that is added again continues the numbers while a destination of it is here.
type Key = (ServiceKey, DestinationKey, u32);

/// The lowest key of a destination.
const LOWEST: DestinationKey = DestinationKey {
    address: Address::V4([0; 4]),
    port: 0,
};

fn key_of(destination: &Destination) -> Key {
    let number = destination.counts.observer().number();
    (destination.service_key, destination.key, number)
}

/// The deleted destinations of a namespace that may have connections, by their services.
/// Guarded by: the config mutex.
pub(crate) struct Lingering {
    tree: RBTree<Key, Arc<Destination>>,
    len: usize,
}

/// Memory for destinations that are about to be deleted.
pub(crate) struct Room(KVVec<RBTreeNodeReservation<Key, Arc<Destination>>>);

impl Room {
    /// Allocates nodes for `count` destinations. May sleep.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let mut nodes = KVVec::with_capacity(count, KEPT)?;
        for _ in 0..count {
            nodes.push(RBTreeNodeReservation::new(KEPT)?, KEPT)?;
        }
        Ok(Self(nodes))
    }
}

impl Lingering {
    pub(crate) fn new() -> Self {
        Self {
            tree: RBTree::new(),
            len: 0,
        }
    }

    /// Returns the number of destinations.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Returns all of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Destination>> {
        self.tree.iter().map(|(_, destination)| destination)
    }

    /// Returns the deleted destinations of this service.
    pub(crate) fn of(&self, service: ServiceKey) -> impl Iterator<Item = Arc<Destination>> + '_ {
        let from = self.from((service, LOWEST, 0));
        from.take_while(move |d| d.service_key == service)
    }

    /// Returns the deleted destinations of this service that have this key.
    pub(crate) fn at(
        &self,
        service: ServiceKey,
        key: DestinationKey,
    ) -> impl Iterator<Item = Arc<Destination>> + '_ {
        let from = self.from((service, key, 0));
        from.take_while(move |d| d.service_key == service && d.key == key)
    }

    /// Returns those from this place on.
    fn from(&self, place: Key) -> impl Iterator<Item = Arc<Destination>> + '_ {
        let mut next = Some(place);
        core::iter::from_fn(move || {
            let cursor = self.tree.cursor_lower_bound(&next?)?;
            let ((service, key, number), destination) = cursor.current();
            next = number.checked_add(1).map(|next| (*service, *key, next));
            Some(destination.clone())
        })
    }

    /// Adds a destination, with one of the preallocated nodes; does nothing without one.
    pub(crate) fn add(&mut self, destination: &Arc<Destination>, room: &mut Room) {
        if let Some(node) = room.0.pop() {
            let node = node.into_node(key_of(destination), destination.clone());
            if self.tree.insert(node).is_none() {
                self.len = self.len.saturating_add(1);
            }
        }
    }

    /// Removes a destination that is added to its service again.
    pub(crate) fn remove(&mut self, destination: &Destination) {
        if self.tree.remove(&key_of(destination)).is_some() {
            self.len = self.len.saturating_sub(1);
        }
    }

    /// Drops those without connections for which `is_settled` returns `true`: no packet under way
    /// is about to give them one. Returns `true` if there were any.
    pub(crate) fn forget_drained(&mut self, is_settled: impl Fn(&Destination) -> bool) -> bool {
        let mut found = false;
        let mut cursor = self.tree.cursor_front_mut();
        while let Some(here) = cursor {
            let destination = here.current().1;
            if !is_settled(destination) || !destination.counts.is_drained() {
                cursor = here.move_next();
                continue;
            }
            found = true;
            // After the last one is removed the cursor is at the one before it, which is visited
            // twice.
            cursor = here.remove_current().0;
            self.len = self.len.saturating_sub(1);
        }
        found
    }
}
