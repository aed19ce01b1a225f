// SPDX-License-Identifier: GPL-2.0

//! What the module does in a network namespace: its hooks, its files in `/proc/net`, and the work
//! that runs once a second. [`State`] is the data of it.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::address::{V4, V6};
use rlvs_kext::{
    netfilter::HookSpec,
    netns::{FileSpec, Handle, Namespace, Setup},
};

use crate::{
    ipvs,
    packet::{Incoming, LocalClient, Reply, Steering},
    periodic::expire,
    state::State,
    table::connection::Cache,
};

impl Namespace for State {
    /// The memory of the entries of all namespaces.
    type Shared = Arc<Cache>;

    const HOOKS: &'static [HookSpec<Self>] = &[
        HookSpec::of::<Incoming<V4>>(),
        HookSpec::of::<Incoming<V6>>(),
        HookSpec::of::<LocalClient<V4>>(),
        HookSpec::of::<LocalClient<V6>>(),
        HookSpec::of::<Reply<V4>>(),
        HookSpec::of::<Reply<V6>>(),
        HookSpec::of::<Steering<V4>>(),
        HookSpec::of::<Steering<V6>>(),
    ];

    const FILES: &'static [FileSpec<Self>] = ipvs::FILES;

    const TICK_MS: u32 = 1000;

    fn new(setup: &Setup<'_, Self>) -> impl PinInit<Self, Error> {
        State::new(setup)
    }

    fn tick(ns: &Handle<'_, Self>) {
        expire::tick(ns);
    }
}
