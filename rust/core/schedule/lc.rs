// SPDX-License-Identifier: GPL-2.0

//! Least connections: the destination with the fewest connections, whatever its weight.

use super::{
    least::{least, overhead},
    Destinations,
};

/// The least connections scheduler. A choice looks at every destination.
#[derive(Clone, Debug, Default)]
pub struct Lc;

impl Lc {
    /// Of several destinations with the same load, the first is chosen.
    pub fn pick<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        let load = |index| overhead(destinations, index);
        least(destinations, 0..destinations.len(), load, |_| 1)
    }
}
