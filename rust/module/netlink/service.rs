// SPDX-License-Identifier: GPL-2.0

//! Requests about services.

use kernel::prelude::*;
use rlvs_core::{
    config::ServiceKey,
    persistence,
    refusal::Refusal,
    schedule::{Change, Kind},
};
use rlvs_kext::{
    genetlink::{self, Attribute, Attributes, Request},
    netns::Handle,
    rcu::Pace,
    uapi::{destination, service},
};

use super::{
    extack::{failed, refuse, required, Outcome},
    timeouts::timeout_change,
    write::{self, SERVICE_TIMEOUTS},
};
use crate::{
    change::{abort, edit::Failure, local::check_family, Transaction},
    presence::is_here,
    state::State,
};

/// The warning for a service that was added and whose address is not the host's.
const ELSEWHERE: &CStr =
    c"the address is not one of this host: until it is, packets to it are left alone";

/// Returns the service that the attributes name. `get` returns an attribute by its type.
fn service_key<'a>(get: impl Fn(u16) -> Option<Attribute<'a>>) -> Outcome<'a, ServiceKey> {
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

/// Returns the service that is nested in a destination's attributes.
pub(super) fn nested_key<'a>(nested: Option<Attributes<'a>>) -> Outcome<'a, ServiceKey> {
    match nested {
        Some(nested) => service_key(|id| nested.get(id)),
        None => Err(genetlink::Refusal::missing(
            destination::SERVICE,
            c"a destination needs its service",
        )),
    }
}

/// Returns what the request changes of how the service schedules.
fn scheduling<'a>(key: &ServiceKey, request: &Request<'a>) -> Outcome<'a, Change> {
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

/// Returns why a change of the scheduling was not made, with the attribute that is at fault.
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

pub(super) fn add<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let key = service_key(|id| request.get(id))?;
    let scheduling = scheduling(&key, request)?;
    let timeouts = timeout_change(request, SERVICE_TIMEOUTS)?;
    Transaction::begin(ns)
        .add_service(key, &scheduling, &timeouts)
        .map_err(|failure| scheduling_failed(request, failure))?
        .leave();
    if is_here(ns.net(), &key.address, true) == Some(false) {
        request.warn(ELSEWHERE);
    }
    Ok(())
}

pub(super) fn set<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let key = service_key(|id| request.get(id))?;
    let scheduling = scheduling(&key, request)?;
    let timeouts = timeout_change(request, SERVICE_TIMEOUTS)?;
    Transaction::begin(ns)
        .set_service(&key, &scheduling, &timeouts)
        .map_err(|failure| scheduling_failed(request, failure))?
        .settle(Pace::Hurried);
    Ok(())
}

pub(super) fn delete<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let key = service_key(|id| request.get(id))?;
    let abort = abort::prepare(ns, request.get(service::CUT).is_some()).map_err(failed)?;
    let change = Transaction::begin(ns)
        .delete_service(&key, abort.is_some())
        .map_err(failed)?;
    abort::finish(ns, change, abort);
    Ok(())
}

pub(super) fn flush<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let abort = abort::prepare(ns, request.get(service::CUT).is_some()).map_err(failed)?;
    let change = Transaction::begin(ns)
        .flush(abort.is_some())
        .map_err(failed)?;
    abort::finish(ns, change, abort);
    Ok(())
}

pub(super) fn zero<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
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

pub(super) fn get<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let key = service_key(|id| request.get(id))?;
    let config = ns.state().config.lock();
    let found = config
        .find(&key)
        .ok_or_else(|| refuse(Refusal::NoService))?;
    request.reply(|out| write::service(out, found, ns.net()))?;
    Ok(())
}
