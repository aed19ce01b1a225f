// SPDX-License-Identifier: GPL-2.0

//! Rates: the difference of two readings of the statistics, per second.
//!
//! A rate is over the time between the two readings. The kernel's own rates, which ip_vs's clients
//! read, are averages over about eight seconds.

use std::time::Duration;

use crate::model::{Rates, Service, Stats};

/// Fills in the rates of `after`, which was read `elapsed` after `before`.
pub fn fill_in(before: &[Service], after: &mut [Service], elapsed: Duration) {
    for service in after {
        let old = before.iter().find(|old| old.id == service.id);
        service.rates = Some(rates(old.map(|old| &old.stats), &service.stats, elapsed));
        for destination in &mut service.destinations {
            let place = (destination.address, destination.port);
            let old = old.and_then(|old| {
                let mut all = old.destinations.iter();
                all.find(|old| (old.address, old.port) == place)
            });
            let new = &destination.stats;
            destination.rates = Some(rates(old.map(|old| &old.stats), new, elapsed));
        }
    }
}

/// Returns the rates between two readings. What was added or zeroed between them has counted from
/// zero.
fn rates(before: Option<&Stats>, after: &Stats, elapsed: Duration) -> Rates {
    let before = before.filter(|before| {
        let grew = |total: fn(&Stats) -> Option<u64>| match (total(before), total(after)) {
            (Some(before), Some(after)) => before <= after,
            _ => true,
        };
        before.connections <= after.connections
            && grew(|stats| stats.in_packets)
            && grew(|stats| stats.out_packets)
    });
    let per_second = |grown: u64| grown as f64 / elapsed.as_secs_f64();
    let rate = |total: fn(&Stats) -> Option<u64>| {
        let old = before.and_then(total).unwrap_or(0);
        total(after).map(|new| per_second(new.saturating_sub(old)))
    };
    let connections = before.map_or(0, |before| before.connections);
    Rates {
        connections: per_second(after.connections.saturating_sub(connections)),
        in_packets: rate(|stats| stats.in_packets),
        out_packets: rate(|stats| stats.out_packets),
        in_bytes: rate(|stats| stats.in_bytes),
        out_bytes: rate(|stats| stats.out_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(connections: u64, in_packets: u64) -> Stats {
        Stats {
            connections,
            in_packets: Some(in_packets),
            out_packets: Some(3),
            in_bytes: Some(100 * in_packets),
            out_bytes: Some(0),
            avoided: 0,
        }
    }

    fn found(before: Option<&Stats>, after: &Stats) -> [f64; 5] {
        let rates = rates(before, after, Duration::from_millis(500));
        [
            rates.connections,
            rates.in_packets.unwrap(),
            rates.out_packets.unwrap(),
            rates.in_bytes.unwrap(),
            rates.out_bytes.unwrap(),
        ]
    }

    #[test]
    fn what_is_not_counted_has_no_rate() {
        let steered = |connections| Stats {
            connections,
            in_packets: None,
            out_packets: None,
            in_bytes: None,
            out_bytes: None,
            avoided: 0,
        };
        // Also when it was counted until a moment ago.
        for before in [steered(3), stats(3, 1)] {
            let rates = rates(Some(&before), &steered(5), Duration::from_secs(1));
            assert_eq!(rates.connections, 2.0);
            assert!(rates.in_packets.is_none() && rates.out_bytes.is_none());
        }
        // And what is counted from now on has a rate.
        let rates = rates(Some(&steered(3)), &stats(3, 1), Duration::from_secs(1));
        assert_eq!(rates.in_packets, Some(1.0));
    }

    #[test]
    fn per_second() {
        let (before, after) = (stats(10, 20), stats(11, 25));
        assert_eq!(found(Some(&before), &after), [2.0, 10.0, 0.0, 1000.0, 0.0]);
    }

    #[test]
    fn what_is_new_or_was_zeroed_counts_from_zero() {
        let after = stats(1, 2);
        assert_eq!(found(None, &after), [2.0, 4.0, 6.0, 400.0, 0.0]);
        assert_eq!(
            found(Some(&stats(9, 1)), &after),
            [2.0, 4.0, 6.0, 400.0, 0.0]
        );
    }
}
