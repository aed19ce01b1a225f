// SPDX-License-Identifier: GPL-2.0

//! Requests about services.

use rlvs_core::{
    config::ServiceKey,
    ipvs::service::{Attributes as SettingAttributes, Name, NameAttributes, Wanted},
    refusal::Refusal,
};
use rlvs_kext::{
    genetlink::{self, Attribute, Attributes, Nest, Request},
    netns::Handle,
    uapi::ipvs::{command, request as top, service},
};

use super::write;
use crate::{
    change::{
        abort::{self, Abort},
        local::check_family,
        Transaction, Unsettled,
    },
    config::Configured,
    netlink::extack::{failed, refuse, Outcome},
    service::timeouts::TimeoutChange,
    state::State,
};

/// Returns the name of the service that nested attributes are about.
pub(super) fn service_name<'a>(given: &Attributes<'a>) -> Result<Name, Refusal> {
    let payload = |id| given.get(id).map(Attribute::payload);
    let name = Name::read(&NameAttributes {
        family: payload(service::AF),
        mark: payload(service::FWMARK),
        protocol: payload(service::PROTOCOL),
        address: payload(service::ADDR),
        port: payload(service::PORT),
    })?;
    check_family(name.family)?;
    Ok(name)
}

/// Returns the attributes of the service that a request is about, and its name.
pub(super) fn named<'a>(request: &Request<'a>) -> Outcome<'a, (Attributes<'a>, Name)> {
    let around = request.get(top::SERVICE);
    let given = request
        .nested(top::SERVICE, Nest::IpvsService)?
        .ok_or_else(|| genetlink::Refusal::missing(top::SERVICE, Refusal::IpvsService.text()))?;
    let name = service_name(&given).map_err(|refusal| {
        let at = match refusal {
            Refusal::IpvsFamily | Refusal::NoIpv6 => given.get(service::AF),
            _ => around,
        };
        refuse(refusal).about(at)
    })?;
    Ok((given, name))
}

/// Returns the settings of a service that a request asks for.
fn wanted_service<'a>(request: &Request<'a>, given: &Attributes<'a>) -> Outcome<'a, Wanted<'a>> {
    let payload = |id| given.get(id).map(Attribute::payload);
    Wanted::read(&SettingAttributes {
        scheduler: payload(service::SCHED_NAME),
        engine: payload(service::PE_NAME),
        flags: payload(service::FLAGS),
        timeout: payload(service::TIMEOUT),
        netmask: payload(service::NETMASK),
    })
    .map_err(|refusal| refuse(refusal).about(request.get(top::SERVICE)))
}

/// Returns a refusal of the settings of a service, with the attribute that is at fault.
fn service_refused<'a>(refusal: Refusal, given: &Attributes<'a>) -> genetlink::Refusal<'a> {
    refuse(refusal).about(given.get(match refusal {
        Refusal::IpvsScheduler | Refusal::IpvsNoScheduler => service::SCHED_NAME,
        Refusal::IpvsEngine | Refusal::IpvsUnknownEngine => service::PE_NAME,
        Refusal::IpvsPrefix | Refusal::IpvsNetmask => service::NETMASK,
        Refusal::IpvsPersistentZero | Refusal::PersistenceRange => service::TIMEOUT,
        Refusal::UnknownFlag
        | Refusal::FlagOfOtherScheduler
        | Refusal::OnePacketProtocol
        | Refusal::OnePacketPersistent
        | Refusal::OnePacketAddress
        | Refusal::SharedDestination
        | Refusal::SteerPersistent => service::FLAGS,
        Refusal::IpvsMark => service::FWMARK,
        Refusal::IpvsAllPorts => service::PORT,
        Refusal::UnknownProtocol => service::PROTOCOL,
        Refusal::NotUnicast | Refusal::MappedAddress => service::ADDR,
        _ => return refuse(refusal),
    }))
}

/// Returns the service of the name, or a refusal if it does not exist.
pub(super) fn find<'a, 'c>(
    transaction: &'c Transaction<'_>,
    name: &Name,
) -> Outcome<'a, (ServiceKey, &'c Configured)> {
    // A service that cannot be added does not exist.
    let key = name.key().map_err(|_| refuse(Refusal::NoService))?;
    let found = transaction.find(&key);
    Ok((key, found.ok_or_else(|| refuse(Refusal::NoService))?))
}

pub(super) fn new<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let (given, name) = named(request)?;
    let wanted = wanted_service(request, &given)?;
    let transaction = Transaction::begin(ns);
    if find(&transaction, &name).is_ok() {
        return Err(refuse(Refusal::ServiceExists).about(request.get(top::SERVICE)));
    }
    let key = name.key().map_err(|r| service_refused(r, &given))?;
    let change = wanted.change(None, name.family);
    let change = change.map_err(|r| service_refused(r, &given))?;
    transaction
        .add_service(key, &change, &TimeoutChange::default())
        .map_err(|failure| failed(failure).about(request.get(top::SERVICE)))?
        .leave();
    Ok(())
}

pub(super) fn set<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let (given, name) = named(request)?;
    let wanted = wanted_service(request, &given)?;
    let transaction = Transaction::begin(ns);
    let (key, found) = find(&transaction, &name)?;
    let change = wanted.change(Some(&found.settings), name.family);
    let change = change.map_err(|r| service_refused(r, &given))?;
    transaction
        .set_service(&key, &change, &TimeoutChange::default())
        .map_err(|failure| failed(failure).about(request.get(top::SERVICE)))?
        .leave();
    Ok(())
}

/// Ends a deletion. Like ip_vs it does not wait for packets under way to deleted destinations,
/// unless their connections are to be ended.
pub(super) fn end(ns: &Handle<'_, State>, deletion: Unsettled<'_>, abort: Option<Abort>) {
    match abort {
        Some(_) => abort::finish(ns, deletion, abort),
        None => deletion.leave(),
    }
}

pub(super) fn delete<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let (_, name) = named(request)?;
    let abort = abort::prepare(ns, false).map_err(failed)?;
    let transaction = Transaction::begin(ns);
    let (key, _) = find(&transaction, &name)?;
    let change = transaction
        .delete_service(&key, abort.is_some())
        .map_err(failed)?;
    end(ns, change, abort);
    Ok(())
}

pub(super) fn get<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let (_, name) = named(request)?;
    let key = name.key().map_err(|_| refuse(Refusal::NoService))?;
    let config = ns.state().config.lock();
    let found = config.find(&key);
    let found = found.ok_or_else(|| refuse(Refusal::NoService))?;
    request.reply_as(command::NEW_SERVICE, |out| write::service(out, found))?;
    Ok(())
}

pub(super) fn zero<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    if request.get(top::SERVICE).is_none() {
        return Transaction::begin(ns).zero(None).map_err(failed);
    }
    let (_, name) = named(request)?;
    let transaction = Transaction::begin(ns);
    let (key, _) = find(&transaction, &name)?;
    transaction.zero(Some(&key)).map_err(failed)
}

pub(super) fn flush<'a>(ns: &Handle<'_, State>) -> Outcome<'a> {
    let abort = abort::prepare(ns, false).map_err(failed)?;
    let change = Transaction::begin(ns)
        .flush(abort.is_some())
        .map_err(failed)?;
    end(ns, change, abort);
    Ok(())
}
