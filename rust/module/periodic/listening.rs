// SPDX-License-Identifier: GPL-2.0

//! Which destinations listen, of a service that has too many for a packet to look at all.
//!
//! The pool remembers some that packets have found listening ([`Heard`]). After a packet has found
//! none, the periodic work looks at all, so that the next one finds one if there is any.
//!
//! [`Heard`]: rlvs_core::heard::Heard

use kernel::sync::{rcu, Arc};
use rlvs_core::{address::Protocol, heard::MANY};
use rlvs_kext::{net::Net, task};

use crate::{
    event::queue,
    service::{Destination, Service},
};

/// Looks up which destinations listen, if a packet of the service has asked for that.
/// `destinations` are those of its pool, in the same order. Must be called with the configuration's
/// mutex held; may sleep. One socket lookup for each destination.
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
        // A place is that of every destination whose index has the same remainder.
        if index.checked_rem(MANY).and_then(heard).is_none() {
            hear(index);
        }
    }
}

/// Returns `true` if a destination may get new connections, and a process listens there as far as
/// that can be known.
fn listens(net: &Net, destination: &Destination) -> bool {
    let is_unknown = destination.service_key.protocol == Protocol::Sctp;
    destination.takes_new() && (is_unknown || queue(net, destination).is_some())
}
