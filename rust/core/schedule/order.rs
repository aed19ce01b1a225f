// SPDX-License-Identifier: GPL-2.0

//! The destinations from the heaviest to the lightest.

use core::cmp::Reverse;

use super::{eligible, Destinations, Memory};
use crate::refusal::Refusal;

/// Numbers of destinations, in falling order of the weights they had when this was made; of equals
/// the one that was added first comes first.
pub(super) struct ByWeight<M: Memory>(M::Slice<u32>);

impl<M: Memory> ByWeight<M> {
    pub(super) fn new<D: Destinations>(destinations: &D) -> Result<Self, Refusal> {
        let mut order = M::filled(0, destinations.len()).ok_or(Refusal::NoMemory)?;
        for (place, number) in order.iter_mut().zip(0..) {
            *place = number;
        }
        order.sort_unstable_by_key(|number| {
            let index = usize::try_from(*number).unwrap_or(usize::MAX);
            (Reverse(destinations.weight(index)), *number)
        });
        Ok(Self(order))
    }

    /// The first in the order that can be chosen and that `suits`.
    pub(super) fn first<D: Destinations>(
        &self,
        destinations: &D,
        suits: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut order = self
            .0
            .iter()
            .filter_map(|number| usize::try_from(*number).ok());
        order.find(|index| eligible(destinations, *index) && suits(*index))
    }
}
