// SPDX-License-Identifier: GPL-2.0

//! Choosing a destination for a new connection.
//!
//! A scheduler is a file below and a line in [`Kind`] and in [`Shared`] or [`Exclusive`]. Each is
//! made for the destinations of one service, in memory that the caller gives ([`Memory`]), when
//! those or their weights change. A choice allocates nothing; what it costs stands at each type.
//!
//! Some schedulers choose from what they were made with, without a lock ([`Shared`]). The others
//! remember their choices, or what they have seen of the destinations, so that they need not look at
//! each of them again ([`Exclusive`]).

use core::{ffi::CStr, ops::DerefMut};

use crate::{
    address::{Address, Endpoint},
    heard::MANY,
    persistence::{self, Persistence},
    refusal::Refusal,
    schedule::slow_start::SlowStart,
};

use dh::Dh;
use flags::Flags;
use fo::Fo;
use identity::kept;
pub use identity::Progress;
use jsq::Jsq;
use lblc::Lblc;
use lblcr::Lblcr;
use lc::Lc;
use mh::{Mh, TableSize};
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
pub mod dh;
pub mod flags;
pub mod fo;
mod hash;
mod identity;
pub mod jsq;
pub mod lblc;
pub mod lblcr;
pub mod lc;
mod least;
pub mod locality;
mod lottery;
pub mod marks;
pub mod mh;
pub mod nq;
pub mod ovf;
pub mod p2c;
pub mod rr;
pub mod sed;
pub mod sh;
pub mod slow_start;
pub(crate) mod sort;
pub mod threshold;
mod tournament;
pub mod twos;
pub mod wlc;
pub mod wrr;

/// The destinations of a service, numbered from 0 on in the order in which they were added, as a
/// scheduler sees them.
///
/// The numbers stay the same from one choice to the next. When destinations come or go, the caller
/// makes a new scheduler, which may inherit what the old one remembers ([`Exclusive::inherit`]). No
/// function fails for a number that is too large.
#[expect(clippy::len_without_is_empty, reason = "no scheduler asks for it")]
pub trait Destinations {
    /// How many there are.
    fn len(&self) -> usize;

    /// A number that it keeps as long as it is the service's, and that no other destination of the
    /// service has.
    fn id(&self, index: usize) -> u32;

    /// Where it is; `None` for a number that is too large.
    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>>;

    /// The weight; 0 for a quiesced destination, which gets nothing new.
    fn weight(&self, index: usize) -> u16;

    /// The last weight it had that was not 0; 0 if it never had one.
    fn last_weight(&self, index: usize) -> u16;

    /// How many active connections it has.
    fn active(&self, index: usize) -> u32;

    /// How many other connections it has.
    fn inactive(&self, index: usize) -> u32;

    /// Whether it has as many connections as it may, so that nothing new goes there.
    fn full(&self, index: usize) -> bool;

    /// What waits at its process for this packet's turn: connections to be accepted, or bytes to be
    /// read. 0 if that cannot be known; `None` when nobody listens there.
    fn queue(&self, index: usize) -> Option<u32>;

    /// Whether this packet was there already, and could not stay. Of other packets that says
    /// nothing.
    fn tried(&self, index: usize) -> bool;

    /// Calls `each` with the number of every destination whose weight, connections or fullness may
    /// have changed since the last call, before their new values are asked for. Only a scheduler
    /// that is [`Exclusive`] calls this, and one at a time.
    fn take_changed(&self, each: impl FnMut(usize));
}

/// What a choice is made for: the first packet of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The client's end.
    pub client: Endpoint<Address>,
    /// The end that the client has sent the packet to: of a service on the wildcard address the
    /// very address.
    pub service: Endpoint<Address>,
    /// Seconds since boot, wrapping at 2^32.
    pub now: u32,
    /// Two random numbers that nobody can foretell, for a scheduler that [`Kind::is_random`]; no
    /// other one looks at them.
    pub random: [u32; 2],
}

/// Where the memory of schedulers comes from: the kernel's allocator or the host's.
pub trait Memory {
    /// A slice that is given back when it is dropped.
    type Slice<T: Copy>: DerefMut<Target = [T]>;

    /// A slice of `len` copies of `value`; `None` when memory is short. May sleep.
    fn filled<T: Copy>(value: T, len: usize) -> Option<Self::Slice<T>>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// Which scheduler.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every scheduler there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that requests and listings have.
            pub const fn name(self) -> &'static CStr {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// Each destination in turn.
    Rr c"rr",
    /// Each destination as often as its weight says.
    Wrr c"wrr",
    /// The destination with the fewest connections.
    Lc c"lc",
    /// The destination with the fewest connections for its weight.
    Wlc c"wlc",
    /// The destination with the shortest expected delay.
    Sed c"sed",
    /// An idle destination, or else that with the shortest expected delay.
    Nq c"nq",
    /// The heaviest destination.
    Fo c"fo",
    /// The heaviest destination that is not full.
    Ovf c"ovf",
    /// The same destination for the same client.
    Sh c"sh",
    /// The same destination for the same address of the service.
    Dh c"dh",
    /// The same destination for the same client, most of them also when destinations come or go.
    Mh c"mh",
    /// The same destination for the same address of the service, until it has too much to do.
    Lblc c"lblc",
    /// One of a set of destinations for the same address of the service.
    Lblcr c"lblcr",
    /// The less loaded of two destinations that are drawn.
    Twos c"twos",
    /// The one of two different destinations with fewer connections in flight.
    P2c c"p2c",
    /// The destination with the fewest connections that wait to be accepted.
    Jsq c"jsq",
}

impl Kind {
    /// The scheduler of this name, which comes without a final NUL.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let mut kinds = Self::ALL.iter().copied();
        kinds.find(|kind| kind.name().to_bytes() == name)
    }

    /// Whether choices need random numbers.
    #[inline]
    pub const fn is_random(self) -> bool {
        matches!(self, Self::Twos | Self::P2c | Self::Jsq)
    }

    /// Whether choices go by how many connections the destinations have; those of `jsq` where as
    /// many wait. Not for that: all look whether a destination is full.
    pub const fn goes_by_connections(self) -> bool {
        matches!(
            self,
            Self::Lc
                | Self::Wlc
                | Self::Sed
                | Self::Nq
                | Self::Ovf
                | Self::Lblc
                | Self::Lblcr
                | Self::Twos
                | Self::P2c
                | Self::Jsq
        )
    }

    /// Whether the scheduler of so many destinations is made for the weights that they had then, so
    /// that it has to be made again when one changes. The others follow a change, and keep what they
    /// remember.
    pub const fn is_made_for_weights(self, destinations: usize) -> bool {
        match self {
            Self::Sh | Self::Mh | Self::Twos | Self::P2c => true,
            Self::Wrr => destinations > MANY,
            _ => false,
        }
    }
}

/// How a service schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The scheduler.
    pub kind: Kind,
    /// Its flags, and others of the service.
    pub flags: Flags,
    /// The size of the table of [`Kind::Mh`]; the others do not look at it.
    pub table: TableSize,
    /// How long the scheduler is not asked again for a client.
    pub persistence: Persistence,
    /// How long a destination whose process has just started gets less than its share.
    pub slow_start: SlowStart,
}

impl Settings {
    /// Whether the scheduler, which looks at a constant number of destinations, may pick none of more
    /// than [`MANY`] although one takes new connections. For the others none is the last word: that a
    /// client has no destination, or that all are full.
    pub const fn may_give_up(&self) -> bool {
        match self.kind {
            Kind::Dh | Kind::Ovf => false,
            Kind::Sh | Kind::Mh => self.flags.has(Flags::FALLBACK),
            _ => true,
        }
    }

    /// A scheduler without flags, of a service that is not persistent.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            flags: Flags::NONE,
            table: TableSize::Ipvs,
            persistence: Persistence::OFF,
            slow_start: SlowStart::OFF,
        }
    }
}

/// What a request says of how a service schedules; what it leaves out stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// The scheduler.
    pub kind: Option<Kind>,
    /// Flags as bits, and which of them count.
    pub flags: Option<(u32, u32)>,
    /// The number of slots.
    pub table: Option<u32>,
    /// The persistence.
    pub persistence: persistence::Change,
    /// The seconds of slow start.
    pub slow_start: Option<u32>,
}

impl Settings {
    /// These settings with the change. Another scheduler comes without flags of its own and with
    /// the usual table.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownFlag`], [`Refusal::FlagOfOtherScheduler`], [`Refusal::TableSize`],
    /// [`Refusal::NoTable`], [`Refusal::NotPersistent`], [`Refusal::OnePacketPersistent`] or
    /// [`Refusal::SlowStartRange`].
    pub fn changed(self, change: &Change) -> Result<Self, Refusal> {
        let mut settings = match change.kind {
            Some(kind) if kind != self.kind => Self {
                flags: self.flags.without_scheduler(),
                persistence: self.persistence,
                slow_start: self.slow_start,
                ..Self::new(kind)
            },
            _ => self,
        };
        if let Some((flags, mask)) = change.flags {
            let flags = Flags::from_bits(flags)?;
            settings.flags = settings.flags.changed(flags, mask);
        }
        settings.flags.check(settings.kind)?;
        settings.persistence = settings.persistence.changed(&change.persistence)?;
        if let Some(seconds) = change.slow_start {
            settings.slow_start = SlowStart::new(seconds)?;
        }
        if settings.flags.has(Flags::ONE_PACKET) && settings.persistence.seconds() != 0 {
            return Err(Refusal::OnePacketPersistent);
        }
        if let Some(slots) = change.table {
            settings.table = TableSize::from_slots(slots)?;
            if settings.kind != Kind::Mh {
                return Err(Refusal::NoTable);
            }
        }
        Ok(settings)
    }
}

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
    /// A scheduler for these destinations that has not chosen yet. May sleep.
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
    /// The number of the destination that the connection goes to, or `None` when the scheduler has
    /// none for it: every one that may be chosen is quiesced or unusable. Any context.
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

    /// The same in parts of a constant number of steps, so that `old`, which goes on meanwhile, need
    /// not be held up for longer: what it remembers next. Whether there is more.
    /// [`Self::begin_to_inherit`] comes before the first part, [`Self::end_inheriting`] after the last.
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

    /// See [`Self::inherit_part`]. One step for each destination; any context.
    pub fn begin_to_inherit(&mut self) {
        if let Self::Rr(rr) = self {
            rr.begin_to_inherit();
        }
    }

    /// See [`Self::inherit_part`]. One step for each destination; any context.
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

    /// The number of the destination that the connection goes to, or `None` when every one is
    /// quiesced or unusable. Any context.
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

/// Whether a destination can be chosen for new connections.
#[inline]
fn takes_new<D: Destinations>(destinations: &D, index: usize) -> bool {
    index < destinations.len() && destinations.weight(index) != 0 && !destinations.full(index)
}

/// Whether a destination can be chosen for this one.
#[inline]
fn eligible<D: Destinations>(destinations: &D, index: usize) -> bool {
    takes_new(destinations, index) && !destinations.tried(index)
}

#[cfg(test)]
mod ipvs_vectors;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
