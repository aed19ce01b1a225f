// SPDX-License-Identifier: GPL-2.0

//! Choosing a destination for a new connection.
//!
//! A scheduler is a file below and a line in [`Kind`] and in [`Shared`] or [`Exclusive`]. Each is
//! made for the destinations of one service, in memory that the caller gives ([`Memory`]), when
//! those or their weights change. A choice takes no memory; what it costs stands at each type.
//!
//! Some schedulers choose from what they were made with, without a lock ([`Shared`]). The others
//! remember their choices, or what they have seen of the destinations, so that they need not look at
//! each of them again ([`Exclusive`]).

use crate::refusal::Refusal;

pub use destinations::{Destinations, Request};
pub use identity::Progress;
pub use kind::Kind;
pub use memory::Memory;
pub use settings::{Change, Settings};

use dh::Dh;
use fo::Fo;
use identity::kept;
use jsq::Jsq;
use lblc::Lblc;
use lblcr::Lblcr;
use lc::Lc;
use mh::Mh;
use nq::Nq;
use ovf::Ovf;
use p2c::P2c;
use rr::Rr;
use sed::Sed;
use sh::Sh;
use twos::Twos;
use wlc::Wlc;
use wrr::Wrr;

pub mod choice;
mod destinations;
pub mod dh;
pub mod flags;
pub mod fo;
mod hash;
mod identity;
pub mod jsq;
mod kind;
pub mod lblc;
pub mod lblcr;
pub mod lc;
mod least;
pub mod locality;
mod lottery;
pub mod marks;
mod memory;
pub mod mh;
pub mod nq;
pub mod ovf;
pub mod p2c;
mod readiness;
pub mod rr;
pub mod sed;
mod settings;
pub mod sh;
pub mod slow_start;
pub(crate) mod sort;
pub mod threshold;
mod tournament;
pub mod twos;
pub mod wlc;
pub mod wrr;

/// A scheduler that was made for certain destinations.
pub enum Scheduler<M: Memory> {
    /// It chooses without a lock.
    Shared(Shared<M>),
    /// It chooses under the caller's lock.
    Exclusive(Exclusive<M>),
}

/// A scheduler that remembers nothing. Any CPU may choose at any time.
pub enum Shared<M: Memory> {
    /// See [`Kind::Sh`].
    Sh(Sh<M>),
    /// See [`Kind::Dh`].
    Dh(Dh),
    /// See [`Kind::Mh`].
    Mh(Mh<M>),
    /// See [`Kind::Twos`].
    Twos(Twos<M>),
    /// See [`Kind::P2c`].
    P2c(P2c<M>),
    /// See [`Kind::Jsq`].
    Jsq(Jsq),
}

/// A scheduler that remembers its choices, or what it has seen of the destinations.
pub enum Exclusive<M: Memory> {
    /// See [`Kind::Rr`].
    Rr(Rr<M>),
    /// See [`Kind::Wrr`].
    Wrr(Wrr<M>),
    /// See [`Kind::Lc`].
    Lc(Lc<M>),
    /// See [`Kind::Wlc`].
    Wlc(Wlc<M>),
    /// See [`Kind::Sed`].
    Sed(Sed<M>),
    /// See [`Kind::Nq`].
    Nq(Nq<M>),
    /// See [`Kind::Fo`].
    Fo(Fo<M>),
    /// See [`Kind::Ovf`].
    Ovf(Ovf<M>),
    /// See [`Kind::Lblc`].
    Lblc(Lblc<M>),
    /// See [`Kind::Lblcr`].
    Lblcr(Lblcr<M>),
}

impl<M: Memory> Scheduler<M> {
    /// Creates a scheduler for these destinations that has not chosen yet. May sleep.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`], or what the scheduler says of the destinations.
    pub fn new<D: Destinations>(settings: &Settings, destinations: &D) -> Result<Self, Refusal> {
        let flags = settings.flags;
        Ok(match settings.kind {
            Kind::Rr => Self::Exclusive(Exclusive::Rr(Rr::new(destinations)?)),
            Kind::Wrr => Self::Exclusive(Exclusive::Wrr(Wrr::new(destinations)?)),
            Kind::Lc => Self::Exclusive(Exclusive::Lc(Lc::new(destinations)?)),
            Kind::Wlc => Self::Exclusive(Exclusive::Wlc(Wlc::new(destinations)?)),
            Kind::Sed => Self::Exclusive(Exclusive::Sed(Sed::new(destinations)?)),
            Kind::Nq => Self::Exclusive(Exclusive::Nq(Nq::new(destinations)?)),
            Kind::Fo => Self::Exclusive(Exclusive::Fo(Fo::new(destinations)?)),
            Kind::Ovf => Self::Exclusive(Exclusive::Ovf(Ovf::new(destinations)?)),
            Kind::Lblc => Self::Exclusive(Exclusive::Lblc(Lblc::new(destinations)?)),
            Kind::Lblcr => Self::Exclusive(Exclusive::Lblcr(Lblcr::new(destinations)?)),
            Kind::Sh => Self::Shared(Shared::Sh(Sh::new(destinations, flags)?)),
            Kind::Dh => Self::Shared(Shared::Dh(Dh)),
            Kind::Mh => Self::Shared(Shared::Mh(Mh::new(destinations, flags, settings.table)?)),
            Kind::Twos => Self::Shared(Shared::Twos(Twos::new(destinations)?)),
            Kind::P2c => Self::Shared(Shared::P2c(P2c::new(destinations)?)),
            Kind::Jsq => Self::Shared(Shared::Jsq(Jsq)),
        })
    }

    /// Chooses, as [`Shared::pick`] and [`Exclusive::pick`] do.
    pub fn pick<D: Destinations>(&mut self, destinations: &D, request: &Request) -> Option<usize> {
        match self {
            Self::Shared(shared) => shared.pick(destinations, request),
            Self::Exclusive(exclusive) => exclusive.pick(destinations, request),
        }
    }
}

impl<M: Memory> Shared<M> {
    /// Returns the number of the destination that the connection goes to, or `None` when the
    /// scheduler has none for it: every one that may be chosen is quiesced or unusable. Any
    /// context.
    pub fn pick<D: Destinations>(&self, destinations: &D, request: &Request) -> Option<usize> {
        match self {
            Self::Sh(sh) => sh.pick(destinations, request),
            Self::Dh(dh) => dh.pick(destinations, request),
            Self::Mh(mh) => mh.pick(destinations, request),
            Self::Twos(twos) => twos.pick(destinations, request),
            Self::P2c(p2c) => p2c.pick(destinations, request),
            Self::Jsq(jsq) => jsq.pick(destinations, request),
        }
    }
}

impl<M: Memory> Exclusive<M> {
    /// Goes on where `old` is, if that is of the same kind: a scheduler of the same service before
    /// destinations came or went. Those that stay, found by their [`Destinations::id`], are in the
    /// same order in both. One step for each destination, and for each address of `lblc` and
    /// `lblcr`; any context. Looks at all destinations then ([`Self::look`]).
    ///
    /// Without this, destinations that come and go all the time would have round robin favour the
    /// first ones.
    pub fn inherit<A: Destinations, B: Destinations>(&mut self, old: &Self, before: &A, after: &B) {
        self.begin_to_inherit();
        let mut progress = Progress::default();
        while self.inherit_part(old, before, after, &mut progress) {}
        self.end_inheriting(after);
    }

    /// Inherits the next part of what `old` remembers, in a constant number of steps, so that
    /// `old`, which goes on meanwhile, need not be held up for longer. Returns `true` if there is
    /// more. [`Self::begin_to_inherit`] comes before the first part, [`Self::end_inheriting`] after
    /// the last.
    pub fn inherit_part<A: Destinations, B: Destinations>(
        &mut self,
        old: &Self,
        before: &A,
        after: &B,
        progress: &mut Progress,
    ) -> bool {
        match (self, old) {
            (Self::Rr(new), Self::Rr(old)) => new.inherit(old, kept(before, after, progress)),
            (Self::Wrr(new), Self::Wrr(old)) => new.inherit(old, kept(before, after, progress)),
            (Self::Lblc(new), Self::Lblc(old)) => return new.inherit(old, progress),
            (Self::Lblcr(new), Self::Lblcr(old)) => return new.inherit(old, progress),
            // The others remember nothing but what they see of the destinations.
            _ => return false,
        }
        progress.is_before(before.len())
    }

    /// Prepares for the first [`Self::inherit_part`]. One step for each destination; any context.
    pub fn begin_to_inherit(&mut self) {
        if let Self::Rr(rr) = self {
            rr.begin_to_inherit();
        }
    }

    /// Ends what [`Self::inherit_part`] began. One step for each destination; any context.
    pub fn end_inheriting<D: Destinations>(&mut self, destinations: &D) {
        if let Self::Rr(rr) = self {
            rr.end_inheriting();
        }
        self.look(destinations);
    }

    /// Looks at the destinations that have changed, which is a part of each choice; the first time at
    /// all of them, which is too much for a packet. Any context.
    pub fn look<D: Destinations>(&mut self, destinations: &D) {
        // Of those that remember nothing a choice leaves nothing behind.
        match self {
            Self::Rr(rr) => rr.look(destinations),
            Self::Wrr(wrr) => wrr.look(destinations),
            Self::Lblc(lblc) => lblc.look(destinations),
            Self::Lblcr(lblcr) => lblcr.look(destinations),
            Self::Lc(lc) => _ = lc.pick(destinations),
            Self::Wlc(wlc) => _ = wlc.pick(destinations),
            Self::Sed(sed) => _ = sed.pick(destinations),
            Self::Nq(nq) => _ = nq.pick(destinations),
            Self::Fo(fo) => _ = fo.pick(destinations),
            Self::Ovf(ovf) => _ = ovf.pick(destinations),
        }
    }

    /// Returns the number of the destination that the connection goes to, or `None` when every one
    /// is quiesced or unusable. Any context.
    ///
    /// Each choice counts as a connection. Destinations that the scheduler was not made for disturb
    /// the order for a while and nothing else.
    pub fn pick<D: Destinations>(&mut self, destinations: &D, request: &Request) -> Option<usize> {
        match self {
            Self::Rr(rr) => rr.pick(destinations),
            Self::Wrr(wrr) => wrr.pick(destinations),
            Self::Lc(lc) => lc.pick(destinations),
            Self::Wlc(wlc) => wlc.pick(destinations),
            Self::Sed(sed) => sed.pick(destinations),
            Self::Nq(nq) => nq.pick(destinations),
            Self::Fo(fo) => fo.pick(destinations),
            Self::Ovf(ovf) => ovf.pick(destinations),
            Self::Lblc(lblc) => lblc.pick(destinations, request),
            Self::Lblcr(lblcr) => lblcr.pick(destinations, request),
        }
    }
}

#[cfg(test)]
mod ipvs_vectors;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
