// SPDX-License-Identifier: GPL-2.0

//! Rates of what services and destinations carry, as IPVS shows them.
//!
//! Every two seconds the rate of those two seconds goes into an average with a weight of a quarter,
//! so that a rate is about that of the last eight seconds. The averages are kept in fractions:
//! connections and packets in 1/1024, bytes in 1/32 of one per second.
//!
//! The rounding is that of `ip_vs_est.c`, so that both show the same number for the same traffic.

/// The time between two steps, in milliseconds.
pub const PERIOD_MS: u32 = 2000;

/// What a step weighs in the average: one in so many.
const WEIGHT: u64 = 4;

/// The fractions of connections and packets per second, as a shift.
const COUNT_SHIFT: u32 = 10;

/// The fractions of bytes per second, as a shift.
const BYTES_SHIFT: u32 = 5;

/// What a service or a destination carries: in total, or in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Connections made.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients, from the network header on.
    pub in_bytes: u64,
    /// Bytes to clients, from the network header on.
    pub out_bytes: u64,
}

impl Volume {
    /// Combines the two, number by number; `f` gets the shift of the number's fractions as well.
    fn zip(self, other: Self, f: impl Fn(u64, u64, u32) -> u64) -> Self {
        Self {
            connections: f(self.connections, other.connections, COUNT_SHIFT),
            in_packets: f(self.in_packets, other.in_packets, COUNT_SHIFT),
            out_packets: f(self.out_packets, other.out_packets, COUNT_SHIFT),
            in_bytes: f(self.in_bytes, other.in_bytes, BYTES_SHIFT),
            out_bytes: f(self.out_bytes, other.out_bytes, BYTES_SHIFT),
        }
    }

    /// Returns the sum of both; counters wrap at 2^64.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, |a, b, _| a.wrapping_add(b))
    }

    /// Returns what came since `earlier`; counters wrap at 2^64.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.zip(earlier, |a, b, _| a.wrapping_sub(b))
    }
}

/// The averages of one service, of one destination or of a namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate {
    /// The totals at the last step.
    last: Volume,
    /// Per second, in fractions.
    averages: Volume,
}

impl Estimate {
    /// Starts with these totals and a rate of 0.
    pub fn from(totals: Volume) -> Self {
        Self {
            last: totals,
            averages: Volume::default(),
        }
    }

    /// Takes the totals of `elapsed` milliseconds after the last step into the averages. A step
    /// that comes late counts as one.
    pub fn step(&mut self, totals: Volume, elapsed: u32) {
        let new = totals.since(self.last);
        self.last = totals;
        self.averages = self.averages.zip(new, |average, new, shift| {
            smoothed(average, per_second(new, shift, elapsed))
        });
    }

    /// Returns what is carried in a second.
    pub fn rates(&self) -> Volume {
        let whole = |average: u64, shift: u32| {
            // Just below a half, so that exactly a half is rounded down.
            let half = 1u64.checked_shl(shift).unwrap_or(0) / 2;
            let sum = average.saturating_add(half.saturating_sub(1));
            sum.checked_shr(shift).unwrap_or(0)
        };
        self.averages
            .zip(self.averages, |average, _, shift| whole(average, shift))
    }
}

/// Converts what came in `elapsed` milliseconds to fractions per second.
fn per_second(new: u64, shift: u32, elapsed: u32) -> u64 {
    let fractions = new.saturating_mul(1u64.checked_shl(shift).unwrap_or(1));
    let rate = fractions.saturating_mul(1000);
    rate.checked_div(u64::from(elapsed)).unwrap_or(0)
}

/// Returns the average once `rate` has gone into it. What it changes by is rounded downwards.
fn smoothed(average: u64, rate: u64) -> u64 {
    match rate.checked_sub(average) {
        Some(more) => average.saturating_add(more / WEIGHT),
        None => average.saturating_sub(average.saturating_sub(rate).div_ceil(WEIGHT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(count: u64) -> Volume {
        Volume {
            connections: count,
            in_packets: count,
            out_packets: count,
            in_bytes: count,
            out_bytes: count,
        }
    }

    /// What IPVS computes: shifts in place of a division, as its period is always the same.
    fn like_ip_vs(average: u64, new: u64, shift: u32) -> u64 {
        let rate = new << (shift - 1);
        average.wrapping_add(((rate as i64 - average as i64) >> 2) as u64)
    }

    #[test]
    fn steps_are_those_of_ip_vs() {
        let mut estimate = Estimate::default();
        let (mut totals, mut packets, mut bytes) = (0, 0, 0);
        for new in [8, 0, 1, 1000, 999, 0, 0, 7, 123_456_789, 3, 0, 0, 0, 1, 0] {
            totals += new;
            estimate.step(each(totals), PERIOD_MS);
            packets = like_ip_vs(packets, new, 10);
            bytes = like_ip_vs(bytes, new, 5);
            assert_eq!(estimate.averages.connections, packets);
            assert_eq!(estimate.averages.out_packets, packets);
            assert_eq!(estimate.averages.in_bytes, bytes);
            let rates = estimate.rates();
            assert_eq!(rates.in_packets, (packets + 0x1ff) >> 10);
            assert_eq!(rates.out_bytes, (bytes + 0xf) >> 5);
        }
    }

    #[test]
    fn a_steady_rate_is_told_after_a_while_and_forgotten_after_another() {
        let mut estimate = Estimate::default();
        let mut totals = 0;
        for _ in 0..40 {
            totals += 1000;
            estimate.step(each(totals), PERIOD_MS);
        }
        assert_eq!(estimate.rates(), each(500));
        for _ in 0..60 {
            estimate.step(each(totals), PERIOD_MS);
        }
        assert_eq!(estimate.rates(), each(0));
    }

    #[test]
    fn the_first_step_counts_a_quarter() {
        let mut estimate = Estimate::from(each(5_000));
        estimate.step(each(5_800), PERIOD_MS);
        assert_eq!(estimate.rates(), each(100));
    }

    #[test]
    fn a_late_step_is_a_rate_too() {
        let mut estimate = Estimate::default();
        let mut totals = 0;
        for elapsed in [1_500, 2_000, 2_500, 4_000].into_iter().cycle().take(80) {
            totals += u64::from(elapsed);
            estimate.step(each(totals), elapsed);
        }
        assert_eq!(estimate.rates(), each(1000));
    }

    #[test]
    fn no_number_is_too_large() {
        let mut estimate = Estimate::default();
        for elapsed in [0, 1, PERIOD_MS, u32::MAX] {
            for totals in [0, u64::MAX, 1, u64::MAX / 2] {
                estimate.step(each(totals), elapsed);
                let _ = estimate.rates();
            }
        }
        assert_eq!(each(1).since(each(u64::MAX)), each(2));
        assert_eq!(each(u64::MAX).plus(each(2)), each(1));
    }
}
