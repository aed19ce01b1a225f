// SPDX-License-Identifier: GPL-2.0

//! The netlink family of ip_vs, for ipvsadm, keepalived and other clients of it.
//!
//! It is a second way to the one configuration: requests become changes of [`crate::netlink`]'s,
//! under its mutex, and nothing is kept for this family. What the requests mean is in
//! `rlvs_core::ipvs`; the order of the checks and the error numbers are those of ip_vs, and texts
//! come on top. Lists are in [`dump`], what clients are told of a service or a destination in
//! [`write`]; the files that ip_vs has in `/proc/net` are in [`proc`].

use kernel::prelude::*;
use rlvs_core::{
    config::{DestinationKey, ServiceKey},
    connection::state::Tunable,
    ipvs::{
        self,
        destination::{self, Wanted as WantedDestination},
        service::{Name as ServiceName, NameAttributes, Wanted as WantedService},
    },
    refusal::Refusal,
};
use rlvs_kext::{
    errno,
    genetlink::{self, Attribute, Attributes, DumpMessage, Family, Name, Nest, Request},
    net::Net,
    netns::Handle,
    ratelimit,
    uapi::ipvs::{
        command, daemon, destination as dest, info, request as top, service, MOST_SECONDS,
    },
};

use crate::{
    change::{
        abort::Cut,
        edit::{Edit, Failure, Range},
        Transaction, Unsettled,
    },
    config::Configured,
    netlink::{self, check_family, failed, prepare_cut, refuse, Answer},
    service::{timeouts::TimeoutChange, DestinationSettings},
    state::State,
};

pub(crate) use proc::FILES;

mod dump;
mod proc;
mod write;

/// The family.
pub(crate) struct Ipvs;

impl Family for Ipvs {
    const NAME: Name = Name::Ipvs;

    type State = State;
    type Dump = dump::Dump;

    fn request<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
        let answer = answer(ns, request);
        if let Err(refusal) = &answer {
            tell(ns.net(), refusal);
        }
        answer
    }

    fn dump<'a>(
        ns: &Handle<'_, State>,
        dump: &mut Self::Dump,
        out: &mut DumpMessage<'a>,
    ) -> Answer<'a, bool> {
        dump.next(ns, out)
    }
}

/// Writes to the log what ip_vs can do and this module cannot: to its clients that error number
/// means something else, and they do not show texts.
fn tell(net: &Net, refusal: &genetlink::Refusal<'_>) {
    if refusal.error() != errno::not_supported() || !ratelimit::passes(net) {
        return;
    }
    if let Some(text) = refusal.text() {
        pr_notice!("a request of ip_vs's family was refused: {text}\n");
    }
}

fn answer<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    match request.command() {
        command::NEW_SERVICE => new_service(ns, request),
        command::SET_SERVICE => set_service(ns, request),
        command::DEL_SERVICE => delete_service(ns, request),
        command::GET_SERVICE => get_service(ns, request),
        command::NEW_DEST => new_destination(ns, request),
        command::SET_DEST => set_destination(ns, request),
        command::DEL_DEST => delete_destination(ns, request),
        command::NEW_DAEMON | command::DEL_DAEMON => change_daemon(request),
        command::SET_CONFIG => set_config(ns, request),
        command::GET_CONFIG => get_config(ns, request),
        command::GET_INFO => get_info(ns, request),
        command::ZERO => zero(ns, request),
        command::FLUSH => flush(ns),
        _ => Err(errno::not_supported().into()),
    }
}

/// Which service nested attributes are about.
fn service_name<'a>(given: &Attributes<'a>) -> Result<ServiceName, Refusal> {
    let payload = |id| given.get(id).map(Attribute::payload);
    let name = ServiceName::read(&NameAttributes {
        family: payload(service::AF),
        mark: payload(service::FWMARK),
        protocol: payload(service::PROTOCOL),
        address: payload(service::ADDR),
        port: payload(service::PORT),
    })?;
    check_family(name.family)?;
    Ok(name)
}

/// The attributes of the service that a request is about, and which one that is.
fn named<'a>(request: &Request<'a>) -> Answer<'a, (Attributes<'a>, ServiceName)> {
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

/// What a service is to be.
fn wanted_service<'a>(
    request: &Request<'a>,
    given: &Attributes<'a>,
) -> Answer<'a, WantedService<'a>> {
    let payload = |id| given.get(id).map(Attribute::payload);
    WantedService::read(&ipvs::service::Attributes {
        scheduler: payload(service::SCHED_NAME),
        engine: payload(service::PE_NAME),
        flags: payload(service::FLAGS),
        timeout: payload(service::TIMEOUT),
        netmask: payload(service::NETMASK),
    })
    .map_err(|refusal| refuse(refusal).about(request.get(top::SERVICE)))
}

/// A refusal of what a service is to be, with the attribute that is at fault.
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

/// The service of the name, which has to be there.
fn find<'a, 'c>(
    changes: &'c Transaction<'_>,
    name: &ServiceName,
) -> Answer<'a, (ServiceKey, &'c Configured)> {
    // What cannot be added is not there.
    let key = name.key().map_err(|_| refuse(Refusal::NoService))?;
    let found = changes.find(&key);
    Ok((key, found.ok_or_else(|| refuse(Refusal::NoService))?))
}

fn new_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let (given, name) = named(request)?;
    let wanted = wanted_service(request, &given)?;
    let changes = Transaction::begin(ns);
    if find(&changes, &name).is_ok() {
        return Err(refuse(Refusal::ServiceExists).about(request.get(top::SERVICE)));
    }
    let key = name.key().map_err(|r| service_refused(r, &given))?;
    let change = wanted.change(None, name.family);
    let change = change.map_err(|r| service_refused(r, &given))?;
    changes
        .add_service(key, &change, &TimeoutChange::default())
        .map_err(|failure| failed(failure).about(request.get(top::SERVICE)))?
        .leave();
    Ok(())
}

fn set_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let (given, name) = named(request)?;
    let wanted = wanted_service(request, &given)?;
    let changes = Transaction::begin(ns);
    let (key, found) = find(&changes, &name)?;
    let change = wanted.change(Some(&found.settings), name.family);
    let change = change.map_err(|r| service_refused(r, &given))?;
    changes
        .set_service(&key, &change, &TimeoutChange::default())
        .map_err(|failure| failed(failure).about(request.get(top::SERVICE)))?
        .leave();
    Ok(())
}

/// Does not wait for packets that are under way to deleted destinations, as ip_vs does not, unless
/// their connections are to be ended.
fn end(ns: &Handle<'_, State>, deletion: Unsettled<'_>, cut: Option<Cut>) {
    match cut {
        Some(_) => netlink::end(ns, deletion, cut),
        None => deletion.leave(),
    }
}

fn delete_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let (_, name) = named(request)?;
    let cut = prepare_cut(ns, false)?;
    let changes = Transaction::begin(ns);
    let (key, _) = find(&changes, &name)?;
    let change = changes
        .delete_service(&key, cut.is_some())
        .map_err(failed)?;
    end(ns, change, cut);
    Ok(())
}

fn get_service<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let (_, name) = named(request)?;
    let key = name.key().map_err(|_| refuse(Refusal::NoService))?;
    let config = ns.state().config.lock();
    let found = config.find(&key);
    let found = found.ok_or_else(|| refuse(Refusal::NoService))?;
    request.reply_as(command::NEW_SERVICE, |out| write::service(out, found))?;
    Ok(())
}

/// The attributes of the destination that a request is about, and which one that is.
fn named_destination<'a>(request: &Request<'a>) -> Answer<'a, (Attributes<'a>, destination::Name)> {
    let around = request.get(top::DEST);
    let given = request
        .nested(top::DEST, Nest::IpvsDestination)?
        .ok_or_else(|| genetlink::Refusal::missing(top::DEST, Refusal::IpvsDestination.text()))?;
    let payload = |id| given.get(id).map(Attribute::payload);
    let name = destination::Name::read(&destination::NameAttributes {
        address: payload(dest::ADDR),
        port: payload(dest::PORT),
        family: payload(dest::ADDR_FAMILY),
    });
    let name = name.map_err(|refusal| refuse(refusal).about(around))?;
    Ok((given, name))
}

/// The key of a destination of that service.
fn destination_key<'a>(
    name: &destination::Name,
    service: &ServiceKey,
    given: &Attributes<'a>,
) -> Answer<'a, DestinationKey> {
    let key = name.key(service.address.family());
    let key = key.and_then(|key| check_family(key.address.family()).map(|()| key));
    key.map_err(|refusal| refuse(refusal).about(given.get(dest::ADDR_FAMILY)))
}

/// What a destination of the service is to be, as far as it does not depend on whether it is there.
fn wanted_destination<'a>(
    request: &Request<'a>,
    given: &Attributes<'a>,
) -> Answer<'a, WantedDestination> {
    let payload = |id| given.get(id).map(Attribute::payload);
    WantedDestination::read(&destination::Attributes {
        method: payload(dest::FWD_METHOD),
        weight: payload(dest::WEIGHT),
        upper: payload(dest::U_THRESH),
        lower: payload(dest::L_THRESH),
        tunnel_type: payload(dest::TUN_TYPE),
        tunnel_port: payload(dest::TUN_PORT),
    })
    .map_err(|refusal| refuse(refusal).about(request.get(top::DEST)))
}

/// A refusal of what a destination is to be, with the attribute that is at fault.
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

/// Why a destination was not added or changed, with the attribute that is at fault.
fn destination_failed<'a>(failure: Failure, given: &Attributes<'a>) -> genetlink::Refusal<'a> {
    match failure {
        Failure::Refused(refusal) => destination_refused(refusal, given),
        Failure::Error(_) => failed(failure).about(given.get(dest::ADDR)),
    }
}

/// What a request asks of a destination of the service, checked as far as it does not depend on
/// whether it is there.
fn asked_destination<'a>(
    request: &Request<'a>,
    service: &ServiceKey,
) -> Answer<'a, (Attributes<'a>, DestinationKey, WantedDestination)> {
    let (given, name) = named_destination(request)?;
    let wanted = wanted_destination(request, &given)?;
    let key = destination_key(&name, service, &given)?;
    wanted
        .check(service.address.family(), key.address.family())
        .map_err(|refusal| destination_refused(refusal, &given))?;
    Ok((given, key, wanted))
}

fn new_destination<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let (_, name) = named(request)?;
    let changes = Transaction::begin(ns);
    let (service, found) = find(&changes, &name)?;
    let (given, key, wanted) = asked_destination(request, &service)?;
    let refused = |refusal| destination_refused(refusal, &given);
    if found.destination(&key).is_some() {
        return Err(refused(Refusal::DestinationExists));
    }
    let (weight, thresholds) = wanted.settings().map_err(refused)?;
    let range = Range::one(key).map_err(refused)?;
    let presence = changes.presence(&key.address);
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
    changes
        .add_destinations(&service, &range, settings)
        .map_err(|failure| destination_failed(failure, &given))?
        .leave();
    Ok(())
}

/// Changes what IPVS has of a destination: how it is forwarded to stays.
fn set_destination<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let (_, name) = named(request)?;
    let changes = Transaction::begin(ns);
    let (service, found) = find(&changes, &name)?;
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
    changes
        .set_destinations(&service, &range, &edit)
        .map_err(|failure| destination_failed(failure, &given))?
        .leave();
    Ok(())
}

fn delete_destination<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let (_, name) = named(request)?;
    let cut = prepare_cut(ns, false)?;
    let changes = Transaction::begin(ns);
    let (service, _) = find(&changes, &name)?;
    let (given, name) = named_destination(request)?;
    let key = destination_key(&name, &service, &given)?;
    // There is none on a port that there cannot be.
    let range =
        Range::one(key).map_err(|_| refuse(Refusal::NoDestination).about(given.get(dest::PORT)))?;
    let change = changes
        .delete_destinations(&service, &range, cut.is_some())
        .map_err(|failure| failed(failure).about(given.get(dest::ADDR)))?;
    end(ns, change, cut);
    Ok(())
}

/// Connections are not synchronised.
fn change_daemon<'a>(request: &Request<'a>) -> Answer<'a> {
    let nested = request.nested(top::DAEMON, Nest::IpvsDaemon)?;
    let given = nested
        .ok_or_else(|| genetlink::Refusal::missing(top::DAEMON, Refusal::IpvsDaemonParts.text()))?;
    let needed: &[u16] = match request.command() {
        command::NEW_DAEMON => &[daemon::STATE, daemon::MCAST_IFN, daemon::SYNC_ID],
        _ => &[daemon::STATE],
    };
    let refusal = if needed.iter().all(|id| given.get(*id).is_some()) {
        Refusal::IpvsDaemon
    } else {
        Refusal::IpvsDaemonParts
    };
    Err(refuse(refusal).about(request.get(top::DAEMON)))
}

/// The attributes with the timeouts, in the order of [`Tunable::ALL`].
const TIMEOUTS: [u16; Tunable::ALL.len()] =
    [top::TIMEOUT_TCP, top::TIMEOUT_TCP_FIN, top::TIMEOUT_UDP];

fn set_config<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let mut change = TimeoutChange::default();
    for (id, seconds) in TIMEOUTS.into_iter().zip(change.0.iter_mut()) {
        let attribute = request.get(id);
        let given = ipvs::timeout(attribute.map(Attribute::payload), MOST_SECONDS);
        *seconds = given.map_err(|refusal| refuse(refusal).about(attribute))?;
    }
    Transaction::begin(ns).set_timeouts(&change);
    Ok(())
}

fn get_config<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    request.reply_as(command::SET_CONFIG, |out| {
        for (id, tunable) in TIMEOUTS.into_iter().zip(Tunable::ALL) {
            out.u32(id, ns.state().timeouts.in_force(tunable))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn get_info<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    request.reply_as(command::SET_INFO, |out| {
        out.u32(info::VERSION, ipvs::VERSION)?;
        out.u32(info::CONN_TAB_SIZE, ns.state().buckets())
    })?;
    Ok(())
}

fn zero<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    if request.get(top::SERVICE).is_none() {
        return Transaction::begin(ns).zero(None).map_err(failed);
    }
    let (_, name) = named(request)?;
    let changes = Transaction::begin(ns);
    let (key, _) = find(&changes, &name)?;
    changes.zero(Some(&key)).map_err(failed)
}

fn flush<'a>(ns: &Handle<'_, State>) -> Answer<'a> {
    let cut = prepare_cut(ns, false)?;
    let change = Transaction::begin(ns)
        .flush(cut.is_some())
        .map_err(failed)?;
    end(ns, change, cut);
    Ok(())
}
