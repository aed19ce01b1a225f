// SPDX-License-Identifier: GPL-2.0

//! Join the shortest queue: the destination whose process has the fewest connections waiting to be
//! accepted, for its weight. IPVS has no such scheduler.
//!
//! (W. Winston, "Optimality of the Shortest Line Discipline", Journal of Applied Probability 14(1),
//! 1977.)

use super::{
    destinations::{eligible, Destinations, Request},
    least::Load,
};
use crate::heard::Sample;

/// The join the shortest queue scheduler. A choice asks for the queue of every destination: the
/// sockets change without a notice. Of more than [`crate::heard::MANY`], as many are asked,
/// from a random one on.
pub struct Jsq;

impl Jsq {
    /// Returns the destination with the shortest queue for its weight; of queues that are equally
    /// long, that of the destination with the fewest active connections for its weight; of those
    /// that are equal in this as well, the first from a random one on.
    pub fn pick<D: Destinations>(&self, destinations: &D, request: &Request) -> Option<usize> {
        let [random, _] = request.random;
        let candidates = Sample::new(destinations.len(), random).indices(|_| None);
        // Of equals, min_by_key() takes the first.
        candidates
            .filter(|index| eligible(destinations, *index))
            .filter_map(|index| {
                let weight = destinations.weight(index);
                let queue = Load::new(u64::from(destinations.queue(index)?), weight)?;
                Some((queue, Load::expected(destinations, index)?, index))
            })
            .min_by_key(|(queue, load, _)| (*queue, *load))
            .map(|(_, _, index)| index)
    }
}
