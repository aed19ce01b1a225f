// SPDX-License-Identifier: GPL-2.0

//! The netlink family of ip_vs, for ipvsadm, keepalived and other clients of it.
//!
//! It is a second way to the one configuration: requests are carried out by [`crate::change`], and
//! nothing is kept for this family. What the requests mean is in `rlvs_core::ipvs`; the order of the
//! checks and the error numbers are those of ip_vs, with texts added. Lists are in [`dump`], the
//! attributes of services and destinations in [`write`]; the files that ip_vs has in `/proc/net` are
//! in [`proc`].

use kernel::prelude::*;
use rlvs_kext::{
    errno,
    genetlink::{self, DumpMessage, Family, Name, Request},
    net::Net,
    netns::Handle,
    ratelimit,
    uapi::ipvs::command,
};

use crate::{netlink::extack::Outcome, state::State};

pub(crate) use proc::FILES;

mod config;
mod destination;
mod dump;
mod proc;
mod service;
mod write;

/// The family.
pub(crate) struct Ipvs;

impl Family for Ipvs {
    const NAME: Name = Name::Ipvs;

    type State = State;
    type Dump = dump::Dump;

    fn request<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
        let outcome = carry_out(ns, request);
        if let Err(refusal) = &outcome {
            log_unsupported(ns.net(), refusal);
        }
        outcome
    }

    fn dump<'a>(
        ns: &Handle<'_, State>,
        dump: &mut Self::Dump,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        dump.next(ns, out)
    }
}

/// Logs a refusal of what ip_vs can do and this module cannot: its clients show another meaning of
/// that error number, and no texts.
fn log_unsupported(net: &Net, refusal: &genetlink::Refusal<'_>) {
    if refusal.error() != errno::not_supported() || !ratelimit::passes(net) {
        return;
    }
    if let Some(text) = refusal.text() {
        pr_notice!("a request of ip_vs's family was refused: {text}\n");
    }
}

fn carry_out<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Outcome<'a> {
    match request.command() {
        command::NEW_SERVICE => service::new(ns, request),
        command::SET_SERVICE => service::set(ns, request),
        command::DEL_SERVICE => service::delete(ns, request),
        command::GET_SERVICE => service::get(ns, request),
        command::NEW_DEST => destination::new(ns, request),
        command::SET_DEST => destination::set(ns, request),
        command::DEL_DEST => destination::delete(ns, request),
        command::NEW_DAEMON | command::DEL_DAEMON => config::change_daemon(request),
        command::SET_CONFIG => config::set_config(ns, request),
        command::GET_CONFIG => config::get_config(ns, request),
        command::GET_INFO => config::get_info(ns, request),
        command::ZERO => service::zero(ns, request),
        command::FLUSH => service::flush(ns),
        _ => Err(errno::not_supported().into()),
    }
}
