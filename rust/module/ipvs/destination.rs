// SPDX-License-Identifier: GPL-2.0

//! Requests about destinations.

use rlvs_core::{
    config::{DestinationKey, ServiceKey},
    ipvs::destination::{self, Name, NameAttributes, Wanted},
    refusal::Refusal,
};
use rlvs_kext::{
    genetlink::{self, Attribute, Attributes, Nest, Request},
    netns::Handle,
    uapi::ipvs::{destination as dest, request as top},
};

use super::service::{end, find, named};
use crate::{
    change::{
        abort,
        edit::{Edit, Failure, Range},
        local::check_family,
        Transaction,
    },
    netlink::extack::{failed, refuse, Outcome},
    service::DestinationSettings,
    state::State,
};

/// Returns the attributes of the destination that a request is about, and its name.
fn named_destination<'a>(request: &Request<'a>) -> Outcome<'a, (Attributes<'a>, Name)> {
    let around = request.get(top::DEST);
    let given = request
        .nested(top::DEST, Nest::IpvsDestination)?
        .ok_or_else(|| genetlink::Refusal::missing(top::DEST, Refusal::IpvsDestination.text()))?;
    let payload = |id| given.get(id).map(Attribute::payload);
    let name = Name::read(&NameAttributes {
        address: payload(dest::ADDR),
        port: payload(dest::PORT),
        family: payload(dest::ADDR_FAMILY),
    });
    let name = name.map_err(|refusal| refuse(refusal).about(around))?;
    Ok((given, name))
}

/// Returns the key of a destination of that service.
fn destination_key<'a>(
    name: &Name,
    service: &ServiceKey,
    given: &Attributes<'a>,
) -> Outcome<'a, DestinationKey> {
    let key = name.key(service.address.family());
    let key = key.and_then(|key| check_family(key.address.family()).map(|()| key));
    key.map_err(|refusal| refuse(refusal).about(given.get(dest::ADDR_FAMILY)))
}

/// Returns the settings that a request asks for, as far as they do not depend on whether the
/// destination exists.
fn wanted_destination<'a>(request: &Request<'a>, given: &Attributes<'a>) -> Outcome<'a, Wanted> {
    let payload = |id| given.get(id).map(Attribute::payload);
    Wanted::read(&destination::Attributes {
        method: payload(dest::FWD_METHOD),
        weight: payload(dest::WEIGHT),
        upper: payload(dest::U_THRESH),
        lower: payload(dest::L_THRESH),
        tunnel_type: payload(dest::TUN_TYPE),
        tunnel_port: payload(dest::TUN_PORT),
    })
    .map_err(|refusal| refuse(refusal).about(request.get(top::DEST)))
}

/// Returns a refusal of the settings of a destination, with the attribute that is at fault.
fn destination_refused<'a>(refusal: Refusal, given: &Attributes<'a>) -> genetlink::Refusal<'a> {
    refuse(refusal).about(given.get(match refusal {
        Refusal::WeightRange => dest::WEIGHT,
        Refusal::Thresholds => dest::L_THRESH,
        Refusal::IpvsThresholdRange | Refusal::UncountedThresholds => dest::U_THRESH,
        Refusal::IpvsTunnelPort => dest::TUN_PORT,
        Refusal::IpvsLocalNode
        | Refusal::IpvsTunnel
        | Refusal::IpvsDirect
        | Refusal::IpvsMethod => dest::FWD_METHOD,
        Refusal::PortZero | Refusal::OwnService => dest::PORT,
        _ => dest::ADDR,
    }))
}

/// Returns why a destination was not added or changed, with the attribute that is at fault.
fn destination_failed<'a>(failure: Failure, given: &Attributes<'a>) -> genetlink::Refusal<'a> {
    match failure {
        Failure::Refused(refusal) => destination_refused(refusal, given),
        Failure::Error(_) => failed(failure).about(given.get(dest::ADDR)),
    }
}

/// Returns what a request asks of a destination of the service, checked as far as it does not
/// depend on whether the destination exists.
fn asked_destination<'a>(
    request: &Request<'a>,
    service: &ServiceKey,
) -> Outcome<'a, (Attributes<'a>, DestinationKey, Wanted)> {
    let (given, name) = named_destination(request)?;
    let wanted = wanted_destination(request, &given)?;
    let key = destination_key(&name, service, &given)?;
    wanted
        .check(service.address.family(), key.address.family())
        .map_err(|refusal| destination_refused(refusal, &given))?;
    Ok((given, key, wanted))
}

pub(super) fn new<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let (_, name) = named(request)?;
    let transaction = Transaction::begin(ns);
    let (service, found) = find(&transaction, &name)?;
    let (given, key, wanted) = asked_destination(request, &service)?;
    let refused = |refusal| destination_refused(refusal, &given);
    if found.destination(&key).is_some() {
        return Err(refused(Refusal::DestinationExists));
    }
    let (weight, thresholds) = wanted.settings().map_err(refused)?;
    let range = Range::one(key).map_err(refused)?;
    let presence = transaction.presence(&key.address);
    let (localnet, steers) = (ns.net().route_localnet(), found.service.steers_new());
    let method =
        destination::method(&service, &key, weight, presence, localnet, steers).map_err(refused)?;
    let settings = DestinationSettings {
        weight,
        thresholds,
        private: false,
        user: None,
        method,
    };
    transaction
        .add_destinations(&service, &range, settings)
        .map_err(|failure| destination_failed(failure, &given))?
        .leave();
    Ok(())
}

/// Changes the settings that ip_vs knows of a destination: how packets get there stays.
pub(super) fn set<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let (_, name) = named(request)?;
    let transaction = Transaction::begin(ns);
    let (service, found) = find(&transaction, &name)?;
    let (given, key, wanted) = asked_destination(request, &service)?;
    let refused = |refusal| destination_refused(refusal, &given);
    if found.destination(&key).is_none() {
        return Err(refused(Refusal::NoDestination));
    }
    let (weight, thresholds) = wanted.settings().map_err(refused)?;
    let range = Range::one(key).map_err(refused)?;
    let edit = Edit {
        weight: Some(weight),
        upper: Some(thresholds.upper()),
        lower: Some(thresholds.lower()),
        ..Edit::default()
    };
    transaction
        .set_destinations(&service, &range, &edit)
        .map_err(|failure| destination_failed(failure, &given))?
        .leave();
    Ok(())
}

pub(super) fn delete<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let (_, name) = named(request)?;
    let abort = abort::prepare(ns, false).map_err(failed)?;
    let transaction = Transaction::begin(ns);
    let (service, _) = find(&transaction, &name)?;
    let (given, name) = named_destination(request)?;
    let key = destination_key(&name, &service, &given)?;
    // On a port that is not valid there is no destination.
    let range =
        Range::one(key).map_err(|_| refuse(Refusal::NoDestination).about(given.get(dest::PORT)))?;
    let change = transaction
        .delete_destinations(&service, &range, abort.is_some())
        .map_err(|failure| failed(failure).about(given.get(dest::ADDR)))?;
    end(ns, change, abort);
    Ok(())
}
