// SPDX-License-Identifier: GPL-2.0

//! Which destinations listen, of a service that has so many that a packet does not ask all.
//!
//! Packets remember some that they find listening ([`Heard`]). Where one has found none, the periodic
//! work asks all, so that the next one finds one if there is any.
//!
//! [`Heard`]: rlvs_core::heard::Heard

use kernel::sync::{rcu, Arc};
use rlvs_core::{address::Protocol, heard::MANY};
use rlvs_kext::{net::Net, task};

use crate::{
    event::queue,
    service::{Destination, Service},
};

/// Looks which destinations listen, if a packet of the service has asked for that. `destinations`
/// are those of its pool, in the same order. Under the configuration's mutex; may sleep. One step
/// for each destination.
pub(crate) fn look(net: &Net, service: &Service, destinations: &[Arc<Destination>]) {
    if !service.pool(&rcu::read_lock()).wants_listeners() {
        return;
    }
    let hear = |index: usize| {
        if let Some(destination) = destinations.get(index) {
            let listens = listens(net, destination);
            service.pool(&rcu::read_lock()).hear(index, listens);
        }
        task::cond_resched();
    };
    let heard = |place| service.pool(&rcu::read_lock()).heard(place);
    (0..MANY).filter_map(heard).for_each(hear);
    for index in 0..destinations.len() {
        // One place is for all whose numbers leave the same rest.
        if index.checked_rem(MANY).and_then(heard).is_none() {
            hear(index);
        }
    }
}

/// Whether a destination may get new connections, and a process listens there as far as that can be
/// known.
fn listens(net: &Net, destination: &Destination) -> bool {
    let is_unknown = destination.service_key.protocol == Protocol::Sctp;
    destination.takes_new() && (is_unknown || queue(net, destination).is_some())
}
