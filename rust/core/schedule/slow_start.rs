// SPDX-License-Identifier: GPL-2.0

//! Slow start: a process that has just begun to listen gets a share of the new connections that
//! grows, second by second, to its full one.
//!
//! What is full is what the process gets that has listened longest. So processes that began
//! together share alike from the first moment: holding all of them back would leave none to serve.

use crate::refusal::Refusal;

/// For how many seconds; 0 for a full share at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlowStart(u16);

impl SlowStart {
    /// A full share at once.
    pub const OFF: Self = Self(0);

    /// Checks and returns so many seconds, or 0.
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

    /// Returns `true` if there is none.
    pub const fn is_off(self) -> bool {
        self.0 == 0
    }

    /// Returns the seconds.
    pub const fn seconds(self) -> u32 {
        self.0 as u32
    }

    /// Returns `true` if a connection is not for a process that has listened for `age` seconds
    /// while the one that has listened longest, which may be itself, has for `oldest`. In its first
    /// second it gets one of as many as there are seconds, at most those of the oldest, and one
    /// more in each second after. `random` is any number.
    pub fn holds_back(self, age: u32, oldest: u32, random: u32) -> bool {
        let full = oldest.saturating_add(1).min(self.seconds());
        random.checked_rem(full).unwrap_or(0) > age
    }
}

/// Returns for how many seconds a process has listened at the second `now` that began in the second
/// `since`; the clock may wrap. A packet may have read its clock before the one that found the
/// process listening: 0.
pub fn age(since: u32, now: u32) -> u32 {
    let passed = now.wrapping_sub(since);
    match i32::try_from(passed) {
        Ok(_) => passed,
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 40 connections are held back.
    fn held(slow_start: SlowStart, age: u32, oldest: u32) -> usize {
        (0..40)
            .filter(|random| slow_start.holds_back(age, oldest, *random))
            .count()
    }

    #[test]
    fn the_share_grows() {
        let slow_start = SlowStart::new(4).unwrap();
        let held: std::vec::Vec<_> = (0..6).map(|age| held(slow_start, age, 1000)).collect();
        assert_eq!(held, [30, 20, 10, 0, 0, 0]);
    }

    #[test]
    fn the_oldest_is_not_held_back() {
        let slow_start = SlowStart::new(1000).unwrap();
        for age in [0, 1, 39, 999, 1000, u32::MAX] {
            assert_eq!(held(slow_start, age, age), 0, "{age}");
        }
        assert_eq!(held(slow_start, 0, 1), 20);
        assert_eq!(held(slow_start, 0, 7), 35);
    }

    #[test]
    fn without_it_nothing_is_held_back() {
        assert_eq!(held(SlowStart::OFF, 0, 1000), 0);
        assert!(SlowStart::OFF.is_off());
    }

    #[test]
    fn the_clock_may_wrap_and_be_read_late() {
        assert_eq!(age(7, 7), 0);
        assert_eq!(age(u32::MAX - 1, 3), 5);
        assert_eq!(age(8, 7), 0);
    }

    #[test]
    fn seconds_are_16_bits() {
        assert_eq!(SlowStart::new(65535).unwrap().seconds(), 65535);
        assert_eq!(SlowStart::new(65536), Err(Refusal::SlowStartRange));
    }
}
