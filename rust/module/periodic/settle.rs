// SPDX-License-Identifier: GPL-2.0

//! What is done after the walk over the connections, once a second: sends events, and frees what
//! nothing needs any more.

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::netns::Handle;

use super::listening;
use crate::{
    config::{settled::Settled, Config, Configured},
    drain, event,
    service::Destination,
    state::State,
};

/// Sends events about the destinations, and drops those that are gone. Must be called after the
/// periodic walk over the connections, which has visited all of them if it is `complete`. May
/// sleep.
pub(super) fn walked(config: &mut Config, ns: &Handle<'_, State>, complete: bool) {
    let Config {
        services,
        lingering,
        listeners,
        ..
    } = config;
    let all = || {
        let listed = services.iter().flat_map(|c| c.destinations.iter());
        Iterator::chain(listed, lingering.iter())
    };
    for destination in all() {
        drain::walked(destination, complete);
    }
    event::report_all(ns, listeners, all());
    for configured in services.iter() {
        let service = &configured.service;
        listening::look(ns.net(), service, &configured.destinations);
        let is_over = !service.steers_new() && configured.has_switched(&ns.state().settled);
        if is_over && service.steers() {
            service.end_steering();
        }
    }
    forget_drained(config, ns.state());
    if config.totals.has_left() {
        let lingering = &config.lingering;
        config.totals.forget(|key, stats| {
            let mut of = lingering.of(*key);
            of.any(|d| Arc::ptr_eq(&d.service_stats, stats))
        });
    }
}

/// Drops deleted destinations without connections, and ports that nothing has. May sleep.
fn forget_drained(config: &mut Config, state: &State) {
    let settled = &state.settled;
    config.stale_ports |= config.lingering.forget_drained(|d| is_settled(d, settled));
    if !config.stale_ports {
        return;
    }
    // Connections outlive their service, and its method: their ports are needed while there are
    // connections, and while packets under way may make some.
    let may_have = |d: &Destination| d.has_entries() || !is_settled(d, settled);
    let left = || config.lingering.iter().filter(|d| may_have(d));
    let listed = config.services.iter().filter(|c| c.has_entries(settled));
    let listed = listed.map(|c| c.service.key.port);
    let services = Iterator::chain(listed, left().map(|d| d.service_key.port));
    let listed = config.services.iter().flat_map(|c| {
        let all = c.makes_entries(settled);
        let of = c.destinations.iter();
        of.filter(move |d| all || d.has_entries())
    });
    let destinations = Iterator::chain(listed, left()).map(|d| d.key.port);
    let steered = config.services.iter().filter(|c| c.service.steers());
    let steered = steered.map(|c| c.service.key.port);
    let all = config.services.iter().flat_map(|c| c.destinations.iter());
    let private = all.filter(|d| d.is_private()).map(|d| d.key.port);
    let writer = &config.ports;
    // Short of memory, the sets stay too large until the next time.
    let stale = state.service_ports.clear_and_add(services, writer).is_err()
        || state.steered_ports.clear_and_add(steered, writer).is_err()
        || state
            .destination_ports
            .clear_and_add(destinations, writer)
            .is_err()
        || state
            .watched_ports
            .unite(
                [&state.service_ports, &state.destination_ports],
                private,
                writer,
            )
            .is_err();
    // Ports become stale also while their service, or other connections of their destination, go
    // on.
    let switches = |c: &KBox<Configured>| {
        !c.has_switched(settled) || c.service.steers_new() && c.has_entries(settled)
    };
    config.stale_ports = stale || left().count() != 0 || config.services.iter().any(switches);
}

/// Returns `true` if no packet under way may give a connection to a destination that gets none any
/// more.
fn is_settled(destination: &Destination, settled: &Settled) -> bool {
    settled.has(destination.left_by())
}
