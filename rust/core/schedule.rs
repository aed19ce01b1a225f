// SPDX-License-Identifier: GPL-2.0

//! Choosing a destination for a new connection.
//!
//! A scheduler is a file below and a line in [`Kind`] and in [`Shared`] or [`Exclusive`]. Each is
//! made for the destinations of one service, in memory that the caller gives ([`Memory`]), when
//! those or their weights change. A choice allocates nothing; what it costs stands at each type.
//!
//! Most schedulers choose from what they were made with and from what the destinations do now.
//! They choose without a lock ([`Shared`]). The others remember their choices ([`Exclusive`]).

use core::{ffi::CStr, ops::DerefMut};

use crate::{
    address::{Address, Endpoint},
    refusal::Refusal,
};

pub mod dh;
pub mod flags;
pub mod fo;
mod hash;
pub mod lblc;
pub mod lblcr;
pub mod lc;
mod least;
pub mod locality;
mod lottery;
pub mod mh;
pub mod nq;
mod order;
pub mod ovf;
pub mod p2c;
pub mod rr;
pub mod sed;
pub mod sh;
pub mod twos;
pub mod wlc;
pub mod wrr;

use dh::Dh;
use flags::Flags;
use fo::Fo;
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

/// The destinations of a service, numbered from 0 on in the order in which they were added, as a
/// scheduler sees them.
///
/// The numbers stay the same from one choice to the next; when destinations come or go, the caller
/// starts again with a new scheduler or accepts that some choices are out of turn. No function
/// fails for a number that is too large.
#[expect(clippy::len_without_is_empty, reason = "no scheduler asks for it")]
pub trait Destinations {
    /// How many there are.
    fn len(&self) -> usize;

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

    /// False when this packet must not go there, for example because it was tried already.
    fn usable(&self, index: usize) -> bool;
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
        matches!(self, Self::Twos | Self::P2c)
    }

    /// Whether the scheduler is made for the weights that the destinations had then, so that it has
    /// to be made again when one changes. The others follow a change, and keep what they remember.
    pub const fn is_made_for_weights(self) -> bool {
        matches!(
            self,
            Self::Sh | Self::Mh | Self::Fo | Self::Ovf | Self::Twos | Self::P2c
        )
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
}

impl Settings {
    /// A scheduler without flags.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            flags: Flags::NONE,
            table: TableSize::Ipvs,
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
}

impl Settings {
    /// These settings with the change. Another scheduler comes without flags of its own and with
    /// the usual table.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownFlag`], [`Refusal::FlagOfOtherScheduler`], [`Refusal::TableSize`] or
    /// [`Refusal::NoTable`].
    pub fn changed(self, change: &Change) -> Result<Self, Refusal> {
        let mut settings = match change.kind {
            Some(kind) if kind != self.kind => Self {
                flags: self.flags.without_scheduler(),
                ..Self::new(kind)
            },
            _ => self,
        };
        if let Some((flags, mask)) = change.flags {
            let flags = Flags::from_bits(flags)?;
            settings.flags = settings.flags.changed(flags, mask);
        }
        settings.flags.check(settings.kind)?;
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

/// A scheduler that remembers no choice. Any CPU may choose at any time.
pub enum Shared<M: Memory> {
    /// See [`Kind::Lc`].
    Lc(Lc),
    /// See [`Kind::Wlc`].
    Wlc(Wlc),
    /// See [`Kind::Sed`].
    Sed(Sed),
    /// See [`Kind::Nq`].
    Nq(Nq),
    /// See [`Kind::Fo`].
    Fo(Fo<M>),
    /// See [`Kind::Ovf`].
    Ovf(Ovf<M>),
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
}

/// A scheduler that remembers its choices.
pub enum Exclusive<M: Memory> {
    /// See [`Kind::Rr`].
    Rr(Rr),
    /// See [`Kind::Wrr`].
    Wrr(Wrr<M>),
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
        let shared = match settings.kind {
            Kind::Rr => return Ok(Self::Exclusive(Exclusive::Rr(Rr::default()))),
            Kind::Wrr => return Ok(Self::Exclusive(Exclusive::Wrr(Wrr::new(destinations)?))),
            Kind::Lblc => return Ok(Self::Exclusive(Exclusive::Lblc(Lblc::new()?))),
            Kind::Lblcr => return Ok(Self::Exclusive(Exclusive::Lblcr(Lblcr::new()?))),
            Kind::Lc => Shared::Lc(Lc),
            Kind::Wlc => Shared::Wlc(Wlc),
            Kind::Sed => Shared::Sed(Sed),
            Kind::Nq => Shared::Nq(Nq),
            Kind::Fo => Shared::Fo(Fo::new(destinations)?),
            Kind::Ovf => Shared::Ovf(Ovf::new(destinations)?),
            Kind::Sh => Shared::Sh(Sh::new(destinations, flags)?),
            Kind::Dh => Shared::Dh(Dh),
            Kind::Mh => Shared::Mh(Mh::new(destinations, flags, settings.table)?),
            Kind::Twos => Shared::Twos(Twos::new(destinations)?),
            Kind::P2c => Shared::P2c(P2c::new(destinations)?),
        };
        Ok(Self::Shared(shared))
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
            Self::Lc(lc) => lc.pick(destinations),
            Self::Wlc(wlc) => wlc.pick(destinations),
            Self::Sed(sed) => sed.pick(destinations),
            Self::Nq(nq) => nq.pick(destinations),
            Self::Fo(fo) => fo.pick(destinations),
            Self::Ovf(ovf) => ovf.pick(destinations),
            Self::Sh(sh) => sh.pick(destinations, request),
            Self::Dh(dh) => dh.pick(destinations, request),
            Self::Mh(mh) => mh.pick(destinations, request),
            Self::Twos(twos) => twos.pick(destinations, request),
            Self::P2c(p2c) => p2c.pick(destinations, request),
        }
    }
}

impl<M: Memory> Exclusive<M> {
    /// The number of the destination that the connection goes to, or `None` when every one is
    /// quiesced or unusable. Any context.
    ///
    /// Each choice counts as a connection. Destinations that the scheduler was not made for disturb
    /// the order for a while and nothing else.
    pub fn pick<D: Destinations>(&mut self, destinations: &D, request: &Request) -> Option<usize> {
        match self {
            Self::Rr(rr) => rr.pick(destinations),
            Self::Wrr(wrr) => wrr.pick(destinations),
            Self::Lblc(lblc) => lblc.pick(destinations, request),
            Self::Lblcr(lblcr) => lblcr.pick(destinations, request),
        }
    }
}

/// Whether a destination can be chosen at all.
#[inline]
fn eligible<D: Destinations>(destinations: &D, index: usize) -> bool {
    index < destinations.len() && destinations.weight(index) != 0 && destinations.usable(index)
}

#[cfg(test)]
mod ipvs_vectors;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
