// SPDX-License-Identifier: GPL-2.0

//! Which events of a destination the netlink group gets, and when.
//!
//! The condition of a destination is looked at now and then. The one that was last reported is
//! kept, and events are made of the difference: no event comes twice, and the condition follows
//! from the events.

/// An event of a destination, by its number in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A process listens there again.
    Up = 0,
    /// No process listens there.
    Down = 1,
    /// It is given no new connections.
    Draining = 2,
    /// It is given no new connections, and none is in flight.
    Drained = 3,
    /// It is given new connections again.
    Resumed = 4,
    /// Its process takes no more.
    Overloaded = 5,
    /// It takes more again.
    NotOverloaded = 6,
    /// Connections that could not be opened there were given to others.
    Retried = 7,
}

impl Notice {
    /// Returns the number in the specification.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// The condition of a destination, as far as events show it. The default makes no event: a process
/// listens, and takes new connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// No process listens.
    pub down: bool,
    /// It is given no new connections.
    pub draining: bool,
    /// It is draining, and nothing is in flight.
    pub drained: bool,
    /// Its process takes no more.
    pub overloaded: bool,
}

impl Condition {
    /// Encodes the condition, for an atomic.
    pub fn to_bits(self) -> u32 {
        let bit = |is: bool, bit| if is { bit } else { 0 };
        bit(self.down, 1) | bit(self.draining, 2) | bit(self.drained, 4) | bit(self.overloaded, 8)
    }

    /// Decodes what [`to_bits`](Self::to_bits) made.
    pub const fn from_bits(bits: u32) -> Self {
        Self {
            down: bits & 1 != 0,
            draining: bits & 2 != 0,
            drained: bits & 4 != 0,
            overloaded: bits & 8 != 0,
        }
    }

    /// Returns the events of a destination whose condition was this one and is `now`, in their
    /// order.
    pub fn changes(self, now: Self) -> impl Iterator<Item = Notice> {
        let when = |is: bool, notice: Notice| is.then_some(notice);
        let began = |old: bool, new: bool| new && !old;
        [
            when(began(self.down, now.down), Notice::Down),
            when(began(now.down, self.down), Notice::Up),
            when(began(self.overloaded, now.overloaded), Notice::Overloaded),
            when(
                began(now.overloaded, self.overloaded),
                Notice::NotOverloaded,
            ),
            when(began(now.draining, self.draining), Notice::Resumed),
            // Something is in flight again that was not, or the draining begins.
            when(
                began(self.draining, now.draining)
                    || (now.draining && began(now.drained, self.drained)),
                Notice::Draining,
            ),
            when(began(self.drained, now.drained), Notice::Drained),
        ]
        .into_iter()
        .flatten()
    }

    /// Returns the events when a listener has joined that has had none yet: those of a return to
    /// the default, which the others wait for, and all that make `now` of the default, which the
    /// others get once more.
    pub fn changes_anew(self, now: Self) -> impl Iterator<Item = Notice> {
        let is_return = |notice: &Notice| {
            matches!(notice, Notice::Up | Notice::NotOverloaded | Notice::Resumed)
        };
        let returns = self.changes(now).filter(is_return);
        returns.chain(Self::default().changes(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Every condition that there can be: what has drained is draining.
    fn all() -> impl Iterator<Item = Condition> {
        (0..16)
            .map(Condition::from_bits)
            .filter(|c| c.draining || !c.drained)
    }

    /// The condition that follows from these events.
    fn told(mut condition: Condition, notices: impl Iterator<Item = Notice>) -> Condition {
        for notice in notices {
            match notice {
                Notice::Up => condition.down = false,
                Notice::Down => condition.down = true,
                Notice::Draining => {
                    condition.draining = true;
                    condition.drained = false;
                }
                Notice::Drained => condition.drained = true,
                Notice::Resumed => {
                    condition.draining = false;
                    condition.drained = false;
                }
                Notice::Overloaded => condition.overloaded = true,
                Notice::NotOverloaded => condition.overloaded = false,
                Notice::Retried => panic!("no part of the condition"),
            }
        }
        condition
    }

    #[test]
    fn bits_are_the_condition() {
        for bits in 0..16 {
            assert_eq!(Condition::from_bits(bits).to_bits(), bits);
        }
        assert_eq!(Condition::default().to_bits(), 0);
    }

    #[test]
    fn who_knows_the_events_knows_the_condition() {
        for old in all() {
            for new in all() {
                assert_eq!(told(old, old.changes(new)), new, "{old:?}");
                // No event comes twice.
                let notices: Vec<Notice> = old.changes(new).collect();
                for left_out in 0..notices.len() {
                    let mut fewer = notices.clone();
                    fewer.remove(left_out);
                    assert_ne!(told(old, fewer.into_iter()), new, "{old:?}");
                }
            }
            assert_eq!(old.changes(old).count(), 0);
        }
    }

    #[test]
    fn who_comes_later_knows_it_too() {
        let usual = Condition::default();
        for old in all() {
            for new in all() {
                for knows in [old, usual] {
                    assert_eq!(told(knows, old.changes_anew(new)), new, "{old:?} {knows:?}");
                }
            }
        }
    }

    #[test]
    fn draining_is_told_before_drained() {
        let drained = Condition {
            draining: true,
            drained: true,
            ..Condition::default()
        };
        let draining = Condition {
            drained: false,
            ..drained
        };
        let usual = Condition::default();
        let of = |old: Condition, new| old.changes(new).collect::<Vec<_>>();
        assert_eq!(of(usual, drained), [Notice::Draining, Notice::Drained]);
        assert_eq!(of(usual, draining), [Notice::Draining]);
        assert_eq!(of(draining, drained), [Notice::Drained]);
        assert_eq!(of(drained, draining), [Notice::Draining]);
        assert_eq!(of(drained, usual), [Notice::Resumed]);
        assert_eq!(of(draining, usual), [Notice::Resumed]);
    }

    #[test]
    fn numbers_are_the_specifications() {
        let all = [
            Notice::Up,
            Notice::Down,
            Notice::Draining,
            Notice::Drained,
            Notice::Resumed,
            Notice::Overloaded,
            Notice::NotOverloaded,
            Notice::Retried,
        ];
        for (notice, number) in all.into_iter().zip(0..) {
            assert_eq!(notice.number(), number);
        }
    }
}
