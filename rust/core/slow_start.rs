// SPDX-License-Identifier: GPL-2.0

//! Slow start: a process that has just begun to listen gets a share of the new connections that
//! grows, second by second, to its full one.

use crate::refusal::Refusal;

/// For how many seconds; 0 for a full share at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlowStart(u16);

impl SlowStart {
    /// A full share at once.
    pub const OFF: Self = Self(0);

    /// So many seconds, or 0.
    ///
    /// # Errors
    ///
    /// [`Refusal::SlowStartRange`].
    pub fn new(seconds: u32) -> Result<Self, Refusal> {
        match u16::try_from(seconds) {
            Ok(seconds) => Ok(Self(seconds)),
            Err(_) => Err(Refusal::SlowStartRange),
        }
    }

    /// Whether there is none.
    pub const fn is_off(self) -> bool {
        self.0 == 0
    }

    /// The seconds.
    pub const fn seconds(self) -> u32 {
        self.0 as u32
    }

    /// Whether a connection is not for a process that has listened since the second `since`, at the
    /// second `now`. In its first second it gets one of as many as there are seconds, and one more
    /// in each second after. `random` is any number.
    pub fn holds_back(self, since: u32, now: u32, random: u32) -> bool {
        let age = now.wrapping_sub(since);
        if age >= self.seconds() {
            return false;
        }
        random.checked_rem(self.seconds()).unwrap_or(0) > age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 40 connections are held back.
    fn held(slow_start: SlowStart, age: u32) -> usize {
        // The clock may have wrapped.
        let since = u32::MAX - 1;
        let now = since.wrapping_add(age);
        (0..40)
            .filter(|random| slow_start.holds_back(since, now, *random))
            .count()
    }

    #[test]
    fn the_share_grows() {
        let slow_start = SlowStart::new(4).unwrap();
        let held: std::vec::Vec<_> = (0..6).map(|age| held(slow_start, age)).collect();
        assert_eq!(held, [30, 20, 10, 0, 0, 0]);
    }

    #[test]
    fn without_it_nothing_is_held_back() {
        assert_eq!(held(SlowStart::OFF, 0), 0);
        assert!(SlowStart::OFF.is_off());
    }

    #[test]
    fn seconds_are_16_bits() {
        assert_eq!(SlowStart::new(65535).unwrap().seconds(), 65535);
        assert_eq!(SlowStart::new(65536), Err(Refusal::SlowStartRange));
    }
}
