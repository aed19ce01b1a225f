// SPDX-License-Identifier: GPL-2.0

//! Events: what becomes of destinations is told to those who have joined the netlink group.
//!
//! Once a second the periodic work looks at every destination and tells what has changed since it
//! last did. Packets send nothing: they leave a note in the destination, which the next look
//! takes, so that a destination has a few messages a second at most, whatever its packets do.
//! Nobody is asked anything, and nothing is sent, while nobody listens.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    address::{Address, Protocol},
    notice::{Condition, Notice},
};
use rlvs_kext::{
    genetlink,
    net::{Ends, Listener, Net},
    netns::Handle,
    task,
    uapi::{command, event, service},
};

use crate::{config::listeners::Listeners, drain, service::Destination, state::State};

/// Bytes of the attributes of an event: less than 100 for IPv6.
const ROOM: u32 = 128;

/// Bytes of memory that a datagram of a full Ethernet frame takes: a UDP socket with less room than
/// that is full.
const DATAGRAM: u32 = 2304;

/// Looks at these destinations and tells what has changed. Under the configuration's mutex, once a
/// second; may sleep.
pub(crate) fn look_at_all<'a>(
    ns: &Handle<'_, State>,
    listeners: &mut Listeners,
    destinations: impl Iterator<Item = &'a Arc<Destination>>,
) {
    let were_present = listeners.are_present();
    let is_new = listeners.look(ns.net());
    if !listeners.are_present() {
        return;
    }
    for destination in destinations {
        if !were_present {
            destination.notes.forget(destination.is_deleted());
        }
        // One that was deleted is nothing that a newcomer has to hear of.
        tell_changes(ns, destination, is_new && !destination.is_deleted());
        let retried = destination.notes.take_retried();
        if retried != 0 {
            tell(ns.net(), destination, Notice::Retried, |out| {
                out.u32(event::COUNT, retried)
            });
        }
        task::cond_resched();
    }
}

/// Looks at a destination and tells what has changed. Under the configuration's mutex; may sleep.
pub(crate) fn look_at(ns: &Handle<'_, State>, destination: &Destination) {
    tell_changes(ns, destination, false);
}

/// The same; with `anew`, also to somebody who was told nothing yet.
fn tell_changes(ns: &Handle<'_, State>, destination: &Destination, anew: bool) {
    let now = condition(ns, destination);
    let told = destination.notes.report(now);
    let tell_it = |notice| {
        let in_flight = drain::in_flight(destination, &ns.state().sysctls);
        tell(ns.net(), destination, notice, |out| match notice {
            Notice::Draining => in_flight.map_or(Ok(()), |n| out.u32(event::IN_FLIGHT, n)),
            _ => Ok(()),
        });
    };
    if anew {
        told.changes_anew(now).for_each(tell_it);
    } else {
        told.changes(now).for_each(tell_it);
    }
}

/// What a destination is like now.
fn condition(ns: &Handle<'_, State>, destination: &Destination) -> Condition {
    let mut condition = Condition {
        draining: drain::is_draining(destination),
        drained: drain::is_drained(destination, &ns.state().sysctls, &ns.state().settled),
        ..Condition::default()
    };
    // Whether anybody listens on its port is not the service's business any more.
    if destination.is_deleted() {
        return condition;
    }
    let is_noted = destination.notes.take_overload();
    condition.overloaded = is_noted || destination.is_full();
    let protocol = destination.service_key.protocol;
    // SCTP's sockets are not known here.
    if protocol != Protocol::Sctp {
        match queue(ns.net(), destination) {
            Some(listener) => condition.overloaded |= is_full(protocol, listener),
            None => condition.down = true,
        }
    }
    condition
}

/// The socket that a destination's packets get to, on whichever device: none while its address is
/// not the host's. Not of SCTP.
pub(crate) fn queue(net: &Net, destination: &Destination) -> Option<Listener> {
    if destination.is_here(net) == Some(false) {
        return None;
    }
    let port = destination.key.port;
    let ends = match &destination.key.address {
        Address::V4(octets) => Ends::v4((octets, port), (&[0; 4], 0)),
        Address::V6(octets) => Ends::v6((octets, port), (&[0; 16], 0)),
    };
    net.any_queue(&ends, destination.service_key.protocol == Protocol::Udp)
        .filter(|listener| destination.is_meant(listener))
}

/// Whether the socket would drop what comes next.
fn is_full(protocol: Protocol, listener: Listener) -> bool {
    let next = match protocol {
        Protocol::Udp => DATAGRAM,
        // As many as the limit says, and one more (sk_acceptq_is_full()).
        Protocol::Tcp | Protocol::Sctp => 0,
    };
    listener.queued.saturating_add(next) > listener.limit
}

/// Tells all who listen. `more` writes what belongs to the notice. May sleep.
fn tell(
    net: &Net,
    of: &Destination,
    notice: Notice,
    more: impl FnOnce(&mut genetlink::Writer<'_>) -> Result,
) {
    // Who has left is not to be told, and who is behind hears from the kernel that it has lost
    // messages.
    let _ = genetlink::multicast(net, command::EVENT, ROOM, |out| {
        out.u8(event::TYPE, notice.number())?;
        out.nest(event::SERVICE, |out| {
            let key = &of.service_key;
            out.u8(service::PROTOCOL, key.protocol.number())?;
            out.bytes(service::ADDRESS, key.address.octets())?;
            out.u16_be(service::PORT, key.port)
        })?;
        out.bytes(event::ADDRESS, of.key.address.octets())?;
        out.u16_be(event::PORT, of.key.port)?;
        more(out)
    });
}
