// SPDX-License-Identifier: GPL-2.0

//! The two address families, so that packet handling is written once for both.

use kernel::sync::{atomic::Atomic, Arc};
use rlvs_core::address::{Endpoint, Ip, V4, V6};
use rlvs_kext::{
    flow_table::Key,
    net::{Ends, Net},
    netfilter,
};

use crate::{
    state::State,
    table::{connection::Table, steered, template, unanswered::Retries},
};

/// An address family: its addresses, and where its connections are.
pub(crate) trait Family: Ip<Words: Key> {
    /// The family as netfilter has it.
    const HOOKS: netfilter::Family;

    /// The namespace's connections of this family.
    fn connections(state: &State) -> &Arc<Table<Self>>;

    /// The namespace's templates of this family.
    fn templates(state: &State) -> &Arc<template::Table<Self>>;

    /// The namespace's first packets of this family that are not yet answered.
    fn retries(state: &State) -> &Retries<Self>;

    /// The namespace's steered connections of this family.
    fn steered(state: &State) -> &Arc<steered::Table<Self>>;

    /// Whether connection tracking follows packets of this family in the namespace:
    /// [`crate::tracking`].
    fn tracked(state: &State) -> &Atomic<bool>;

    /// The ends of a connection, as sockets are looked up.
    fn ends<'a>(local: &'a Endpoint<Self>, remote: &'a Endpoint<Self>) -> Ends<'a>;

    /// Whether the address is one of the host's, outside of VRFs.
    fn is_local(&self, net: &Net) -> bool;
}

impl Family for V4 {
    const HOOKS: netfilter::Family = netfilter::Family::Ipv4;

    #[inline]
    fn connections(state: &State) -> &Arc<Table<Self>> {
        &state.connections4
    }

    #[inline]
    fn templates(state: &State) -> &Arc<template::Table<Self>> {
        &state.templates4
    }

    #[inline]
    fn retries(state: &State) -> &Retries<Self> {
        &state.retries4
    }

    #[inline]
    fn steered(state: &State) -> &Arc<steered::Table<Self>> {
        &state.steered4
    }

    #[inline]
    fn tracked(state: &State) -> &Atomic<bool> {
        &state.tracked.v4
    }

    #[inline]
    fn ends<'a>(local: &'a Endpoint<Self>, remote: &'a Endpoint<Self>) -> Ends<'a> {
        Ends::v4(
            (&local.address.0, local.port),
            (&remote.address.0, remote.port),
        )
    }

    fn is_local(&self, net: &Net) -> bool {
        net.is_local4(&self.0)
    }
}

impl Family for V6 {
    const HOOKS: netfilter::Family = netfilter::Family::Ipv6;

    #[inline]
    fn connections(state: &State) -> &Arc<Table<Self>> {
        &state.connections6
    }

    #[inline]
    fn templates(state: &State) -> &Arc<template::Table<Self>> {
        &state.templates6
    }

    #[inline]
    fn retries(state: &State) -> &Retries<Self> {
        &state.retries6
    }

    #[inline]
    fn steered(state: &State) -> &Arc<steered::Table<Self>> {
        &state.steered6
    }

    #[inline]
    fn tracked(state: &State) -> &Atomic<bool> {
        &state.tracked.v6
    }

    #[inline]
    fn ends<'a>(local: &'a Endpoint<Self>, remote: &'a Endpoint<Self>) -> Ends<'a> {
        Ends::v6(
            (&local.address.0, local.port),
            (&remote.address.0, remote.port),
        )
    }

    fn is_local(&self, net: &Net) -> bool {
        net.is_local6(&self.0)
    }
}
