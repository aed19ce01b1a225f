// SPDX-License-Identifier: GPL-2.0

//! Services, destinations, connections and templates as attributes.

use kernel::prelude::*;
use rlvs_core::{
    address::Protocol,
    config::Method,
    connection::timeout::{self, Timeouts, Tunable},
    schedule::Kind,
};
use rlvs_kext::{
    clock,
    genetlink::Writer,
    net::Net,
    netns::Handle,
    uapi::{connection, destination, service, stats},
};

use crate::{
    config::Configured,
    drain, event,
    family::IpFamily,
    presence::is_here,
    service::{timeouts::TimeoutSettings, Destination},
    state::State,
    stats::{Stats, Traffic},
    table::{self, connection::Entry, template},
};

/// The attributes with the timeouts of a service, in the order of [`Tunable::ALL`].
pub(super) const SERVICE_TIMEOUTS: [u16; Tunable::ALL.len()] = [
    service::TIMEOUT_TCP,
    service::TIMEOUT_FIN,
    service::TIMEOUT_UDP,
];

/// Writes a service's attributes.
pub(super) fn service(out: &mut Writer<'_>, configured: &Configured, net: &Net) -> Result {
    let key = &configured.service.key;
    out.u8(service::PROTOCOL, key.protocol.number())?;
    out.bytes(service::ADDRESS, key.address.octets())?;
    out.u16_be(service::PORT, key.port)?;
    let settings = &configured.settings;
    out.string(service::SCHEDULER, settings.kind.name())?;
    out.u32(service::FLAGS, settings.flags.bits())?;
    if settings.kind == Kind::Mh {
        out.u32(service::TABLE_SIZE, settings.table.slots())?;
    }
    out.u32(
        service::DESTINATIONS,
        u32::try_from(configured.destinations.len())?,
    )?;
    let persistence = settings.persistence;
    if persistence.seconds() != 0 {
        let prefix = persistence.prefix(key.address.family());
        out.u32(service::PERSISTENT, persistence.seconds())?;
        out.u8(service::PERSISTENT_PREFIX, prefix)?;
    }
    if !settings.slow_start.is_off() {
        out.u32(service::SLOW_START, settings.slow_start.seconds())?;
    }
    for (id, tunable) in SERVICE_TIMEOUTS.into_iter().zip(Tunable::ALL) {
        out.u32(id, configured.service.shared.timeouts.get(tunable))?;
    }
    if let Some(here) = is_here(net, &key.address, true) {
        out.u8(service::HERE, u8::from(here))?;
    }
    let service = &configured.service;
    stats(
        out,
        service::STATS,
        &service.shared.stats,
        service.steers_new(),
    )
}

/// Returns whether a process listens at a destination, on whichever device; `None` where only a
/// client's packet would show it.
fn is_listening(of: &Destination, net: &Net) -> Option<bool> {
    if of.service_key.protocol == Protocol::Sctp {
        return None;
    }
    let found = event::queue(net, of).is_some();
    (found || !of.key.address.is_unspecified()).then_some(found)
}

pub(super) fn destination(
    out: &mut Writer<'_>,
    with: &Configured,
    of: &Destination,
    ns: &Handle<'_, State>,
) -> Result {
    let state = ns.state();
    let steers = with.service.steers_new();
    let in_use = if steers { Method::Steer } else { Method::Nat };
    out.bytes(destination::ADDRESS, of.key.address.octets())?;
    out.u16_be(destination::PORT, of.key.port)?;
    out.u8(destination::METHOD, in_use.number())?;
    out.u8(destination::REQUESTED_METHOD, of.method().number())?;
    out.u32(destination::WEIGHT, u32::from(of.weight()))?;
    if !of.is_uncounted() {
        out.u32(destination::ACTIVE_CONNECTIONS, of.counts.active())?;
        out.u32(destination::INACTIVE_CONNECTIONS, of.counts.inactive())?;
    }
    out.u32(destination::MAX_CONNECTIONS, of.thresholds().upper())?;
    out.u32(destination::MIN_CONNECTIONS, of.thresholds().lower())?;
    out.u32(destination::TEMPLATES, of.templates())?;
    if let Some(here) = of.is_here(ns.net()) {
        out.u8(destination::HERE, u8::from(here))?;
    }
    if let Some(listening) = is_listening(of, ns.net()) {
        out.u8(destination::LISTENING, u8::from(listening))?;
    }
    out.u8(destination::PRIVATE, u8::from(of.is_private()))?;
    if let Some(user) = of.user() {
        out.u32(destination::USER, ns.net().number_of(user))?;
    }
    if let Some(in_flight) = drain::in_flight(of, &state.sysctls) {
        out.u32(destination::IN_FLIGHT, in_flight)?;
    }
    if drain::is_drained(of, &state.sysctls, &state.settled) {
        out.flag(destination::DRAINED)?;
    }
    stats(out, destination::STATS, &of.stats, steers)
}

/// Writes the device that distinguishes a client from others with its address, if one does.
pub(super) fn device(out: &mut Writer<'_>, zone: u32) -> Result {
    match zone {
        0 => Ok(()),
        index => out.u32(connection::CLIENT_DEVICE, index),
    }
}

pub(super) fn connection<A: IpFamily>(
    out: &mut Writer<'_>,
    entry: &Entry<A>,
    namespace: &TimeoutSettings,
) -> Result {
    let (protocol, client, service) = table::connection::inbound(entry);
    let end = table::connection::destination(entry);
    let state = entry.state();
    out.u8(connection::PROTOCOL, protocol.number())?;
    out.bytes(connection::CLIENT_ADDRESS, client.address.octets())?;
    out.u16_be(connection::CLIENT_PORT, client.port)?;
    out.bytes(connection::SERVICE_ADDRESS, service.address.octets())?;
    out.u16_be(connection::SERVICE_PORT, service.port)?;
    out.bytes(connection::DESTINATION_ADDRESS, end.address.octets())?;
    out.u16_be(connection::DESTINATION_PORT, end.port)?;
    out.u8(connection::STATE, state.to_bits())?;
    let now = clock::seconds();
    let timeout = table::connection::timeout(entry, &Timeouts::default(), namespace);
    let left = timeout::remaining(timeout, entry.last_seen(), now);
    out.u32(connection::EXPIRES, left)
}

pub(super) fn template<A: IpFamily>(
    out: &mut Writer<'_>,
    template: &template::TemplateEntry<A>,
) -> Result {
    let (protocol, network, service) = template::key(template);
    let end = template.destination().end(service.address);
    out.u8(connection::PROTOCOL, protocol.number())?;
    out.bytes(connection::CLIENT_ADDRESS, network.octets())?;
    out.u8(connection::CLIENT_PREFIX, template.prefix())?;
    out.bytes(connection::SERVICE_ADDRESS, service.address.octets())?;
    out.u16_be(connection::SERVICE_PORT, service.port)?;
    out.bytes(connection::DESTINATION_ADDRESS, end.address.octets())?;
    out.u16_be(connection::DESTINATION_PORT, end.port)?;
    let template_ref = template.template_ref();
    out.u32(connection::CONNECTIONS, template_ref.counts().connections())?;
    let seconds = template.destination().timeouts.persistence();
    out.u32(
        connection::EXPIRES,
        template_ref.remaining(seconds, clock::seconds()),
    )
}

/// Writes the statistics of a service or destination into the nest `id`: only the connections if
/// the service `steers`, as its packets are not counted.
fn stats(out: &mut Writer<'_>, id: u16, of: &Stats, steers: bool) -> Result {
    let totals = of.totals();
    out.nest(id, |out| {
        out.uint(stats::CONNECTIONS, totals.get(Traffic::Connections))?;
        out.uint(stats::AVOIDED, totals.get(Traffic::Avoided))?;
        if steers {
            return Ok(());
        }
        for (id, which) in [
            (stats::IN_PACKETS, Traffic::InPackets),
            (stats::OUT_PACKETS, Traffic::OutPackets),
            (stats::IN_BYTES, Traffic::InBytes),
            (stats::OUT_BYTES, Traffic::OutBytes),
        ] {
            out.uint(id, totals.get(which))?;
        }
        Ok(())
    })
}
