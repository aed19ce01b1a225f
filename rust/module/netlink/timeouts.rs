// SPDX-License-Identifier: GPL-2.0

//! Requests about the timeouts of a namespace.

use rlvs_core::connection::timeout::Tunable;
use rlvs_kext::{
    genetlink::{Attribute, Request},
    netns::Handle,
    uapi::timeouts,
};

use super::extack::{refuse, Outcome};
use crate::{change::Transaction, service::timeouts::TimeoutChange, state::State};

/// The attributes with the timeouts of a namespace, in the order of [`Tunable::ALL`].
const TIMEOUTS: [u16; Tunable::ALL.len()] = [timeouts::TCP, timeouts::TCP_FIN, timeouts::UDP];

/// Returns the timeouts that a request sets with these attributes.
pub(super) fn timeout_change<'a>(
    request: &Request<'a>,
    ids: [u16; Tunable::ALL.len()],
) -> Outcome<'a, TimeoutChange> {
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

pub(super) fn set<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    let change = timeout_change(request, TIMEOUTS)?;
    Transaction::begin(ns).set_timeouts(&change);
    Ok(())
}

/// Replies with the timeouts in force, the default where none is set.
pub(super) fn get<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    request.reply(|out| {
        for (id, tunable) in TIMEOUTS.into_iter().zip(Tunable::ALL) {
            out.u32(id, ns.state().timeouts.in_force(tunable))?;
        }
        Ok(())
    })?;
    Ok(())
}
