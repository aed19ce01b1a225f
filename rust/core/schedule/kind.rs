// SPDX-License-Identifier: GPL-2.0

//! The schedulers by name.

use core::ffi::CStr;

use crate::heard::MANY;

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

            /// Returns the name that requests and listings have.
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
    /// Returns the scheduler of this name, which comes without a final NUL.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let mut kinds = Self::ALL.iter().copied();
        kinds.find(|kind| kind.name().to_bytes() == name)
    }

    /// Returns `true` if choices need random numbers.
    #[inline]
    pub const fn is_random(self) -> bool {
        matches!(self, Self::Twos | Self::P2c | Self::Jsq)
    }

    /// Returns `true` if choices go by how many connections the destinations have; those of `jsq`
    /// where as many wait. Not for that: all look whether a destination is full.
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

    /// Returns `true` if the scheduler of so many destinations is made for the weights that they
    /// had then, so that it has to be made again when one changes. The others follow a change, and
    /// keep what they remember.
    pub const fn is_made_for_weights(self, destinations: usize) -> bool {
        match self {
            Self::Sh | Self::Mh | Self::Twos | Self::P2c => true,
            Self::Wrr => destinations > MANY,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;
    use std::vec::Vec;

    #[test]
    fn names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name().to_bytes()), Some(*kind));
        }
        for name in [&b""[..], b"r", b"rrr", b"RR", b"rr\0", b"lcw"] {
            assert_eq!(Kind::from_name(name), None);
        }
    }

    /// The text that lists the schedulers cannot be made from the list.
    #[test]
    fn the_refusal_of_an_unknown_name_has_all_names() {
        let text = Refusal::UnknownScheduler.text().to_str().unwrap();
        let (_, list) = text.split_once(": use ").unwrap();
        let listed: Vec<&str> = list
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .collect();
        let names: Vec<&str> = Kind::ALL
            .iter()
            .map(|kind| kind.name().to_str().unwrap())
            .collect();
        let mut expected = names.clone();
        expected.insert(names.len() - 1, "or");
        assert_eq!(listed, expected);
    }
}
