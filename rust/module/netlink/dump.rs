// SPDX-License-Identifier: GPL-2.0

//! Dumps: lists that may need more than one message.

use kernel::prelude::*;
use rlvs_core::{
    address::{Protocol, V4, V6},
    config::Method,
    connection::state::{self, Timeouts, Tunable},
    schedule::Kind,
};
use rlvs_kext::{
    clock,
    genetlink::{DumpMessage, Nest, Record, Writer},
    net::Net,
    netns::Handle,
    uapi::{command, connection, destination, service},
};

use super::{nested_key, refuse, write_stats, Answer, SERVICE_TIMEOUTS};
use crate::config::Configured;
use crate::{
    drain, event,
    family::Family,
    presence::is_here,
    service::{timeouts::TimeoutSettings, Destination},
    state::{InState, State},
    table::{
        self,
        connection::{Connection, Entry},
        cursor::Walk,
        key,
        template::{self, Template},
    },
};
use rlvs_core::{address::Ip, refusal::Refusal};
use rlvs_kext::flow_table::NoReply;

type Connections<A> = Walk<<A as Ip>::Words, Connection<A>>;
type Templates<A> = Walk<<A as Ip>::Words, Template<A>, NoReply>;

/// Where a dump is.
#[derive(Default)]
pub(crate) struct Dump {
    /// Records of a list that were written.
    written: usize,
    connections4: Connections<V4>,
    connections6: Connections<V6>,
    templates4: Templates<V4>,
    templates6: Templates<V6>,
}

impl Dump {
    /// Writes what fits; true when that was the rest.
    pub(super) fn next<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Answer<'a, bool> {
        match out.command() {
            command::SERVICE_GET => self.services(ns, out),
            command::DESTINATION_GET => self.destinations(ns, out),
            command::CONNECTION_GET => Ok(connections::<V4>(&mut self.connections4, ns, out)?
                && connections::<V6>(&mut self.connections6, ns, out)?),
            command::TEMPLATE_GET => Ok(all_templates::<V4>(&mut self.templates4, ns, out)?
                && all_templates::<V6>(&mut self.templates6, ns, out)?),
            _ => Err(rlvs_kext::errno::not_supported().into()),
        }
    }

    fn services<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Answer<'a, bool> {
        let config = ns.state().config.lock();
        out.generation(config.generation());
        let services = config.services();
        Ok(out.records_as(
            command::SERVICE_GET,
            &mut self.written,
            services,
            |out, configured| write_service(out, configured, ns.net()),
        )?)
    }

    fn destinations<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Answer<'a, bool> {
        let key = nested_key(out.nested(destination::SERVICE, Nest::Service)?)?;
        let config = ns.state().config.lock();
        out.generation(config.generation());
        let configured = config
            .find(&key)
            .ok_or_else(|| refuse(Refusal::NoService))?;
        let destinations = &configured.destinations;
        let command = command::DESTINATION_GET;
        Ok(
            out.records_as(command, &mut self.written, destinations, |out, of| {
                write_destination(out, configured, of, ns)
            })?,
        )
    }
}

/// Writes entries of one family; true when that was the rest.
fn connections<'a, A: InState>(
    walk: &mut Connections<A>,
    ns: &Handle<'_, State>,
    out: &mut DumpMessage<'a>,
) -> Answer<'a, bool> {
    let timeouts = &ns.state().timeouts;
    let table = &A::tables(ns.state()).connections;
    let rest = walk.go_on(ns, table, |entry| {
        let record = out.record(|out| {
            write_connection(out, entry, timeouts)?;
            write_device(out, key::zone::<A, _, _>(table, entry))
        })?;
        Ok(record == Record::Written)
    });
    Ok(rest?)
}

/// The same for templates.
fn all_templates<'a, A: InState>(
    walk: &mut Templates<A>,
    ns: &Handle<'_, State>,
    out: &mut DumpMessage<'a>,
) -> Answer<'a, bool> {
    let table = &A::tables(ns.state()).templates;
    let rest = walk.go_on(ns, table, |template| {
        let record = out.record(|out| {
            write_template(out, template)?;
            write_device(out, key::zone::<A, _, _>(table, template))
        })?;
        Ok(record == Record::Written)
    });
    Ok(rest?)
}

/// Writes a service's attributes.
pub(super) fn write_service(out: &mut Writer<'_>, configured: &Configured, net: &Net) -> Result {
    let key = &configured.service.shared.key;
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
    write_stats(
        out,
        service::STATS,
        &service.shared.stats,
        service.steers_new(),
    )
}

/// Returns whether a process listens at a destination, on whichever device; none where only a
/// client's packet would show it.
fn is_listening(of: &Destination, net: &Net) -> Option<bool> {
    if of.service_key.protocol == Protocol::Sctp {
        return None;
    }
    let found = event::queue(net, of).is_some();
    (found || !of.key.address.is_unspecified()).then_some(found)
}

fn write_destination(
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
    write_stats(out, destination::STATS, &of.stats, steers)
}

/// Writes the device that distinguishes a client from others with its address, if one does.
fn write_device(out: &mut Writer<'_>, zone: u32) -> Result {
    match zone {
        0 => Ok(()),
        index => out.u32(connection::CLIENT_DEVICE, index),
    }
}

fn write_connection<A: Family>(
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
    let left = state::remaining(timeout, entry.last_seen(), now);
    out.u32(connection::EXPIRES, left)
}

fn write_template<A: Family>(
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
    let bond = template.bond();
    out.u32(connection::CONNECTIONS, bond.counts().connections())?;
    let seconds = template.destination().timeouts.persistence();
    out.u32(
        connection::EXPIRES,
        bond.remaining(seconds, clock::seconds()),
    )
}
