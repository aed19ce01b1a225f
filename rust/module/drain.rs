// SPDX-License-Identifier: GPL-2.0

//! Draining: when a destination's process can be stopped without a client noticing.
//!
//! A destination with weight 0, or one that was deleted, is given no new connections. It has
//! drained when nothing is in flight there. An entry in flight is one that has not ended on both
//! sides; the destination counts them exactly ([`Counts::open`]). But that is the state by packets,
//! and the process's socket may be in another, so the periodic walk looks the sockets up, of TCP
//! only:
//! - an entry that would be in flight and has no socket is over;
//! - one that has ended by its packets and still has its socket is in flight. A reset with a
//!   sequence number that the process did not take leaves such an entry.
//!
//! A connection that waits to be accepted has a socket, and so is in flight.
//!
//! A socket whose peer source NAT has changed is found by what connection tracking knows. Once that
//! has forgotten it, the connection is in flight until its packets or its timeout say otherwise.
//!
//! Where connections were not recorded, with the flag uncounted, it is not known.
//!
//! [`Counts::open`]: rlvs_core::connection::Counts::open

use rlvs_core::{address::Protocol, connection::timeout};
use rlvs_kext::net::Net;

use crate::{
    config::settled::Settled,
    family::IpFamily,
    service::Destination,
    sysctl::Sysctls,
    table::connection::{self, Entry},
};

/// Seconds without a packet before an entry without a socket is taken for over: the socket of a
/// handshake with a SYN cookie is made a moment after the entry has seen its last packet.
const QUIET: u32 = 2;

/// Whether the destination is given no new connections, but for those of templates.
#[inline]
pub(crate) fn is_draining(destination: &Destination) -> bool {
    destination.weight() == 0 || destination.is_deleted()
}

/// Returns how many connections would break if the destination's process ended; none where some are
/// not recorded.
pub(crate) fn in_flight(destination: &Destination, sysctls: &Sysctls) -> Option<u32> {
    if destination.has_unknown() {
        return None;
    }
    let counts = &destination.counts;
    // An entry that has ended leads the client's next connection there as well.
    if !sysctls.reschedules() {
        return Some(counts.connections());
    }
    let held = destination.drain.found().unwrap_or(0);
    Some(counts.open().saturating_add(held))
}

/// Returns `true` if the destination's process can be stopped. Under the configuration's mutex.
pub(crate) fn is_drained(destination: &Destination, sysctls: &Sysctls, settled: &Settled) -> bool {
    // A packet that is under way may have picked the destination and not been counted yet.
    let is_settled = settled.has(destination.left_by());
    if !is_draining(destination) || !is_settled || in_flight(destination, sysctls) != Some(0) {
        return false;
    }
    // The sockets of what has ended by its packets have to be looked up once.
    let is_known = destination.counts.connections() == 0
        || destination.service_key.protocol != Protocol::Tcp
        || destination.drain.found().is_some();
    // A deleted destination has no new connections by its templates either.
    let is_led_to = destination.templates() != 0
        && !destination.is_deleted()
        && !sysctls.expires_quiescent_templates();
    is_known && !is_led_to
}

/// Looks up the socket of an entry of a draining destination. Part of the periodic walk.
pub(crate) fn probe<A: IpFamily>(net: &Net, entry: &Entry<A>, now: u32) {
    let destination = entry.destination();
    if !is_draining(destination) || destination.service_key.protocol != Protocol::Tcp {
        return;
    }
    let state = entry.state();
    if state.is_finished() {
        if connection::is_alive(net, entry) {
            destination.drain.count();
        }
    } else if state.has_socket()
        && timeout::idle(entry.last_seen(), now) >= QUIET
        && !connection::may_be_alive(net, entry)
    {
        entry.close();
    }
}

/// Notes the end of a walk, which has seen every entry if it is `complete`. Under the
/// configuration's mutex.
pub(crate) fn walked(destination: &Destination, complete: bool) {
    // Progress of a destination that stopped draining was reset.
    if !is_draining(destination) {
        return;
    }
    destination.drain.walked(complete);
}
