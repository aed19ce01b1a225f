// SPDX-License-Identifier: GPL-2.0

use std::vec::Vec;

use super::testing::{request, scheduler, Pool};
use super::*;
use crate::address::Address;

mod cost;

const CLIENT: Address = Address::V4([198, 51, 100, 7]);

fn picks(kind: Kind, weights: &[(u16, u32, u32)], count: usize) -> Vec<Option<usize>> {
    let pool = Pool::new(weights);
    let mut scheduler = scheduler(kind, &pool);
    let request = request(CLIENT, 40000);
    (0..count)
        .map(|_| scheduler.pick(&pool, &request))
        .collect()
}

fn indices(picks: &[usize]) -> Vec<Option<usize>> {
    picks.iter().copied().map(Some).collect()
}

#[test]
fn rr_ignores_weights_but_0() {
    let pool = [(1, 0, 0), (0, 0, 0), (9, 0, 0), (2, 0, 0)];
    assert_eq!(picks(Kind::Rr, &pool, 5), indices(&[0, 2, 3, 0, 2]));
}

#[test]
fn wrr_spreads_the_heaviest() {
    let pool = [(4, 0, 0), (1, 0, 0), (1, 0, 0)];
    let cycle = indices(&[0, 0, 1, 0, 2, 0]);
    let twice = [&cycle[..], &cycle].concat();
    assert_eq!(picks(Kind::Wrr, &pool, 12), twice);
}

#[test]
fn wlc_weighs_active_connections_257_times() {
    for (pool, expected) in [
        ([(1, 0, 258), (1, 1, 0)], 1),
        ([(1, 0, 256), (1, 1, 0)], 0),
        // Equal: the first.
        ([(1, 0, 257), (1, 1, 0)], 0),
        // Twice the weight takes twice the load.
        ([(1, 1, 0), (2, 1, 256)], 1),
        ([(1, 1, 0), (2, 2, 1)], 0),
        ([(0, 0, 0), (1, 9, 9)], 1),
        ([(1, u32::MAX, u32::MAX), (65535, u32::MAX, u32::MAX)], 1),
    ] {
        assert_eq!(picks(Kind::Wlc, &pool, 1), [Some(expected)], "{pool:?}");
    }
}

#[test]
fn nothing_to_pick() {
    for kind in Kind::ALL {
        assert_eq!(picks(*kind, &[], 3), [None; 3]);
        assert_eq!(picks(*kind, &[(0, 0, 0), (0, 0, 0)], 3), [None; 3]);
        assert_eq!(picks(*kind, &[(7, 0, 0)], 3), [Some(0); 3]);
        // One that cannot be used is not chosen.
        assert_ne!(picks(*kind, &[(7, 0, 0), (0, 0, 0)], 1), [Some(1)]);
    }
}

/// The first choice of a scheduler that remembers none, for weights, active and inactive
/// connections.
fn choice(kind: Kind, pool: &[(u16, u32, u32)]) -> Option<usize> {
    picks(kind, pool, 1)[0]
}

#[test]
fn lc_ignores_weights_but_0() {
    for (pool, expected) in [
        ([(1, 2, 0), (1, 1, 0), (1, 1, 0)], 1),
        ([(9, 1, 1), (1, 1, 0), (0, 0, 0)], 1),
        ([(1, 1, 0), (65535, 0, 258), (1, 2, 0)], 0),
        ([(1, 1, 0), (65535, 0, 256), (1, 2, 0)], 1),
    ] {
        assert_eq!(choice(Kind::Lc, &pool), Some(expected), "{pool:?}");
    }
}

#[test]
fn sed_counts_the_connection_to_come() {
    for (pool, expected) in [
        // (0 + 1) / 1 is more than (1 + 1) / 3, whatever is inactive.
        ([(1, 0, 0), (3, 1, 900)], 1),
        ([(1, 0, 0), (3, 2, 0)], 0),
        ([(1, 0, 0), (3, 3, 0)], 0),
        ([(0, 0, 0), (3, 3000, 0)], 1),
        ([(1, u32::MAX, 0), (2, u32::MAX, 0)], 1),
    ] {
        assert_eq!(choice(Kind::Sed, &pool), Some(expected), "{pool:?}");
    }
}

#[test]
fn nq_prefers_an_idle_one() {
    for (pool, expected) in [
        ([(100, 1, 0), (1, 0, 500), (2, 0, 0)], 1),
        ([(100, 1, 0), (0, 0, 0), (2, 0, 0)], 2),
        ([(100, 1, 0), (1, 1, 0), (2, 1, 0)], 0),
    ] {
        assert_eq!(choice(Kind::Nq, &pool), Some(expected), "{pool:?}");
    }
}

#[test]
fn fo_gives_all_to_the_heaviest() {
    for (pool, expected) in [
        ([(1, 0, 0), (9, 5000, 0), (9, 0, 0)], 1),
        ([(1, 0, 0), (0, 0, 0), (0, 0, 0)], 0),
        ([(65535, 9, 9), (1, 0, 0), (2, 0, 0)], 0),
    ] {
        assert_eq!(choice(Kind::Fo, &pool), Some(expected), "{pool:?}");
    }
}

#[test]
fn ovf_goes_on_when_one_is_full() {
    for (pool, expected) in [
        ([(2, 0, 0), (9, 9, 800), (1, 0, 0)], Some(1)),
        ([(2, 0, 0), (9, 10, 0), (1, 0, 0)], Some(0)),
        ([(2, 3, 0), (9, 10, 0), (1, 0, 0)], Some(2)),
        ([(2, 3, 0), (9, 10, 0), (1, 2, 0)], None),
        ([(0, 0, 0), (9, 10, 0), (1, 1, 0)], Some(2)),
    ] {
        assert_eq!(choice(Kind::Ovf, &pool), expected, "{pool:?}");
    }
}

/// A table made for other weights is only a matter of order.
#[test]
fn a_weight_that_becomes_0_counts_at_once() {
    for kind in Kind::ALL {
        let mut pool = Pool::new(&[(5, 0, 0), (5, 0, 0), (5, 0, 0)]);
        let mut scheduler = scheduler(*kind, &pool);
        pool.loads[0].0 = 0;
        pool.loads[2].0 = 0;
        for client in 0..200 {
            let mut request = request(Address::V4([10, 0, 0, client]), 1000);
            request.service.address = Address::V4([10, 0, 1, client]);
            request.random = [u32::from(client) << 24, !(u32::from(client) << 24)];
            let picked = scheduler.pick(&pool, &request);
            let hashes = matches!(kind, Kind::Sh | Kind::Dh | Kind::Mh);
            assert!(
                picked == Some(1) || (hashes && picked.is_none()),
                "{kind:?}"
            );
        }
    }
}

/// A choice for two random numbers, given as parts of 100.
fn drawn(kind: Kind, pool: &[(u16, u32, u32)], random: [u64; 2]) -> Option<usize> {
    let pool = Pool::new(pool);
    let mut request = request(CLIENT, 40000);
    request.random = random.map(|part| u32::try_from(((part << 32) + 50) / 100).unwrap());
    scheduler(kind, &pool).pick(&pool, &request)
}

#[test]
fn twos_takes_the_less_loaded_of_two_draws() {
    let idle = [(10, 0, 0), (0, 0, 0), (50, 0, 0), (40, 0, 0)];
    for (random, expected) in [
        ([0, 0], 0),
        ([9, 9], 0),
        ([10, 10], 2),
        ([59, 59], 2),
        ([60, 99], 3),
    ] {
        assert_eq!(
            drawn(Kind::Twos, &idle, random),
            Some(expected),
            "{random:?}"
        );
    }
    // Of two the one with less for its weight; the first drawn when they are equal.
    let busy = [(10, 1, 0), (0, 0, 0), (50, 5, 1), (40, 4, 0)];
    for (random, expected) in [
        ([0, 20], 0),
        ([20, 0], 0),
        ([0, 99], 0),
        ([99, 0], 3),
        ([20, 99], 3),
    ] {
        assert_eq!(
            drawn(Kind::Twos, &busy, random),
            Some(expected),
            "{random:?}"
        );
    }
}

#[test]
fn p2c_draws_two_different_ones() {
    let idle = [(10, 0, 0), (0, 0, 0), (50, 0, 0), (40, 0, 0)];
    // Drawn first is 0, and then one of the 90 others; the heavier of two idle ones is sooner done.
    for (random, expected) in [
        ([0, 0], 2),
        ([0, 54], 2),
        ([0, 56], 3),
        ([99, 0], 3),
        ([99, 99], 2),
    ] {
        assert_eq!(
            drawn(Kind::P2c, &idle, random),
            Some(expected),
            "{random:?}"
        );
    }
    // What has ended does not count.
    let busy = [(10, 0, 9000), (10, 1, 0)];
    for random in [[0, 0], [99, 0], [0, 99], [99, 99]] {
        assert_eq!(drawn(Kind::P2c, &busy, random), Some(0), "{random:?}");
    }
}

/// What jsq chooses with these loads and queues, beginning with the first.
fn shortest(loads: &[(u16, u32, u32)], queues: &[Option<u32>]) -> Option<usize> {
    let pool = Pool {
        queues: queues.to_vec(),
        ..Pool::new(loads)
    };
    scheduler(Kind::Jsq, &pool).pick(&pool, &request(Address::V4([198, 51, 100, 1]), 4000))
}

#[test]
fn jsq_joins_the_shortest_queue_for_its_weight() {
    let same = [(1, 0, 0), (1, 0, 0), (1, 0, 0)];
    assert_eq!(shortest(&same, &[Some(3), Some(1), Some(2)]), Some(1));
    // A destination that does not listen has no queue, not an empty one.
    assert_eq!(shortest(&same, &[Some(3), None, Some(4)]), Some(0));
    assert_eq!(shortest(&same, &[None, None, None]), None);
    // Weights divide, and quiesced ones get nothing.
    let weighed = [(4, 0, 0), (1, 0, 0), (0, 0, 0)];
    assert_eq!(shortest(&weighed, &[Some(7), Some(2), Some(0)]), Some(0));
    // Queues that are equal leave it to what is in flight, and that to the order.
    let busy = [(1, 9, 0), (1, 2, 50), (1, 2, 0)];
    assert_eq!(shortest(&busy, &[Some(1), Some(1), Some(1)]), Some(1));
}

#[test]
fn jsq_spreads_over_equals() {
    let pool = Pool::new(&[(1, 0, 0); 4]);
    for random in 0..8 {
        let expected = usize::try_from(random % 4).unwrap();
        let request = Request {
            random: [random, 0],
            ..request(Address::V4([198, 51, 100, 1]), 4000)
        };
        let picked = scheduler(Kind::Jsq, &pool).pick(&pool, &request);
        assert_eq!(picked, Some(expected), "{random}");
    }
}

#[test]
fn p2c_counts_the_queue_too() {
    let pool = Pool {
        queues: vec![Some(5), Some(0)],
        ..Pool::new(&[(1, 2, 0), (1, 4, 0)])
    };
    for random in [[0, 0], [u32::MAX, 0]] {
        let request = Request {
            random,
            ..request(Address::V4([198, 51, 100, 1]), 4000)
        };
        let picked = scheduler(Kind::P2c, &pool).pick(&pool, &request);
        assert_eq!(picked, Some(1), "{random:?}");
    }
}

/// Choices of a scheduler for the address 192.0.2.`last` at some time.
struct Caches {
    pool: Pool,
    scheduler: Scheduler<testing::Host>,
}

impl Caches {
    fn new(kind: Kind) -> Self {
        let pool = Pool::new(&[(10, 0, 0), (10, 0, 0), (10, 0, 0)]);
        let scheduler = scheduler(kind, &pool);
        Self { pool, scheduler }
    }

    fn pick(&mut self, last: u8, now: u32) -> Option<usize> {
        let mut request = request(CLIENT, 40000);
        request.service.address = Address::V4([192, 0, 2, last]);
        request.now = now;
        self.scheduler.pick(&self.pool, &request)
    }
}

const DAY: u32 = 24 * 60 * 60;

#[test]
fn lblc_keeps_an_address_where_it_was() {
    let mut caches = Caches::new(Kind::Lblc);
    assert_eq!(caches.pick(1, 0), Some(0));
    // The least loaded is another one now: the address stays, a new one goes there.
    caches.pool.loads[0].1 = 10;
    assert_eq!(caches.pick(1, 1), Some(0));
    assert_eq!(caches.pick(2, 1), Some(1));
    // More active connections than its weight, while another one has less than half.
    caches.pool.loads[0].1 = 11;
    assert_eq!(caches.pick(1, 2), Some(1));
    caches.pool.loads[0].1 = 0;
    assert_eq!(caches.pick(1, 3), Some(1));
    // All busy: it stays.
    caches.pool.loads[0].1 = 5;
    caches.pool.loads[1].1 = 50;
    caches.pool.loads[2].1 = 5;
    assert_eq!(caches.pick(1, 4), Some(1));
    caches.pool.loads[2].1 = 4;
    assert_eq!(caches.pick(1, 5), Some(2));
    // Quiesced.
    caches.pool.loads[2].0 = 0;
    assert_eq!(caches.pick(1, 6), Some(0));
    // Each use counts, and a day without one is enough.
    caches.pool.loads = [(10, 1, 0), (10, 0, 0), (10, 0, 0)].to_vec();
    assert_eq!(caches.pick(1, 6 + DAY), Some(0));
    assert_eq!(caches.pick(1, 6 + 2 * DAY), Some(0));
    assert_eq!(caches.pick(1, 7 + 3 * DAY), Some(1));
}

#[test]
fn lblcr_adds_a_destination_to_a_busy_set() {
    let mut caches = Caches::new(Kind::Lblcr);
    assert_eq!(caches.pick(1, 0), Some(0));
    caches.pool.loads[0].1 = 10;
    assert_eq!(caches.pick(1, 1), Some(0));
    caches.pool.loads[0].1 = 11;
    assert_eq!(caches.pick(1, 2), Some(1));
    // Both are in the set: the less loaded of them is chosen, and not the third.
    caches.pool.loads[1].1 = 3;
    assert_eq!(caches.pick(1, 3), Some(1));
    caches.pool.loads[0].1 = 1;
    assert_eq!(caches.pick(1, 4), Some(0));
    // Nothing was added for a day: the busier one leaves the set, after this choice.
    let later = 3 + DAY;
    assert_eq!(caches.pick(1, later), Some(0));
    caches.pool.loads[1].1 = 0;
    caches.pool.loads[0].1 = 9;
    assert_eq!(caches.pick(1, later + 1), Some(0));
    // A quiesced one is not chosen, and the set is not empty for ever.
    caches.pool.loads[0].0 = 0;
    assert_eq!(caches.pick(1, later + 2), Some(1));
}

#[test]
fn memories_are_bounded_and_forget_the_oldest() {
    for kind in [Kind::Lblc, Kind::Lblcr] {
        let mut caches = Caches::new(kind);
        let mut at = |octets: [u8; 4], now| {
            let mut request = request(CLIENT, 40000);
            request.service.address = Address::V4(octets);
            request.now = now;
            caches.scheduler.pick(&caches.pool, &request)
        };
        assert_eq!(at([1, 0, 0, 0], 0), Some(0));
        // Far more addresses than there are places.
        for number in 0..20_000_u32 {
            let [_, a, b, c] = number.to_be_bytes();
            assert_eq!(at([10, a, b, c], 1), Some(0));
        }
        caches.pool.loads[0].1 = 1;
        let mut at = |octets: [u8; 4], now| {
            let mut request = request(CLIENT, 40000);
            request.service.address = Address::V4(octets);
            request.now = now;
            caches.scheduler.pick(&caches.pool, &request)
        };
        assert_eq!(
            at([1, 0, 0, 0], 2),
            Some(1),
            "{kind:?} has forgotten the oldest"
        );
        let [_, a, b, c] = 19_999_u32.to_be_bytes();
        assert_eq!(at([10, a, b, c], 2), Some(0), "{kind:?} knows the newest");
    }
}

#[test]
fn who_goes_by_connections() {
    for kind in Kind::ALL {
        let pick = |loads: &[(u16, u32, u32)]| {
            let pool = Pool::new(loads);
            let request = Request {
                // Both destinations are drawn.
                random: [0, u32::MAX],
                ..request(Address::V4([192, 0, 2, 100]), 1024)
            };
            scheduler(*kind, &pool).pick(&pool, &request)
        };
        let (busy, idle) = ((1, 9, 9), (1, 0, 0));
        let differs = pick(&[busy, idle]) != pick(&[idle, busy]);
        assert_eq!(differs, kind.goes_by_connections(), "{kind:?}");
    }
}
