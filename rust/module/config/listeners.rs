// SPDX-License-Identifier: GPL-2.0

//! The listeners of events: sockets that have joined the netlink group.

use rlvs_kext::{genetlink, net::Net};

/// The listeners of a namespace, as of the last look.
/// Guarded by: the config mutex.
#[derive(Default)]
pub(crate) struct Listeners {
    present: bool,
    /// How often a socket of any namespace had joined.
    joins: u32,
    /// A socket has joined since.
    newcomer: bool,
}

impl Listeners {
    /// Returns `true` if there were listeners.
    pub(crate) fn are_present(&self) -> bool {
        self.present
    }

    /// Looks for listeners before there is a destination, of which something could be reported. May
    /// sleep.
    pub(crate) fn begin(&mut self, net: &Net) {
        self.look(net);
    }

    /// Looks for listeners. Returns `true` if one of them may be new, and has to get the condition
    /// of every destination. May sleep.
    pub(crate) fn look(&mut self, net: &Net) -> bool {
        let were_present = self.present;
        let joins = genetlink::join_count();
        self.present = genetlink::has_listeners(net);
        // Joining is counted a moment before the kernel adds the socket, so that one that joins
        // others is new at the next look. The first one is there already.
        let first = u32::from(!were_present && self.present);
        let is_newcomer = joins.wrapping_sub(self.joins) > first;
        let was_newcomer = core::mem::replace(&mut self.newcomer, is_newcomer);
        self.joins = joins;
        was_newcomer || !were_present
    }
}
