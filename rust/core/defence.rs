// SPDX-License-Identifier: GPL-2.0

//! The defence against floods of new connections: what goes first when entries or memory run out.
//!
//! `drop_entry`, `drop_packet`, `secure_tcp`, `amemthresh` and `am_droprate` are those of ip_vs
//! (Documentation/networking/ipvs-sysctl.rst in the kernel), off unless an operator says otherwise.
//! That half-open entries expire sooner as the table fills up is always on.

use crate::connection::{state::State, timeout::Timeouts};

/// When a defence is on: a number that an operator sets and the periodic work may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Never on.
    Off = 0,
    /// On by itself when memory is short; it is not now.
    Auto = 1,
    /// On by itself when memory is short, as it is now.
    AutoActive = 2,
    /// Always on.
    Always = 3,
}

impl Mode {
    /// Returns the mode of this number; off for any other number.
    pub const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Auto,
            2 => Self::AutoActive,
            3 => Self::Always,
            _ => Self::Off,
        }
    }

    /// Returns the number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Returns the mode after a look at the memory.
    pub const fn after(self, short: bool) -> Self {
        match (self, short) {
            (Self::Auto | Self::AutoActive, true) => Self::AutoActive,
            (Self::Auto | Self::AutoActive, false) => Self::Auto,
            (other, _) => other,
        }
    }

    /// Returns `true` if the defence is on.
    #[inline]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::AutoActive | Self::Always)
    }
}

/// The host's memory, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is free or holds buffers.
    pub available: u64,
    /// With less than this, memory is short: `amemthresh`.
    pub threshold: u64,
}

impl Memory {
    /// Returns `true` if memory is short.
    pub const fn is_short(self) -> bool {
        self.available < self.threshold
    }

    /// Returns of how many packets one is dropped: all when nothing is available, few near the
    /// threshold. 0, for none, when memory is not short.
    fn rate(self) -> u32 {
        let missing = self.threshold.saturating_sub(self.available);
        let rate = self.threshold.checked_div(missing).unwrap_or(0);
        u32::try_from(rate).unwrap_or(u32::MAX)
    }
}

/// Returns of how many first packets of a connection one is dropped; 0 for none. `always` is
/// `am_droprate`. `mode` is the one after the look at the memory.
pub fn drop_rate(mode: Mode, memory: Memory, always: u32) -> u32 {
    match mode {
        Mode::Off | Mode::Auto => 0,
        Mode::AutoActive => memory.rate(),
        Mode::Always => always,
    }
}

/// Returns `true` if the packet of this number is one that goes: the last of each `rate`.
#[inline]
pub fn drops(number: u32, rate: u32) -> bool {
    number.wrapping_add(1).checked_rem(rate) == Some(0)
}

/// One of this many candidates is dropped by `drop_entry` in a second, as one of 32 buckets is
/// scanned by ip_vs.
pub const SHARE: u32 = 32;

/// Seconds without a packet after which `drop_entry` may take a connection that is not half-open.
pub const IDLE: u32 = 60;

/// Returns `true` if `drop_entry` may take an entry in `state` that has been idle for so many
/// seconds. A UDP flow that goes one way stays while the client sends.
pub fn may_drop(state: State, idle: u32) -> bool {
    match state {
        State::UdpUnanswered => idle >= SHORTEST,
        State::Established | State::Udp => idle >= IDLE,
        other => other.is_half_open(),
    }
}

/// Takes one of each [`SHARE`] candidates.
#[derive(Debug)]
pub struct Sample(u32);

impl Sample {
    /// Begins at a place that is different each time, by a random number.
    pub fn new(random: u32) -> Self {
        Self(random % SHARE)
    }

    /// Returns `true` if the next candidate is taken.
    pub fn takes_next(&mut self) -> bool {
        let takes = self.0 == 0;
        self.0 = if takes { SHARE } else { self.0 }.saturating_sub(1);
        takes
    }
}

/// Seconds that a half-open connection is given when the table is full: enough for a lost SYN ACK
/// to be sent again once, after a second (RFC 6298 section 2).
pub const SHORTEST: u32 = 3;

/// Returns the timeouts while the table fills up: none other when at least a quarter of its `limit`
/// is free; with less, those of half-open states shrink in proportion, down to [`SHORTEST`].
pub fn shortened(usual: &Timeouts, entries: u32, limit: u32) -> Option<Timeouts> {
    let quarter = (limit / 4).max(1);
    let free = limit.saturating_sub(entries);
    if free >= quarter {
        return None;
    }
    let mut timeouts = *usual;
    for state in State::ALL.into_iter().filter(|state| state.is_half_open()) {
        let whole = usual.of(state);
        let part = u64::from(whole)
            .saturating_mul(u64::from(free))
            .checked_div(u64::from(quarter))
            .and_then(|part| u32::try_from(part).ok())
            .unwrap_or(whole);
        timeouts.set(state, part.max(SHORTEST).min(whole));
    }
    Some(timeouts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const PLENTY: Memory = Memory {
        available: 1024,
        threshold: 1024,
    };

    fn with(available: u64) -> Memory {
        Memory {
            available,
            threshold: 1024,
        }
    }

    #[test]
    fn modes() {
        for (number, short, plenty, on) in [
            (0, 0, 0, false),
            (1, 2, 1, false),
            (2, 2, 1, true),
            (3, 3, 3, true),
        ] {
            let mode = Mode::from_number(number);
            assert_eq!(mode.number(), number);
            assert_eq!(mode.after(true).number(), short);
            assert_eq!(mode.after(false).number(), plenty);
            assert_eq!(mode.is_on(), on);
        }
        for number in [-1, 4, i32::MAX, i32::MIN] {
            assert_eq!(Mode::from_number(number), Mode::Off);
        }
    }

    #[test]
    fn rates_are_those_of_ip_vs() {
        assert!(!PLENTY.is_short() && with(1023).is_short());
        for (available, rate) in [(0, 1), (511, 1), (512, 2), (1000, 42), (1023, 1024)] {
            assert_eq!(drop_rate(Mode::AutoActive, with(available), 10), rate);
            assert_eq!(drop_rate(Mode::Auto, with(available), 10), 0);
            assert_eq!(drop_rate(Mode::Off, with(available), 10), 0);
            assert_eq!(drop_rate(Mode::Always, with(available), 10), 10);
        }
        assert_eq!(drop_rate(Mode::AutoActive, PLENTY, 10), 0);
        let huge = Memory {
            available: u64::MAX - 1,
            threshold: u64::MAX,
        };
        assert_eq!(drop_rate(Mode::AutoActive, huge, 10), u32::MAX);
    }

    #[test]
    fn exactly_one_of_each_goes() {
        for (rate, dropped) in [(0, 0), (1, 1000), (2, 500), (10, 100), (1001, 0)] {
            let count = (0..1000).filter(|number| drops(*number, rate)).count();
            assert_eq!(count, dropped, "rate {rate}");
        }
        assert!(!drops(0, 10));
        // The number wraps around.
        assert!(drops(u32::MAX, 10));
    }

    #[test]
    fn a_sample_is_one_of_32() {
        for random in [0, 1, 31, 32, u32::MAX] {
            let mut sample = Sample::new(random);
            let taken: Vec<usize> = (0..320).filter(|_| sample.takes_next()).collect();
            assert_eq!(taken.len(), 10, "{random}");
            assert_eq!(taken[0], (random % 32) as usize);
            assert!(taken.windows(2).all(|pair| pair[1] - pair[0] == 32));
        }
    }

    #[test]
    fn what_may_be_dropped() {
        for state in State::ALL {
            let half_open = matches!(
                state,
                State::SynReceived | State::SynAck | State::Init1 | State::Init | State::CookieSent
            );
            let one_way = state == State::UdpUnanswered;
            let idle = matches!(state, State::Established | State::Udp);
            assert_eq!(state.is_half_open(), half_open || one_way, "{state:?}");
            if one_way {
                assert!(!may_drop(state, SHORTEST - 1) && may_drop(state, SHORTEST));
                continue;
            }
            assert_eq!(may_drop(state, 0), half_open, "{state:?}");
            assert_eq!(may_drop(state, IDLE - 1), half_open, "{state:?}");
            assert_eq!(may_drop(state, IDLE), half_open || idle, "{state:?}");
        }
    }

    #[test]
    fn half_open_entries_get_less_time_as_the_table_fills_up() {
        let usual = Timeouts::default();
        for entries in [0, 1, 749, 750] {
            assert_eq!(shortened(&usual, entries, 1000), None, "{entries}");
        }
        for (entries, seconds) in [
            (751, 59),
            (875, 30),
            (980, 4),
            (990, 3),
            (1000, 3),
            (u32::MAX, 3),
        ] {
            let timeouts = shortened(&usual, entries, 1000).unwrap();
            for state in State::ALL {
                let whole = usual.of(state);
                let got = timeouts.of(state);
                if state == State::SynReceived {
                    assert_eq!(got, seconds, "{entries}");
                }
                if state.is_half_open() {
                    assert!((SHORTEST..=whole).contains(&got), "{state:?} {got}");
                } else {
                    assert_eq!(got, whole, "{state:?}");
                }
            }
        }
        // Limits so small that a quarter of them is nothing.
        for limit in 0..4 {
            assert!(shortened(&usual, limit, limit).is_some(), "{limit}");
        }
        assert_eq!(shortened(&usual, 2, 3), None);
        assert_eq!(shortened(&usual, 5, u32::MAX), None);
    }
}
