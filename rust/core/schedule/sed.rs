// SPDX-License-Identifier: GPL-2.0

//! Shortest expected delay: the destination that would have the fewest active connections for its
//! weight with this one more.

use super::{
    least::{expected, least},
    Destinations,
};

/// The shortest expected delay scheduler. A choice looks at every destination.
///
/// UDP flows count as active, which they never do in IPVS: there the heaviest destination gets all
/// of them.
#[derive(Clone, Debug, Default)]
pub struct Sed;

impl Sed {
    /// Of several destinations with the same delay, the first is chosen.
    pub fn pick<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        let load = |index| expected(destinations, index);
        let weight = |index| destinations.weight(index);
        least(destinations, 0..destinations.len(), load, weight)
    }
}
