// SPDX-License-Identifier: GPL-2.0

//! Requests about destinations.

use kernel::prelude::*;
use rlvs_core::{
    address::{Address, PortRange, Protocol},
    config::{check_destination, Method, ServiceKey},
    refusal::Refusal,
    schedule::threshold::Thresholds,
};
use rlvs_kext::{
    genetlink::{self, Attribute, Nest, Request},
    net::Net,
    netns::Handle,
    rcu::Pace,
    uapi::destination,
    user::User,
};

use super::{
    extack::{failed, refuse, required, Outcome},
    service::nested_key,
};
use crate::{
    change::{
        abort,
        edit::{Edit, Failure, Range},
        local::check_family,
        Transaction,
    },
    presence::is_here,
    service::DestinationSettings,
    state::State,
};

/// The warning for a destination that was added and whose address is not the host's.
const ELSEWHERE: &CStr =
    c"the address is not one of this host: until it is, the destination gets no connections";

/// The destinations that a request names.
struct Destinations {
    service: ServiceKey,
    range: Range,
}

impl Destinations {
    fn read<'a>(request: &Request<'a>) -> Outcome<'a, Self> {
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
            // The default is the service's own.
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

    /// Checks every destination of the range. Returns the weight, and the method that is asked for.
    fn check<'a>(
        &self,
        net: &Net,
        request: &Request<'a>,
        method: Method,
        weight: u32,
    ) -> Outcome<'a, (u16, Method)> {
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

fn method<'a>(request: &Request<'a>) -> Outcome<'a, Option<Method>> {
    let attribute = request.get(destination::METHOD);
    match attribute {
        None => Ok(None),
        Some(number) => match number.u8().and_then(Method::from_number) {
            None => Err(refuse(Refusal::UnknownMethod).about(attribute)),
            known => Ok(known),
        },
    }
}

/// Returns the user whose socket has to listen at a destination of a service of this protocol: the
/// outer `None` if the request has no such attribute, the inner one for any user's.
fn user<'a>(
    net: &Net,
    protocol: Protocol,
    request: &Request<'a>,
) -> Outcome<'a, Option<Option<User>>> {
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

/// Returns the settings in the request of a destination of a service of this protocol.
fn edit<'a>(net: &Net, protocol: Protocol, request: &Request<'a>) -> Outcome<'a, Edit> {
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

pub(super) fn add<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
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
        request.warn(ELSEWHERE);
    }
    Ok(())
}

/// Returns why a change of destinations was not made, with the attribute that is at fault.
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

pub(super) fn set<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
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

pub(super) fn delete<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let named = Destinations::read(request)?;
    let abort = abort::prepare(ns, request.get(destination::CUT).is_some()).map_err(failed)?;
    let change = Transaction::begin(ns)
        .delete_destinations(&named.service, &named.range, abort.is_some())
        .map_err(failed)?;
    abort::finish(ns, change, abort);
    Ok(())
}
