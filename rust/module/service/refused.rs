// SPDX-License-Identifier: GPL-2.0

//! Which destinations have refused a connection.

use rlvs_core::schedule::choice::MAX_TRIES;

use super::destination::Destination;

/// The destinations that have refused a connection, and the one that has it now.
#[derive(Clone, Copy, Default)]
pub(crate) struct RefusedBy {
    /// Their numbers among the destinations of the service, for as long as it lives.
    numbers: [u32; MAX_TRIES],
    count: usize,
}

impl RefusedBy {
    /// Adds a destination, unless [`MAX_TRIES`] are there.
    pub(crate) fn add(&mut self, destination: &Destination) {
        if let Some(place) = self.numbers.get_mut(self.count) {
            *place = destination.counts.observer().number();
            self.count = self.count.saturating_add(1);
        }
    }

    /// Returns `true` if as many as may be tried have refused.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= MAX_TRIES
    }

    /// Returns `true` if the destination is one of them.
    #[inline]
    pub(crate) fn contains(&self, destination: &Destination) -> bool {
        let mut known = self.numbers.iter().take(self.count);
        self.count != 0 && known.any(|number| *number == destination.counts.observer().number())
    }
}
