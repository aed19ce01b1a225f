// SPDX-License-Identifier: GPL-2.0

//! Events: changes of destinations, sent to the netlink group.
//!
//! Once a second the periodic work compares every destination with what was reported of it last,
//! and sends what has changed. Packets send nothing: they note it in the destination
//! ([`Reported`](crate::service::Destination::reported)), and the next comparison takes the note,
//! so that a destination has a few messages a second at most, whatever its packets do. Without a
//! listener no socket is looked up and nothing is sent.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    address::{Address, Protocol},
    notice::{Condition, Notice},
};
use rlvs_kext::{
    genetlink,
    net::Net,
    netns::Handle,
    sock::{Ends, Listener},
    task,
    uapi::{command, event, service},
};

use crate::{config::listeners::Listeners, drain, service::Destination, state::State};

/// Bytes of the attributes of an event: less than 100 for IPv6.
const ROOM: u32 = 128;

/// Bytes of memory that a datagram of a full Ethernet frame takes: a UDP socket with less room than
/// that is full.
const DATAGRAM: u32 = 2304;

/// Sends what has changed of these destinations. Must be called with the configuration's mutex
/// held, once a second; may sleep.
pub(crate) fn report_all<'a>(
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
            destination.reported.forget(destination.is_deleted());
        }
        // A new listener gets the condition of every destination, but not of deleted ones.
        report(ns, destination, is_new && !destination.is_deleted());
        let retried = destination.reported.take_retried();
        if retried != 0 {
            notify(ns.net(), destination, Notice::Retried, |out| {
                out.u32(event::COUNT, retried)
            });
        }
        task::cond_resched();
    }
}

/// Sends what has changed of a destination. Must be called with the configuration's mutex held; may
/// sleep.
pub(crate) fn report_changes(ns: &Handle<'_, State>, destination: &Destination) {
    report(ns, destination, false);
}

/// Sends what has changed of a destination; with `anew`, also what was reported before a listener
/// joined.
fn report(ns: &Handle<'_, State>, destination: &Destination, anew: bool) {
    let now = condition(ns, destination);
    let reported = destination.reported.report(now);
    let send = |notice| {
        let in_flight = drain::in_flight(destination, &ns.state().sysctls);
        notify(ns.net(), destination, notice, |out| match notice {
            Notice::Draining => in_flight.map_or(Ok(()), |n| out.u32(event::IN_FLIGHT, n)),
            _ => Ok(()),
        });
    };
    if anew {
        reported.changes_anew(now).for_each(send);
    } else {
        reported.changes(now).for_each(send);
    }
}

/// Returns the condition of a destination, and takes the note of a full queue.
fn condition(ns: &Handle<'_, State>, destination: &Destination) -> Condition {
    let mut condition = Condition {
        draining: drain::is_draining(destination),
        drained: drain::is_drained(destination, &ns.state().sysctls, &ns.state().settled),
        ..Condition::default()
    };
    // A socket on its port has nothing to do with the service any more.
    if destination.is_deleted() {
        return condition;
    }
    let is_noted = destination.reported.take_overload();
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

/// Returns the socket that a destination's packets get to, on whichever device; `None` while its
/// address is not the host's. Must not be asked of SCTP, whose sockets are not known here.
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

/// Returns `true` if the socket would drop what comes next.
fn is_full(protocol: Protocol, listener: Listener) -> bool {
    let next = match protocol {
        Protocol::Udp => DATAGRAM,
        // As many as the limit says, and one more (sk_acceptq_is_full()).
        Protocol::Tcp | Protocol::Sctp => 0,
    };
    listener.queued.saturating_add(next) > listener.limit
}

/// Sends an event to the listeners. `more` writes the attributes of this notice. May sleep.
fn notify(
    net: &Net,
    of: &Destination,
    notice: Notice,
    more: impl FnOnce(&mut genetlink::Writer<'_>) -> Result,
) {
    // Without a listener there is no error to report, and a listener whose buffer is full gets
    // ENOBUFS from its socket.
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
