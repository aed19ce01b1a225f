// SPDX-License-Identifier: GPL-2.0

//! The destinations of all services by their ends: which one a packet without an entry comes from.
//!
//! Published under RCU with what it is made from, and never changed in place.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    backends::{self, End},
    refusal::Refusal,
};

use crate::services::Destination;

/// A destination, and whether its service schedules each packet by itself.
pub(crate) struct Backend {
    end: End,
    is_one_packet: bool,
    pub(crate) destination: Arc<Destination>,
}

impl Backend {
    pub(crate) fn new(destination: &Arc<Destination>, is_one_packet: bool) -> Self {
        Self {
            end: End::new(&destination.service_key, &destination.key),
            is_one_packet,
            destination: destination.clone(),
        }
    }
}

impl backends::Backend for Backend {
    #[inline]
    fn end(&self) -> End {
        self.end
    }

    #[inline]
    fn is_one_packet(&self) -> bool {
        self.is_one_packet
    }
}

/// The destinations of a namespace in the order of their ends. Deleted ones are not among them.
#[derive(Default)]
pub(crate) struct Backends {
    sorted: KVVec<Backend>,
    has_one_packet: bool,
}

impl Backends {
    /// These destinations, in any order.
    ///
    /// # Errors
    ///
    /// [`Refusal::SharedDestination`].
    pub(crate) fn new(mut all: KVVec<Backend>) -> Result<Self, Refusal> {
        backends::sort(&mut all);
        backends::check(&all)?;
        Ok(Self {
            has_one_packet: all.iter().any(|backend| backend.is_one_packet),
            sorted: all,
        })
    }

    /// The destination that a packet from `end` comes from. `is_local` tells whether the address is
    /// the host's.
    #[inline]
    pub(crate) fn find(&self, end: End, is_local: impl FnOnce() -> bool) -> Option<&Backend> {
        backends::find(&self.sorted, end, is_local)
    }

    /// The same, of services that schedule each packet by itself.
    #[inline]
    pub(crate) fn find_one_packet(
        &self,
        end: End,
        is_local: impl FnOnce() -> bool,
    ) -> Option<&Arc<Destination>> {
        if !self.has_one_packet {
            return None;
        }
        let found = self.find(end, is_local)?;
        found.is_one_packet.then_some(&found.destination)
    }

    /// The destinations of the end's protocol, port and family, on whichever address.
    #[inline]
    pub(crate) fn on_port(&self, end: End) -> impl Iterator<Item = &Arc<Destination>> {
        backends::on_port(&self.sorted, end).map(|backend| &backend.destination)
    }
}
