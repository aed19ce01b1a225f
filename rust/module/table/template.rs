// SPDX-License-Identifier: GPL-2.0

//! Persistence templates: the destination that a client's next connections are given to.
//!
//! A template is found by a client's network and what the client sends to. It is no connection's
//! entry: no packet but the first of a connection looks for it. The connections that it led hold
//! its [`TemplateRef`], which counts them.

use core::marker::PhantomData;
use kernel::sync::{rcu::Guard, Arc};
use rlvs_core::{
    address::{Endpoint, Protocol},
    connection::tuple::Tuple,
    persistence::{self, TemplateRef},
};
use rlvs_kext::{
    bh::LocalBhDisabled,
    flow_table::{Flow, FlowTable, NoReply, Refused},
    memory::kept_by_packet,
};

use crate::{family::IpFamily, primitives::Word, service::Destination, table::key};

/// Value of a template, besides its key.
pub(crate) struct Template<A> {
    destination: Arc<Destination>,
    template_ref: Arc<TemplateRef<Word>>,
    /// How many leading bits of the client's address count.
    prefix: u8,
    family: PhantomData<A>,
}

/// The templates of one family.
pub(crate) type TemplateTable<A> =
    FlowTable<<A as rlvs_core::address::Ip>::Words, Template<A>, NoReply>;

/// One template.
pub(crate) type TemplateEntry<A> = Flow<<A as rlvs_core::address::Ip>::Words, Template<A>, NoReply>;

impl<A: IpFamily> Template<A> {
    /// Returns the destination.
    pub(crate) fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// Returns what its connections hold.
    pub(crate) fn template_ref(&self) -> &Arc<TemplateRef<Word>> {
        &self.template_ref
    }

    /// How many leading bits of the client's address count.
    pub(crate) fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns `true` if it can go: its destination was deleted, or its time is over.
    pub(crate) fn is_over(&self, now: u32) -> bool {
        let seconds = self.destination.timeouts.persistence();
        self.destination.is_deleted() || self.template_ref.is_over(seconds, now)
    }

    /// Returns `true` if it leads a new connection. To a quiesced destination only `to_quiesced`;
    /// the thresholds of a destination do not matter.
    fn leads(&self, now: u32, to_quiesced: bool) -> bool {
        !self.is_over(now) && (to_quiesced || self.destination.weight() != 0)
    }
}

/// The place of a client's template in the table.
pub(crate) struct Place<A: IpFamily> {
    /// Ends of the network, which has no port, and of the service.
    key: Tuple<A>,
    prefix: u8,
    zone: u32,
}

impl<A: IpFamily> Place<A> {
    /// Returns the place of the clients of a zone that share `prefix` leading bits with `client`,
    /// at `service`, which has the address that the client used.
    pub(crate) fn new(
        protocol: Protocol,
        (client, service): (Endpoint<A>, Endpoint<A>),
        prefix: u8,
        zone: u32,
    ) -> Self {
        let network = Endpoint {
            address: persistence::network(client.address, prefix),
            port: 0,
        };
        Self {
            key: Tuple::inbound(protocol, network, service),
            prefix,
            zone,
        }
    }

    /// Returns the template that leads a new connection. Removes one that leads none any more.
    pub(crate) fn find<'a>(
        &self,
        table: &'a TemplateTable<A>,
        now: u32,
        to_quiesced: bool,
        guard: &'a Guard,
        bh: &LocalBhDisabled,
    ) -> Option<&'a TemplateEntry<A>> {
        let found = table.find(&key::hashed(table, &self.key, self.zone), guard)?;
        if found.leads(now, to_quiesced) {
            return Some(found);
        }
        remove(table, found, bh);
        None
    }

    /// Makes a template that leads to `destination`, or returns that of another CPU, which was
    /// quicker. Returns `None` if memory is short.
    pub(crate) fn make<'a>(
        &self,
        table: &'a TemplateTable<A>,
        destination: &Arc<Destination>,
        now: u32,
        guard: &'a Guard,
        bh: &LocalBhDisabled,
    ) -> Option<&'a TemplateEntry<A>> {
        let template = Template {
            destination: destination.clone(),
            template_ref: Arc::new(TemplateRef::new(now), kept_by_packet()).ok()?,
            prefix: self.prefix,
            family: PhantomData,
        };
        let key = key::hashed(table, &self.key, self.zone);
        match table.insert(key, template, guard, bh) {
            Ok(made) => {
                destination.template_made();
                Some(made)
            }
            Err(Refused::Exists(other) | Refused::Conflict(other)) => Some(other),
            Err(Refused::NoMemory) => None,
        }
    }
}

/// Returns the protocol, the clients' network and the service's end, from a template's key.
pub(crate) fn key<A: IpFamily>(template: &TemplateEntry<A>) -> (Protocol, A, Endpoint<A>) {
    let tuple = Tuple::<A>::from_words(template.inbound_key());
    (
        tuple.protocol(),
        tuple.source().address,
        tuple.destination(),
    )
}

/// Removes a template, unless another CPU did.
pub(crate) fn remove<A: IpFamily>(
    table: &TemplateTable<A>,
    template: &TemplateEntry<A>,
    bh: &LocalBhDisabled,
) {
    if table.remove(template, bh) {
        template.destination.template_gone();
    }
}
