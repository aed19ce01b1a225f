// SPDX-License-Identifier: GPL-2.0

//! Dumps: lists that may need more than one message.

use rlvs_core::{
    address::{Ip, V4, V6},
    refusal::Refusal,
};
use rlvs_kext::{
    errno,
    flow_table::NoReply,
    genetlink::{DumpMessage, Nest, Record},
    netns::Handle,
    uapi::{command, destination},
};

use super::{
    extack::{refuse, Outcome},
    service::nested_key,
    write,
};
use crate::{
    state::{InState, State},
    table::{connection::Connection, cursor::Walk, key, template::Template},
};

type Connections<A> = Walk<<A as Ip>::Words, Connection<A>>;
type Templates<A> = Walk<<A as Ip>::Words, Template<A>, NoReply>;

/// The position of a dump.
#[derive(Default)]
pub(crate) struct Dump {
    /// The number of records of a list that were written.
    written: usize,
    connections4: Connections<V4>,
    connections6: Connections<V6>,
    templates4: Templates<V4>,
    templates6: Templates<V6>,
}

impl Dump {
    /// Writes what fits. Returns `true` if that was the rest.
    pub(super) fn next<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        match out.command() {
            command::SERVICE_GET => self.services(ns, out),
            command::DESTINATION_GET => self.destinations(ns, out),
            command::CONNECTION_GET => Ok(connections::<V4>(&mut self.connections4, ns, out)?
                && connections::<V6>(&mut self.connections6, ns, out)?),
            command::TEMPLATE_GET => Ok(all_templates::<V4>(&mut self.templates4, ns, out)?
                && all_templates::<V6>(&mut self.templates6, ns, out)?),
            _ => Err(errno::not_supported().into()),
        }
    }

    fn services<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        let config = ns.state().config.lock();
        out.generation(config.generation());
        let services = config.services();
        Ok(out.records_as(
            command::SERVICE_GET,
            &mut self.written,
            services,
            |out, configured| write::service(out, configured, ns.net()),
        )?)
    }

    fn destinations<'a>(
        &mut self,
        ns: &Handle<'_, State>,
        out: &mut DumpMessage<'a>,
    ) -> Outcome<'a, bool> {
        let key = nested_key(out.nested(destination::SERVICE, Nest::Service)?)?;
        let config = ns.state().config.lock();
        out.generation(config.generation());
        let configured = config
            .find(&key)
            .ok_or_else(|| refuse(Refusal::NoService))?;
        let destinations = &configured.destinations;
        let command = command::DESTINATION_GET;
        Ok(
            out.records_as(command, &mut self.written, destinations, |out, of| {
                write::destination(out, configured, of, ns)
            })?,
        )
    }
}

/// Writes entries of one family. Returns `true` if that was the rest.
fn connections<'a, A: InState>(
    walk: &mut Connections<A>,
    ns: &Handle<'_, State>,
    out: &mut DumpMessage<'a>,
) -> Outcome<'a, bool> {
    let timeouts = &ns.state().timeouts;
    let table = &A::tables(ns.state()).connections;
    let rest = walk.go_on(ns, table, |entry| {
        let record = out.record(|out| {
            write::connection(out, entry, timeouts)?;
            write::device(out, key::zone::<A, _, _>(table, entry))
        })?;
        Ok(record == Record::Written)
    });
    Ok(rest?)
}

/// Writes templates of one family. Returns `true` if that was the rest.
fn all_templates<'a, A: InState>(
    walk: &mut Templates<A>,
    ns: &Handle<'_, State>,
    out: &mut DumpMessage<'a>,
) -> Outcome<'a, bool> {
    let table = &A::tables(ns.state()).templates;
    let rest = walk.go_on(ns, table, |template| {
        let record = out.record(|out| {
            write::template(out, template)?;
            write::device(out, key::zone::<A, _, _>(table, template))
        })?;
        Ok(record == Record::Written)
    });
    Ok(rest?)
}
