// SPDX-License-Identifier: GPL-2.0

//! Choosing a destination for a new connection.
//!
//! A scheduler is a file below, with a type that is [`Schedule`], and a line in [`Kind`] and in
//! [`Scheduler`].

use core::ffi::CStr;

pub mod rr;
pub mod wlc;
pub mod wrr;

use rr::Rr;
use wlc::Wlc;
use wrr::Wrr;

/// The destinations of a service, numbered from 0 on, as a scheduler sees them.
///
/// The numbers stay the same from one choice to the next; when destinations come or go, the caller
/// starts again with a new scheduler or accepts that some choices are out of turn.
#[expect(clippy::len_without_is_empty, reason = "no scheduler asks for it")]
pub trait Destinations {
    /// How many there are.
    fn len(&self) -> usize;

    /// The weight; 0 for a quiesced destination, which gets nothing new.
    fn weight(&self, index: usize) -> u16;

    /// How many active connections it has.
    fn active(&self, index: usize) -> u32;

    /// How many other connections it has.
    fn inactive(&self, index: usize) -> u32;

    /// False when this packet must not go there, for example because it was tried already.
    fn usable(&self, index: usize) -> bool;
}

/// What a scheduler keeps for each destination; the caller stores one per destination, in the same
/// order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    /// The weight that `picks` were made with.
    weight: u16,
    /// How often the destination was picked in this cycle.
    picks: u64,
}

/// A scheduler.
pub trait Schedule {
    /// The number of the destination that the next connection goes to, or `None` when every
    /// destination is quiesced or unusable.
    ///
    /// Each choice counts as a connection. Slots that are too few or that belong to other
    /// destinations disturb the order for a while and nothing else.
    fn pick<D: Destinations>(&mut self, destinations: &D, slots: &mut [Slot]) -> Option<usize>;
}

/// Which scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Each destination in turn.
    Rr,
    /// Each destination as often as its weight says.
    Wrr,
    /// The destination with the fewest connections for its weight.
    Wlc,
}

impl Kind {
    /// The name that requests and listings have.
    pub const fn name(self) -> &'static CStr {
        match self {
            Self::Rr => c"rr",
            Self::Wrr => c"wrr",
            Self::Wlc => c"wlc",
        }
    }

    /// The scheduler of this name, which comes without a final NUL.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Rr, Self::Wrr, Self::Wlc]
            .into_iter()
            .find(|kind| kind.name().to_bytes() == name)
    }
}

/// Any of the schedulers, with its state.
#[derive(Clone, Debug)]
pub enum Scheduler {
    /// See [`Kind::Rr`].
    Rr(Rr),
    /// See [`Kind::Wrr`].
    Wrr(Wrr),
    /// See [`Kind::Wlc`].
    Wlc(Wlc),
}

impl Scheduler {
    /// A scheduler that has not chosen yet.
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Rr => Self::Rr(Rr::default()),
            Kind::Wrr => Self::Wrr(Wrr::default()),
            Kind::Wlc => Self::Wlc(Wlc),
        }
    }

    /// Which scheduler this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Rr(_) => Kind::Rr,
            Self::Wrr(_) => Kind::Wrr,
            Self::Wlc(_) => Kind::Wlc,
        }
    }
}

impl Schedule for Scheduler {
    fn pick<D: Destinations>(&mut self, destinations: &D, slots: &mut [Slot]) -> Option<usize> {
        match self {
            Self::Rr(rr) => rr.pick(destinations, slots),
            Self::Wrr(wrr) => wrr.pick(destinations, slots),
            Self::Wlc(wlc) => wlc.pick(destinations, slots),
        }
    }
}

/// Whether a destination can be chosen at all.
#[inline]
fn eligible<D: Destinations>(destinations: &D, index: usize) -> bool {
    destinations.weight(index) != 0 && destinations.usable(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Weight, active and inactive connections of each destination.
    struct Pool(&'static [(u16, u32, u32)]);

    impl Destinations for Pool {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn weight(&self, index: usize) -> u16 {
            self.0[index].0
        }

        fn active(&self, index: usize) -> u32 {
            self.0[index].1
        }

        fn inactive(&self, index: usize) -> u32 {
            self.0[index].2
        }

        fn usable(&self, _index: usize) -> bool {
            true
        }
    }

    fn picks(kind: Kind, pool: &Pool, count: usize) -> Vec<Option<usize>> {
        let mut scheduler = Scheduler::new(kind);
        assert_eq!(scheduler.kind(), kind);
        let mut slots = std::vec![Slot::default(); pool.len()];
        (0..count)
            .map(|_| scheduler.pick(pool, &mut slots))
            .collect()
    }

    fn indices(picks: &[usize]) -> Vec<Option<usize>> {
        picks.iter().copied().map(Some).collect()
    }

    #[test]
    fn names() {
        for kind in [Kind::Rr, Kind::Wrr, Kind::Wlc] {
            assert_eq!(Kind::from_name(kind.name().to_bytes()), Some(kind));
        }
        for name in [&b""[..], b"r", b"rrr", b"RR", b"rr\0", b"lc"] {
            assert_eq!(Kind::from_name(name), None);
        }
    }

    #[test]
    fn rr_ignores_weights_but_0() {
        let pool = Pool(&[(1, 0, 0), (0, 0, 0), (9, 0, 0), (2, 0, 0)]);
        assert_eq!(picks(Kind::Rr, &pool, 5), indices(&[0, 2, 3, 0, 2]));
    }

    #[test]
    fn wrr_spreads_the_heaviest() {
        let pool = Pool(&[(4, 0, 0), (1, 0, 0), (1, 0, 0)]);
        let cycle = indices(&[0, 0, 1, 0, 2, 0]);
        let twice = [&cycle[..], &cycle].concat();
        assert_eq!(picks(Kind::Wrr, &pool, 12), twice);
    }

    #[test]
    fn wlc_weighs_active_connections_257_times() {
        for (pool, expected) in [
            (Pool(&[(1, 0, 258), (1, 1, 0)]), 1),
            (Pool(&[(1, 0, 256), (1, 1, 0)]), 0),
            // Equal: the first.
            (Pool(&[(1, 0, 257), (1, 1, 0)]), 0),
            // Twice the weight takes twice the load.
            (Pool(&[(1, 1, 0), (2, 1, 256)]), 1),
            (Pool(&[(1, 1, 0), (2, 2, 1)]), 0),
            (Pool(&[(0, 0, 0), (1, 9, 9)]), 1),
            (
                Pool(&[(1, u32::MAX, u32::MAX), (65535, u32::MAX, u32::MAX)]),
                1,
            ),
        ] {
            assert_eq!(picks(Kind::Wlc, &pool, 1), [Some(expected)], "{:?}", pool.0);
        }
    }

    #[test]
    fn nothing_to_pick() {
        for kind in [Kind::Rr, Kind::Wrr, Kind::Wlc] {
            assert_eq!(picks(kind, &Pool(&[]), 3), [None; 3]);
            assert_eq!(picks(kind, &Pool(&[(0, 0, 0), (0, 0, 0)]), 3), [None; 3]);
            assert_eq!(picks(kind, &Pool(&[(7, 0, 0)]), 3), [Some(0); 3]);
        }
    }
}
