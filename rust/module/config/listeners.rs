// SPDX-License-Identifier: GPL-2.0

//! The listeners to events.

use rlvs_kext::{genetlink, net::Net};

/// Who listens in a namespace, as it was when that was last looked at.
#[derive(Default)]
pub(crate) struct Listeners {
    present: bool,
    /// How often somebody had joined.
    joins: u32,
    /// Somebody has joined since.
    newcomer: bool,
}

impl Listeners {
    /// Whether somebody listened.
    pub(crate) fn are_present(&self) -> bool {
        self.present
    }

    /// Looks who listens now, before the first destination is there: nobody has been told anything
    /// that is to be remembered. May sleep.
    pub(crate) fn begin(&mut self, net: &Net) {
        self.look(net);
    }

    /// Looks who listens now; whether a listener has to be told everything. May sleep.
    pub(crate) fn look(&mut self, net: &Net) -> bool {
        let were_present = self.present;
        let joins = genetlink::join_count();
        self.present = genetlink::has_listeners(net);
        // Joining is counted a moment before the joining: who joins others is told a look later. The
        // first one is there already.
        let first = u32::from(!were_present && self.present);
        let is_newcomer = joins.wrapping_sub(self.joins) > first;
        let is_told = core::mem::replace(&mut self.newcomer, is_newcomer);
        self.joins = joins;
        is_told || !were_present
    }
}
