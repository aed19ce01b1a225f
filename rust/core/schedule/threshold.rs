// SPDX-License-Identifier: GPL-2.0

//! Bounds on how many connections a destination has before it gets no new ones.

use crate::refusal::Refusal;

/// The bounds of a destination, in connections of any state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    upper: u32,
    lower: u32,
}

impl Thresholds {
    /// Bounds where a destination is full with `upper` connections, and no longer full with fewer
    /// than `lower`; with `upper` 0 it never is. With `lower` 0 it is no longer full below three
    /// quarters of `upper`, as in IPVS.
    ///
    /// # Errors
    ///
    /// [`Refusal::Thresholds`] when `lower` is above `upper`.
    pub const fn new(upper: u32, lower: u32) -> Result<Self, Refusal> {
        if lower > upper {
            return Err(Refusal::Thresholds);
        }
        Ok(Self { upper, lower })
    }

    /// Returns with how many connections the destination is full, or 0.
    pub const fn upper(self) -> u32 {
        self.upper
    }

    /// Returns below how many it is no longer full, or 0 for three quarters of [`Self::upper`].
    pub const fn lower(self) -> u32 {
        self.lower
    }

    /// Returns `true` if a destination with so many connections is full, given whether it was when
    /// it was looked at last.
    pub fn is_full(self, was: bool, connections: u32) -> bool {
        if self.upper == 0 {
            return false;
        }
        if connections >= self.upper {
            return true;
        }
        let (connections, upper) = (u64::from(connections), u64::from(self.upper));
        let drained = match self.lower {
            0 => connections.saturating_mul(4) < upper.saturating_mul(3),
            lower => connections < u64::from(lower),
        };
        was && !drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of connections, from 0 to 12 and back, with which a destination is full.
    fn full(upper: u32, lower: u32) -> (std::vec::Vec<u32>, std::vec::Vec<u32>) {
        let bounds = Thresholds::new(upper, lower).unwrap();
        let mut was = false;
        let mut look = |connections: &u32| {
            was = bounds.is_full(was, *connections);
            was
        };
        let up = (0..=12).filter(&mut look).collect();
        let down = (0..=12).rev().filter(look).collect();
        (up, down)
    }

    #[test]
    fn full_from_the_upper_to_the_lower_bound() {
        assert_eq!(full(0, 0), (std::vec![], std::vec![]));
        assert_eq!(full(11, 11), (std::vec![11, 12], std::vec![12, 11]));
        assert_eq!(full(11, 10), (std::vec![11, 12], std::vec![12, 11, 10]));
        let all = std::vec![12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1];
        assert_eq!(full(11, 1), (std::vec![11, 12], all));
        assert_eq!(full(1, 0).0, (1..=12).collect::<std::vec::Vec<_>>());
    }

    #[test]
    fn without_a_lower_bound_three_quarters() {
        assert_eq!(full(12, 0), (std::vec![12], std::vec![12, 11, 10, 9]));
        assert_eq!(full(10, 0).1, [12, 11, 10, 9, 8]);
        let most = Thresholds::new(u32::MAX, 0).unwrap();
        assert!(most.is_full(true, u32::MAX - 1) && !most.is_full(false, u32::MAX - 1));
    }

    #[test]
    fn the_lower_is_not_above_the_upper() {
        assert_eq!(Thresholds::new(1, 2), Err(Refusal::Thresholds));
        assert_eq!(Thresholds::new(0, 1), Err(Refusal::Thresholds));
        let bounds = Thresholds::new(7, 7).unwrap();
        assert_eq!((bounds.upper(), bounds.lower()), (7, 7));
    }
}
