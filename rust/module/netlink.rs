// SPDX-License-Identifier: GPL-2.0

//! Netlink requests: from attributes to the configuration, and back.
//!
//! A request is read and checked as a whole, then carried out under the configuration's mutex
//! ([`config`]); dumps are in [`dump`]. Refusals have their texts in `rlvs_core::refusal`.

use kernel::prelude::*;
use rlvs_core::{
    address::{self, Address, PortRange, Protocol},
    config::{check_destination, Method, ServiceKey},
    connection::state::Tunable,
    persistence,
    refusal::{Errno, Refusal},
    schedule::{threshold::Thresholds, Change, Kind},
};
use rlvs_kext::{
    errno,
    genetlink::{self, Attribute, Attributes, DumpMessage, Family, Name, Nest, Request, Writer},
    net::{self, Net},
    netns::Handle,
    rcu::Pace,
    uapi::{command, counters, destination, service, stats, timeouts},
    user::User,
};

use crate::{
    change::{
        abort::Cut,
        edit::{Edit, Failure, Range},
        Transaction, Unsettled,
    },
    presence::is_here,
    service::{timeouts::TimeoutChange, DestinationSettings},
    state::State,
    stats::{Event, Stats, Traffic},
};

mod dump;

/// The attributes with the timeouts of a service, in the order of [`Tunable::ALL`].
const SERVICE_TIMEOUTS: [u16; Tunable::ALL.len()] = [
    service::TIMEOUT_TCP,
    service::TIMEOUT_FIN,
    service::TIMEOUT_UDP,
];

/// Those with the timeouts of a namespace, in the same order.
const TIMEOUTS: [u16; Tunable::ALL.len()] = [timeouts::TCP, timeouts::TCP_FIN, timeouts::UDP];

/// What is said of a service that was added, and of a destination, whose address is not the host's.
const SERVICE_ELSEWHERE: &CStr =
    c"the address is not one of this host: until it is, packets to it are left alone";
const DESTINATION_ELSEWHERE: &CStr =
    c"the address is not one of this host: until it is, the destination gets no connections";

pub(crate) type Answer<'a, T = ()> = Result<T, genetlink::Refusal<'a>>;

/// The module's own family.
pub(crate) struct Rlvs;

impl Family for Rlvs {
    const NAME: Name = Name::Rlvs;

    type State = State;
    type Dump = dump::Dump;

    fn request<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
        match request.command() {
            command::SERVICE_ADD => add_service(ns, request),
            command::SERVICE_SET => set_service(ns, request),
            command::SERVICE_DEL => delete_service(ns, request),
            command::SERVICE_ZERO => zero(ns, request),
            command::SERVICE_GET => get_service(ns, request),
            command::DESTINATION_ADD => add_destinations(ns, request),
            command::DESTINATION_SET => set_destinations(ns, request),
            command::DESTINATION_DEL => delete_destinations(ns, request),
            command::COUNTERS_GET => get_counters(ns, request),
            command::FLUSH => flush(ns, request),
            command::TIMEOUTS_GET => get_timeouts(ns, request),
            command::TIMEOUTS_SET => set_timeouts(ns, request),
            _ => Err(errno::not_supported().into()),
        }
    }

    fn dump<'a>(
        ns: &Handle<'_, State>,
        dump: &mut Self::Dump,
        out: &mut DumpMessage<'a>,
    ) -> Answer<'a, bool> {
        dump.next(ns, out)
    }
}

/// A refusal of the core as netlink answers it.
pub(crate) fn refuse<'a>(refusal: Refusal) -> genetlink::Refusal<'a> {
    let error = match refusal.errno() {
        Errno::Inval => EINVAL,
        Errno::Exist => EEXIST,
        Errno::NoEnt => ENOENT,
        Errno::Srch => ESRCH,
        Errno::Range => ERANGE,
        Errno::OpNotSupp => errno::not_supported(),
        Errno::AddrInUse => errno::address_in_use(),
        Errno::AfNoSupport => errno::family_not_supported(),
        Errno::HostUnreach => errno::host_unreachable(),
        Errno::Loop => errno::points_to_itself(),
        Errno::NoPkg => errno::no_package(),
        Errno::ProtoNoSupport => errno::protocol_not_supported(),
        Errno::NoMem => ENOMEM,
        Errno::NoSpc => ENOSPC,
    };
    genetlink::Refusal::new(error, refusal.text())
}

/// The attribute, or a refusal that names it.
fn required<'a>(
    attribute: Option<Attribute<'a>>,
    id: u16,
    text: &'static CStr,
) -> Answer<'a, Attribute<'a>> {
    attribute.ok_or_else(|| genetlink::Refusal::missing(id, text))
}

/// Returns `Ok` if this kernel has the family of an address that a request names. To be asked before
/// anything else is asked about the address.
pub(crate) fn check_family(family: address::Family) -> Result<(), Refusal> {
    rlvs_core::config::check_family(family, net::has_ipv6())
}

/// The service that the attributes name. `get` finds an attribute by its type.
fn service_key<'a>(get: impl Fn(u16) -> Option<Attribute<'a>>) -> Answer<'a, ServiceKey> {
    let protocol = required(
        get(service::PROTOCOL),
        service::PROTOCOL,
        c"a service needs a protocol",
    )?;
    let address = required(
        get(service::ADDRESS),
        service::ADDRESS,
        c"a service needs an address",
    )?;
    let port = required(get(service::PORT), service::PORT, c"a service needs a port")?;
    ServiceKey::new(
        protocol.u8().unwrap_or(0),
        address.payload(),
        port.u16_be().unwrap_or(0),
    )
    .and_then(|key| check_family(key.address.family()).map(|()| key))
    .map_err(|refusal| {
        let at = match refusal {
            Refusal::UnknownProtocol => protocol,
            Refusal::PortZero => port,
            _ => address,
        };
        refuse(refusal).about(Some(at))
    })
}

/// The service that is nested in a destination's attributes.
fn nested_key<'a>(nested: Option<Attributes<'a>>) -> Answer<'a, ServiceKey> {
    match nested {
        Some(nested) => service_key(|id| nested.get(id)),
        None => Err(genetlink::Refusal::missing(
            destination::SERVICE,
            c"a destination needs its service",
        )),
    }
}

/// What the request says of how the service schedules.
fn scheduling<'a>(key: &ServiceKey, request: &Request<'a>) -> Answer<'a, Change> {
    let attribute = request.get(service::SCHEDULER);
    let kind = match attribute {
        None => None,
        Some(name) => Some(
            Kind::from_name(name.string())
                .ok_or_else(|| refuse(Refusal::UnknownScheduler).about(attribute))?,
        ),
    };
    let number = |id| request.get(id).and_then(Attribute::u32);
    let mask = number(service::FLAGS_MASK).unwrap_or(u32::MAX);
    let prefix = request.get(service::PERSISTENT_PREFIX);
    let persistence = persistence::Change::new(
        number(service::PERSISTENT),
        prefix.and_then(Attribute::u8),
        key.address.family(),
    )
    .map_err(|refusal| {
        refuse(refusal).about(match refusal {
            Refusal::PrefixLength => prefix,
            _ => request.get(service::PERSISTENT),
        })
    })?;
    Ok(Change {
        kind,
        flags: number(service::FLAGS).map(|flags| (flags, mask)),
        table: number(service::TABLE_SIZE),
        persistence,
        slow_start: number(service::SLOW_START),
    })
}

/// Why a change of the scheduling was not made, with the attribute that is at fault.
fn scheduling_failed<'a>(request: &Request<'a>, failure: Failure) -> genetlink::Refusal<'a> {
    let at = match failure {
        Failure::Refused(
            Refusal::UnknownFlag
            | Refusal::FlagOfOtherScheduler
            | Refusal::OnePacketProtocol
            | Refusal::OnePacketAddress
            | Refusal::SharedDestination
            | Refusal::UncountedNeverSteers
            | Refusal::UncountedScheduler
            | Refusal::UncountedThresholds,
        ) => service::FLAGS,
        Failure::Refused(Refusal::TableSize | Refusal::NoTable) => service::TABLE_SIZE,
        Failure::Refused(Refusal::SteerSloppy) => service::FLAGS,
        Failure::Refused(Refusal::SteerPersistent) => service::PERSISTENT,
        Failure::Refused(Refusal::NotPersistent) => service::PERSISTENT_PREFIX,
        Failure::Refused(Refusal::SlowStartRange) => service::SLOW_START,
        other => return failed(other),
    };
    failed(failure).about(request.get(at))
}

fn add_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let key = service_key(|id| request.get(id))?;
    let scheduling = scheduling(&key, request)?;
    let timeouts = timeout_change(request, SERVICE_TIMEOUTS)?;
    Transaction::begin(ns)
        .add_service(key, &scheduling, &timeouts)
        .map_err(|failure| scheduling_failed(request, failure))?
        .leave();
    if is_here(ns.net(), &key.address, true) == Some(false) {
        request.warn(SERVICE_ELSEWHERE);
    }
    Ok(())
}

fn set_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let key = service_key(|id| request.get(id))?;
    let scheduling = scheduling(&key, request)?;
    let timeouts = timeout_change(request, SERVICE_TIMEOUTS)?;
    Transaction::begin(ns)
        .set_service(&key, &scheduling, &timeouts)
        .map_err(|failure| scheduling_failed(request, failure))?
        .settle(Pace::Hurried);
    Ok(())
}

/// The timeouts that a request sets by these attributes.
fn timeout_change<'a>(
    request: &Request<'a>,
    ids: [u16; Tunable::ALL.len()],
) -> Answer<'a, TimeoutChange> {
    let mut change = TimeoutChange::default();
    for (id, seconds) in ids.into_iter().zip(change.0.iter_mut()) {
        let attribute = request.get(id);
        if let Some(given) = attribute.and_then(Attribute::u32) {
            let checked = Tunable::check(given).map_err(|r| refuse(r).about(attribute))?;
            *seconds = Some(checked);
        }
    }
    Ok(change)
}

fn set_timeouts<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let change = timeout_change(request, TIMEOUTS)?;
    Transaction::begin(ns).set_timeouts(&change);
    Ok(())
}

/// Tells the timeouts that hold, the default where none is set.
fn get_timeouts<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    request.reply(|out| {
        for (id, tunable) in TIMEOUTS.into_iter().zip(Tunable::ALL) {
            out.u32(id, ns.state().timeouts.in_force(tunable))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn delete_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let key = service_key(|id| request.get(id))?;
    let cut = prepare_cut(ns, request.get(service::CUT).is_some())?;
    let change = Transaction::begin(ns)
        .delete_service(&key, cut.is_some())
        .map_err(failed)?;
    end(ns, change, cut);
    Ok(())
}

fn flush<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let cut = prepare_cut(ns, request.get(service::CUT).is_some())?;
    let change = Transaction::begin(ns)
        .flush(cut.is_some())
        .map_err(failed)?;
    end(ns, change, cut);
    Ok(())
}

fn zero<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let named = [service::PROTOCOL, service::ADDRESS, service::PORT]
        .iter()
        .any(|id| request.get(*id).is_some());
    let key = if named {
        Some(service_key(|id| request.get(id))?)
    } else {
        None
    };
    Transaction::begin(ns).zero(key.as_ref()).map_err(failed)
}

/// The destinations that a request names.
struct Destinations {
    service: ServiceKey,
    range: Range,
}

impl Destinations {
    fn read<'a>(request: &Request<'a>) -> Answer<'a, Self> {
        let service = nested_key(request.nested(destination::SERVICE, Nest::Service)?)?;
        let address = request.get(destination::ADDRESS);
        let port = required(
            request.get(destination::PORT),
            destination::PORT,
            c"a destination needs a port",
        )?;
        let last = request.get(destination::LAST_PORT).unwrap_or(port);
        let ports = PortRange::new(port.u16_be().unwrap_or(0), last.u16_be().unwrap_or(0));
        let address = match address {
            // Without an address, the service's own is meant.
            None => service.address,
            Some(given) => Address::from_octets(given.payload())
                .ok_or(Refusal::AddressLength)
                .and_then(|given| check_family(given.family()).map(|()| given))
                .map_err(|refusal| refuse(refusal).about(address))?,
        };
        let ports = ports.map_err(|refusal| {
            let at = match refusal {
                Refusal::PortZero => port,
                _ => last,
            };
            refuse(refusal).about(Some(at))
        })?;
        Ok(Self {
            service,
            range: Range { address, ports },
        })
    }

    /// Checks every destination of the range; the weight, and the method that is asked for.
    fn check<'a>(
        &self,
        net: &Net,
        request: &Request<'a>,
        method: Method,
        weight: u32,
    ) -> Answer<'a, (u16, Method)> {
        let route_localnet = net.route_localnet();
        let mut checked = (0, method);
        for key in self.range.keys() {
            let weight = check_destination(&self.service, &key, method, weight, route_localnet)
                .map_err(|refusal| {
                    refuse(refusal).about(request.get(match refusal {
                        Refusal::WeightRange => destination::WEIGHT,
                        Refusal::OwnService => destination::PORT,
                        Refusal::SteerProtocol => destination::METHOD,
                        _ => destination::ADDRESS,
                    }))
                })?;
            checked = (weight, method.settled(&self.service, &key, route_localnet));
        }
        Ok(checked)
    }
}

fn method<'a>(request: &Request<'a>) -> Answer<'a, Option<Method>> {
    let attribute = request.get(destination::METHOD);
    match attribute {
        None => Ok(None),
        Some(number) => match number.u8().and_then(Method::from_number) {
            None => Err(refuse(Refusal::UnknownMethod).about(attribute)),
            known => Ok(known),
        },
    }
}

/// Whose socket has to listen at a destination of a service of this protocol, if the request says
/// anything of that; inner `None` for any user's.
fn user<'a>(
    net: &Net,
    protocol: Protocol,
    request: &Request<'a>,
) -> Answer<'a, Option<Option<User>>> {
    let attribute = request.get(destination::USER);
    let number = match attribute.and_then(Attribute::u32) {
        None => return Ok(None),
        Some(User::NONE) => return Ok(Some(None)),
        Some(number) => number,
    };
    if protocol == Protocol::Sctp {
        return Err(refuse(Refusal::UserProtocol).about(attribute));
    }
    match net.user(number) {
        None => Err(refuse(Refusal::UnknownUser).about(attribute)),
        known => Ok(Some(known)),
    }
}

/// What the request says of the settings of a destination of a service of this protocol.
fn edit<'a>(net: &Net, protocol: Protocol, request: &Request<'a>) -> Answer<'a, Edit> {
    let number = |id| request.get(id).and_then(Attribute::u32);
    let weight = match number(destination::WEIGHT).map(u16::try_from) {
        None => None,
        Some(Ok(weight)) => Some(weight),
        Some(Err(_)) => {
            return Err(refuse(Refusal::WeightRange).about(request.get(destination::WEIGHT)))
        }
    };
    Ok(Edit {
        weight,
        upper: number(destination::MAX_CONNECTIONS),
        lower: number(destination::MIN_CONNECTIONS),
        private: request
            .get(destination::PRIVATE)
            .and_then(Attribute::u8)
            .map(|private| private != 0),
        user: user(net, protocol, request)?,
        method: method(request)?,
    })
}

fn add_destinations<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let named = Destinations::read(request)?;
    let method = method(request)?.unwrap_or(Method::Auto);
    let weight = request
        .get(destination::WEIGHT)
        .and_then(Attribute::u32)
        .unwrap_or(1);
    let (weight, method) = named.check(ns.net(), request, method, weight)?;
    let given = edit(ns.net(), named.service.protocol, request)?;
    let (upper, lower) = (given.upper.unwrap_or(0), given.lower.unwrap_or(0));
    let thresholds = Thresholds::new(upper, lower)
        .map_err(|refusal| refuse(refusal).about(request.get(destination::MIN_CONNECTIONS)))?;
    let settings = DestinationSettings {
        weight,
        thresholds,
        private: given.private.unwrap_or(false),
        user: given.user.flatten(),
        method,
    };
    Transaction::begin(ns)
        .add_destinations(&named.service, &named.range, settings)
        .map_err(|failure| destinations_failed(request, failure))?
        .leave();
    let address = &named.range.address;
    if is_here(ns.net(), address, *address == named.service.address) == Some(false) {
        request.warn(DESTINATION_ELSEWHERE);
    }
    Ok(())
}

/// Why a change of destinations was not made, with the attribute that is at fault.
fn destinations_failed<'a>(request: &Request<'a>, failure: Failure) -> genetlink::Refusal<'a> {
    let at = match failure {
        Failure::Refused(Refusal::OnePacketAddress) => destination::ADDRESS,
        Failure::Refused(Refusal::SharedDestination) => destination::PORT,
        Failure::Refused(Refusal::UncountedThresholds) => destination::MAX_CONNECTIONS,
        Failure::Refused(
            Refusal::MixedMethods | Refusal::SteerPersistent | Refusal::SteerSloppy,
        ) => destination::METHOD,
        other => return failed(other),
    };
    failed(failure).about(request.get(at))
}

fn set_destinations<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let named = Destinations::read(request)?;
    let mut edit = edit(ns.net(), named.service.protocol, request)?;
    if let Some(method) = edit.method {
        edit.method = Some(named.check(ns.net(), request, method, 1)?.1);
    }
    Transaction::begin(ns)
        .set_destinations(&named.service, &named.range, &edit)
        .map_err(|failure| destinations_failed(request, failure))?
        .settle(Pace::Hurried);
    Ok(())
}

fn delete_destinations<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let named = Destinations::read(request)?;
    let cut = prepare_cut(ns, request.get(destination::CUT).is_some())?;
    let change = Transaction::begin(ns)
        .delete_destinations(&named.service, &named.range, cut.is_some())
        .map_err(failed)?;
    end(ns, change, cut);
    Ok(())
}

/// What it takes to end connections, if the request or the sysctl says so.
pub(crate) fn prepare_cut<'a>(ns: &Handle<'_, State>, wanted: bool) -> Answer<'a, Option<Cut>> {
    if !wanted && !ns.state().sysctls.ends_deleted() {
        return Ok(None);
    }
    let cut = Cut::prepare(ns).map_err(|error| failed(error.into()))?;
    Ok(Some(cut))
}

/// Waits until no packet goes to deleted destinations any more, and ends their connections, if that
/// was prepared.
pub(crate) fn end(ns: &Handle<'_, State>, deletion: Unsettled<'_>, cut: Option<Cut>) {
    deletion.settle(Pace::Hurried);
    if let Some(cut) = cut {
        cut.run(ns);
    }
}

/// Why a change was not made, as netlink answers it.
pub(crate) fn failed<'a>(failure: Failure) -> genetlink::Refusal<'a> {
    match failure {
        Failure::Refused(refusal) => refuse(refusal),
        Failure::Error(error) => error.into(),
    }
}

fn get_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let key = service_key(|id| request.get(id))?;
    let config = ns.state().config.lock();
    let found = config
        .find(&key)
        .ok_or_else(|| refuse(Refusal::NoService))?;
    request.reply(|out| dump::write_service(out, found, ns.net()))?;
    Ok(())
}

fn get_counters<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let state = ns.state();
    request.reply(|out| {
        out.uint(counters::ENTRIES, u64::from(state.entries()))?;
        out.uint(counters::TEMPLATES, u64::from(state.templates()))?;
        for (id, event) in [
            (counters::CONNECTIONS, Event::Connection),
            (counters::NO_DESTINATION, Event::NoDestination),
            (counters::CONFLICT, Event::Conflict),
            (counters::NO_MEMORY, Event::NoMemory),
            (counters::TABLE_FULL, Event::TableFull),
            (counters::TRUNCATED, Event::Truncated),
            (counters::MALFORMED, Event::Malformed),
            (counters::FRAGMENT, Event::Fragment),
            (counters::UNWRITABLE, Event::Unwritable),
            (counters::ROUTE_FAILED, Event::RouteFailed),
            (counters::REJECTED, Event::Rejected),
            (counters::ICMP_ERROR, Event::IcmpError),
            (counters::DROP_PACKET, Event::DropPacket),
            (counters::DROP_ENTRY, Event::DropEntry),
            (counters::EARLY_EXPIRED, Event::EarlyExpired),
            (counters::NO_ENTRY, Event::NoEntry),
            (counters::RETRIED, Event::Retried),
            (counters::RETRY_NOT_KEPT, Event::RetryNotKept),
            (counters::RETRY_NO_DESTINATION, Event::RetryNoDestination),
            (counters::RETRY_NOT_HANDLED, Event::RetryNotHandled),
            (counters::PRIVATE, Event::Private),
            (counters::STEERED, Event::Steered),
            (counters::UNCOUNTED, Event::Uncounted),
            (counters::UDP_FULL, Event::UdpFull),
            (counters::TOTAL_FULL, Event::TotalFull),
        ] {
            out.uint(id, state.events.total(event))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Writes the statistics of a service or destination into the nest `id`. Of one that steers only
/// the connections are known.
fn write_stats(out: &mut Writer<'_>, id: u16, of: &Stats, steers: bool) -> Result {
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
