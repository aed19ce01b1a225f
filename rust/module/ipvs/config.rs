// SPDX-License-Identifier: GPL-2.0

//! Requests about timeouts, the version, and daemons.

use rlvs_core::{connection::timeout::Tunable, ipvs, refusal::Refusal};
use rlvs_kext::{
    genetlink::{self, Attribute, Nest, Request},
    netns::Handle,
    uapi::ipvs::{command, daemon, info, request as top, MOST_SECONDS},
};

use crate::{
    change::Transaction,
    netlink::extack::{refuse, Outcome},
    service::timeouts::TimeoutChange,
    state::State,
};

/// The attributes with the timeouts, in the order of [`Tunable::ALL`].
const TIMEOUTS: [u16; Tunable::ALL.len()] =
    [top::TIMEOUT_TCP, top::TIMEOUT_TCP_FIN, top::TIMEOUT_UDP];

/// Refuses a daemon, as connections are not synchronised.
pub(super) fn change_daemon<'a>(request: &Request<'a>) -> Outcome<'a> {
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

pub(super) fn set_config<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let mut change = TimeoutChange::default();
    for (id, seconds) in TIMEOUTS.into_iter().zip(change.0.iter_mut()) {
        let attribute = request.get(id);
        let given = ipvs::timeout(attribute.map(Attribute::payload), MOST_SECONDS);
        *seconds = given.map_err(|refusal| refuse(refusal).about(attribute))?;
    }
    Transaction::begin(ns).set_timeouts(&change);
    Ok(())
}

pub(super) fn get_config<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    request.reply_as(command::SET_CONFIG, |out| {
        for (id, tunable) in TIMEOUTS.into_iter().zip(Tunable::ALL) {
            out.u32(id, ns.state().timeouts.in_force(tunable))?;
        }
        Ok(())
    })?;
    Ok(())
}

pub(super) fn get_info<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    request.reply_as(command::SET_INFO, |out| {
        out.u32(info::VERSION, ipvs::VERSION)?;
        out.u32(info::CONN_TAB_SIZE, ns.state().buckets())
    })?;
    Ok(())
}
