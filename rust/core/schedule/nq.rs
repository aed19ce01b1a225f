// SPDX-License-Identifier: GPL-2.0

//! Never queue: an idle destination if there is one, however slow it is, and else the one with the
//! shortest expected delay.

use super::{eligible, sed::Sed, Destinations};

/// The never queue scheduler. A choice looks at every destination until one is idle, and at all
/// once more when none is.
///
/// UDP flows count as active, which they never do in IPVS: there every destination always looks
/// idle, and one gets all of them.
#[derive(Clone, Debug, Default)]
pub struct Nq;

impl Nq {
    /// The first destination without active connections, or else what [`Sed`] chooses.
    pub fn pick<D: Destinations>(&self, destinations: &D) -> Option<usize> {
        let idle =
            |index: &usize| eligible(destinations, *index) && destinations.active(*index) == 0;
        let mut all = 0..destinations.len();
        all.find(idle).or_else(|| Sed.pick(destinations))
    }
}
