// SPDX-License-Identifier: GPL-2.0

//! Weighted least connections: the destination with the fewest connections for its weight.

use super::{
    least::{least, overhead},
    Destinations,
};

/// The weighted least connections scheduler. A choice looks at every destination.
#[derive(Clone, Debug, Default)]
pub struct Wlc;

impl Wlc {
    /// Of several destinations with the same load for their weight, the first is chosen.
    pub fn pick<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        let load = |index| overhead(destinations, index);
        let weight = |index| destinations.weight(index);
        least(destinations, 0..destinations.len(), load, weight)
    }
}
