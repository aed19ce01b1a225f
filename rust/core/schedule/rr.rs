// SPDX-License-Identifier: GPL-2.0

//! Round robin: each destination in turn, whatever its weight, unless that is 0.

use super::{eligible, Destinations};

/// The round robin scheduler. A choice usually looks at one destination.
#[derive(Clone, Debug, Default)]
pub struct Rr {
    /// The destination whose turn is next; may be one past the last.
    next: usize,
}

impl Rr {
    /// The next destination that can be chosen.
    pub fn pick<D: Destinations>(&mut self, destinations: &D) -> Option<usize> {
        let len = destinations.len();
        let start = self.next.min(len);
        let index = (start..len)
            .chain(0..start)
            .find(|index| eligible(destinations, *index))?;
        self.next = index.saturating_add(1);
        Some(index)
    }
}
