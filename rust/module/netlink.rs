// SPDX-License-Identifier: GPL-2.0

//! Netlink requests: from attributes to the configuration, and back.
//!
//! A request is read and checked as a whole, then carried out by [`crate::change`] under the
//! configuration's mutex. Refusals have their texts in `rlvs_core::refusal`.

use rlvs_kext::{
    errno,
    genetlink::{DumpMessage, Family, Name, Request},
    netns::Handle,
    uapi::command,
};

use crate::state::State;
use extack::Outcome;

mod counters;
mod destination;
mod dump;
pub(crate) mod extack;
mod service;
mod timeouts;
mod write;

/// The module's own family.
pub(crate) struct Rlvs;

impl Family for Rlvs {
    const NAME: Name = Name::Rlvs;

    type State = State;
    type Dump = dump::Dump;

    fn request<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
        match request.command() {
            command::SERVICE_ADD => service::add(ns, request),
            command::SERVICE_SET => service::set(ns, request),
            command::SERVICE_DEL => service::delete(ns, request),
            command::SERVICE_ZERO => service::zero(ns, request),
            command::SERVICE_GET => service::get(ns, request),
            command::DESTINATION_ADD => destination::add(ns, request),
            command::DESTINATION_SET => destination::set(ns, request),
            command::DESTINATION_DEL => destination::delete(ns, request),
            command::COUNTERS_GET => counters::get(ns, request),
            command::FLUSH => service::flush(ns, request),
            command::TIMEOUTS_GET => timeouts::get(ns, request),
            command::TIMEOUTS_SET => timeouts::set(ns, request),
            _ => Err(errno::not_supported().into()),
        }
    }

    fn dump<'a>(
        ns: &Handle<'_, State>,
        dump: &mut Self::Dump,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        dump.next(ns, out)
    }
}
