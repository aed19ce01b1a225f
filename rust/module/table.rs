// SPDX-License-Identifier: GPL-2.0

//! What is looked up for packets, or counts them: connections, templates, records, ports.

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::memory::KEPT;

use crate::family::IpFamily;

pub(crate) mod ceiling;
pub(crate) mod connection;
pub(crate) mod cursor;
pub(crate) mod key;
pub(crate) mod ports;
pub(crate) mod socket;
pub(crate) mod steered;
pub(crate) mod template;
pub(crate) mod unanswered;

/// The tables of one address family in a network namespace.
pub(crate) struct Tables<A: IpFamily> {
    /// Entries of connections that are rewritten.
    pub(crate) connections: Arc<connection::Table<A>>,
    /// Templates of persistent services.
    pub(crate) templates: Arc<template::TemplateTable<A>>,
    /// First packets that are not answered yet.
    pub(crate) unanswered: Pin<KVBox<unanswered::UnansweredSlots<A>>>,
    /// Records of steered connections.
    pub(crate) steered: Arc<steered::SteeredTable<A>>,
}

impl<A: IpFamily> Tables<A> {
    /// Makes empty tables, around that of connections. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(connections: Arc<connection::Table<A>>) -> Result<Self> {
        Ok(Self {
            connections,
            templates: Arc::pin_init(template::TemplateTable::<A>::new(), KEPT)?,
            unanswered: KVBox::pin_init(unanswered::UnansweredSlots::new(), KEPT)?,
            steered: Arc::pin_init(steered::SteeredTable::<A>::new(), KEPT)?,
        })
    }

    /// Returns what `conn_max` bounds: entries, templates and records; other CPUs may be changing
    /// it.
    pub(crate) fn used(&self) -> u32 {
        let entries = self.connections.len().saturating_add(self.templates.len());
        entries.saturating_add(self.steered.len())
    }

    /// Returns `true` if no packet of a connection is expected any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.connections.is_empty() && self.templates.is_empty() && self.steered.is_empty()
    }
}
