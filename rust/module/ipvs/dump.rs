// SPDX-License-Identifier: GPL-2.0

//! Lists for ip_vs's clients.

use rlvs_kext::{
    errno,
    genetlink::{DumpMessage, Nest},
    netns::Handle,
    uapi::ipvs::{command, request as top},
};

use super::{service::service_name, write};
use crate::{netlink::extack::Outcome, state::State};

/// The position of a list.
#[derive(Default)]
pub(crate) struct Dump {
    /// The number of records that were written.
    written: usize,
}

impl Dump {
    /// Writes what fits. Returns `true` if that was the rest.
    pub(super) fn next<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        match out.command() {
            command::GET_SERVICE => self.services(ns, out),
            command::GET_DEST => self.destinations(ns, out),
            // Connections are not synchronised: there is no daemon.
            command::GET_DAEMON => Ok(true),
            _ => Err(errno::not_supported().into()),
        }
    }

    fn services<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        let config = ns.state().config.lock();
        let services = config.services();
        Ok(out.records_as(
            command::NEW_SERVICE,
            &mut self.written,
            services,
            |out, configured| write::service(out, configured),
        )?)
    }

    /// Writes the destinations of a service; none if it does not exist, which is no error of ip_vs.
    fn destinations<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        let Ok(Some(given)) = out.nested(top::SERVICE, Nest::IpvsService) else {
            return Ok(true);
        };
        let Ok(key) = service_name(&given).and_then(|name| name.key()) else {
            return Ok(true);
        };
        let config = ns.state().config.lock();
        let Some(configured) = config.find(&key) else {
            return Ok(true);
        };
        let destinations = &configured.destinations;
        Ok(out.records_as(
            command::NEW_DEST,
            &mut self.written,
            destinations,
            |out, of| write::destination(out, of),
        )?)
    }
}
