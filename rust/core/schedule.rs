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
