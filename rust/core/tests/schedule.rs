// SPDX-License-Identifier: GPL-2.0

use proptest::{collection::vec, prelude::*};
use rlvs_core::{
    address::{Address, Endpoint},
    schedule::{Destinations, Kind, Memory, Request, Scheduler, Settings},
};

use crate::support::cases;

#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) port: u16,
    weight: u16,
    last_weight: u16,
    pub(crate) active: u32,
    inactive: u32,
    usable: bool,
}

/// Destinations as a test likes them.
#[derive(Clone, Debug)]
pub(crate) struct Pool(pub(crate) Vec<Destination>);

impl Pool {
    /// Idle and usable destinations of these weights.
    pub(crate) fn new(weights: &[u16]) -> Self {
        let destination = |(port, &weight)| Destination {
            port,
            weight,
            last_weight: weight,
            active: 0,
            inactive: 0,
            usable: true,
        };
        Self((8001..).zip(weights).map(destination).collect())
    }

    pub(crate) fn set_weights(&mut self, weights: &[u16]) {
        for (destination, weight) in self.0.iter_mut().zip(weights) {
            destination.weight = *weight;
            if *weight != 0 {
                destination.last_weight = *weight;
            }
        }
    }

    fn eligible(&self) -> Vec<usize> {
        let can = |i: &usize| self.0[*i].weight != 0 && self.0[*i].usable;
        (0..self.0.len()).filter(can).collect()
    }
}

impl Destinations for Pool {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn id(&self, index: usize) -> u32 {
        u32::try_from(index).expect("few")
    }

    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>> {
        let address = Address::V4([192, 0, 2, 1]);
        let destination = self.0.get(index)?;
        Some(Endpoint {
            address,
            port: destination.port,
        })
    }

    fn weight(&self, index: usize) -> u16 {
        self.0
            .get(index)
            .map_or(0, |destination| destination.weight)
    }

    fn last_weight(&self, index: usize) -> u16 {
        self.0
            .get(index)
            .map_or(0, |destination| destination.last_weight)
    }

    fn active(&self, index: usize) -> u32 {
        self.0
            .get(index)
            .map_or(0, |destination| destination.active)
    }

    fn inactive(&self, index: usize) -> u32 {
        self.0
            .get(index)
            .map_or(0, |destination| destination.inactive)
    }

    fn full(&self, index: usize) -> bool {
        self.0
            .get(index)
            .is_some_and(|destination| !destination.usable)
    }

    fn queue(&self, _index: usize) -> Option<u32> {
        Some(0)
    }

    fn tried(&self, _index: usize) -> bool {
        false
    }

    fn take_changed(&self, each: impl FnMut(usize)) {
        (0..self.len()).for_each(each);
    }
}

/// Memory of the host.
pub(crate) struct Host;

impl Memory for Host {
    type Slice<T: Copy> = Vec<T>;

    fn filled<T: Copy>(value: T, len: usize) -> Option<Vec<T>> {
        Some(vec![value; len])
    }
}

/// The first packet of a client's connection; the client is known by a number.
pub(crate) fn request(client: u64) -> Request {
    let [a, b, c, d, e, f, g, h] = client.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let at = |octets, port| Endpoint {
        address: Address::V4(octets),
        port,
    };
    Request {
        client: at([a, b, c, d], u16::from_be_bytes([e, f])),
        service: at([192, 0, 2, g], 80),
        now: 1000 + u32::from(h),
        random: [
            u32::from_be_bytes([h, g, f, e]),
            u32::from_be_bytes([d, c, b, a]),
        ],
    }
}

/// A scheduler and how often it was asked.
struct Picker(Scheduler<Host>, u64);

impl Picker {
    fn new(kind: Kind, pool: &Pool) -> Self {
        Self::with(&Settings::new(kind), pool)
    }

    fn with(settings: &Settings, pool: &Pool) -> Self {
        Self(Scheduler::new(settings, pool).expect("it can be made"), 0)
    }

    fn pick(&mut self, pool: &Pool) -> Option<usize> {
        self.1 += 1;
        self.0.pick(pool, &request(self.1))
    }

    fn picks(&mut self, pool: &Pool, count: usize) -> Vec<usize> {
        let mut pick = |_| self.pick(pool).expect("a destination can be used");
        (0..count).map(&mut pick).collect()
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL)
}

fn destination() -> impl Strategy<Value = Destination> {
    let weight = prop_oneof![1 => Just(0), 4 => 1u16..20, 1 => any::<u16>()];
    let count = || prop_oneof![4 => 0u32..50, 1 => any::<u32>()];
    (weight, count(), count(), any::<bool>()).prop_map(|(weight, active, inactive, usable)| {
        Destination {
            port: 8001,
            weight,
            last_weight: weight,
            active,
            inactive,
            usable,
        }
    })
}

fn pool() -> impl Strategy<Value = Pool> {
    vec(destination(), 0..10).prop_map(Pool)
}

/// Weights of which one at least is not 0.
fn weights() -> impl Strategy<Value = Vec<u16>> {
    let weight = prop_oneof![1 => Just(0u16), 6 => 1u16..8, 3 => 1u16..100];
    (vec(weight, 0..9), 1u16..30, any::<usize>()).prop_map(|(mut weights, weight, at)| {
        weights.insert(at % (weights.len() + 1), weight);
        weights
    })
}

fn sum(weights: &[u16]) -> usize {
    weights.iter().map(|weight| usize::from(*weight)).sum()
}

fn count(picks: &[usize], index: usize) -> usize {
    picks.iter().filter(|pick| **pick == index).count()
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn picks_only_what_can_be_used(kind in kind(), made_for in pool(), pools in vec(pool(), 1..8)) {
        // A scheduler meets destinations that it was not made for.
        let mut picker = Picker::new(kind, &made_for);
        for pool in &pools {
            for _ in 0..4 {
                let eligible = pool.eligible();
                let pick = picker.pick(pool);
                prop_assert!(pick.is_none_or(|pick| eligible.contains(&pick)));
                let finds_all = !matches!(kind, Kind::Sh | Kind::Dh | Kind::Mh | Kind::Ovf);
                // These look beyond the destinations that they were made for.
                let all = matches!(kind, Kind::Twos | Kind::P2c | Kind::Jsq);
                let known = |index: &usize| all || *index < made_for.0.len();
                let reachable = eligible.iter().any(known);
                if finds_all {
                    prop_assert_eq!(pick.is_some(), reachable);
                }
            }
        }
    }

    #[test]
    fn draws_fill_by_weight(
        kind in prop::sample::select(&[Kind::Twos, Kind::P2c][..]),
        weights in weights(),
        first in 0u64..1 << 40,
    ) {
        let mut pool = Pool::new(&weights);
        let mut picker = Picker::new(kind, &pool);
        picker.1 = first;
        let connections = 40 * sum(&weights).min(100);
        for _ in 0..connections {
            let pick = picker.pick(&pool).expect("a destination can be used");
            pool.0[pick].active += 1;
        }
        for (weight, destination) in weights.iter().zip(&pool.0) {
            let expected = connections * usize::from(*weight) / sum(&weights);
            let active = usize::try_from(destination.active).expect("few");
            // Draws without a look at the load would be off by several times the square root.
            prop_assert!(
                active.abs_diff(expected) <= 12 + expected / 8,
                "{active} of {expected}"
            );
        }
    }

    /// Weights that change after each choice neither starve a destination nor favour one, for any
    /// scheduler that follows the connections there are.
    #[test]
    fn weights_that_change_all_the_time_do_not_skew(
        kind in prop::sample::select(&[Kind::Wlc, Kind::Sed, Kind::Nq, Kind::Twos, Kind::P2c][..]),
        heavy in 2u16..10,
        n in 2usize..6,
    ) {
        // Each is the heavy one in turn: over time all are equal.
        let mut pool = Pool::new(&vec![1; n]);
        let mut picker = Picker::new(kind, &pool);
        let rounds = 60;
        for turn in 0..rounds * n {
            let mut weights = vec![1; n];
            weights[turn % n] = heavy;
            pool.set_weights(&weights);
            if kind.is_made_for_weights(pool.0.len()) {
                let asked = picker.1;
                picker = Picker::new(kind, &pool);
                picker.1 = asked;
            }
            let pick = picker.pick(&pool).expect("a destination can be used");
            pool.0[pick].active += 1;
        }
        for destination in &pool.0 {
            let active = usize::try_from(destination.active).expect("few");
            prop_assert!(active.abs_diff(rounds) <= rounds / 2, "{active} of {rounds}");
        }
    }

    #[test]
    fn rr_takes_turns(pool in pool(), start in 0usize..20, rounds in 1usize..4) {
        let eligible = pool.eligible();
        prop_assume!(!eligible.is_empty());
        let mut picker = Picker::new(Kind::Rr, &pool);
        picker.picks(&pool, start);
        for _ in 0..rounds {
            let mut round = picker.picks(&pool, eligible.len());
            round.sort_unstable();
            prop_assert_eq!(&round, &eligible);
        }
    }

    #[test]
    fn wlc_picks_the_least_load(pool in pool()) {
        let mut picker = Picker::new(Kind::Wlc, &pool);
        let load = |index: &usize| {
            let destination = &pool.0[*index];
            let total = u128::from(destination.active) + u128::from(destination.inactive);
            (u128::from(destination.active) * 256 + total, u128::from(destination.weight))
        };
        let least = pool.eligible().into_iter().min_by(|a, b| {
            let ((load_a, weight_a), (load_b, weight_b)) = (load(a), load(b));
            (load_a * weight_b).cmp(&(load_b * weight_a))
        });
        prop_assert_eq!(picker.pick(&pool), least);
    }

    #[test]
    fn wlc_fills_by_weight(weights in weights(), connections in 1usize..200) {
        let mut pool = Pool::new(&weights);
        let mut picker = Picker::new(Kind::Wlc, &pool);
        for _ in 0..connections {
            let pick = picker.pick(&pool).expect("a destination can be used");
            pool.0[pick].active += 1;
        }
        // No connection could have gone to a destination with less to do for its weight.
        for (a, b) in pool.0.iter().flat_map(|a| pool.0.iter().map(move |b| (a, b))) {
            if a.active > 0 && b.weight > 0 {
                prop_assert!(
                    u64::from(a.active - 1) * u64::from(b.weight)
                        <= u64::from(b.active) * u64::from(a.weight)
                );
            }
        }
    }

    #[test]
    fn wrr_keeps_to_the_weights(weights in weights(), from in 0usize..400, len in 0usize..400) {
        let pool = Pool::new(&weights);
        let total = sum(&weights);
        let picks = Picker::new(Kind::Wrr, &pool).picks(&pool, 2 * total + 800);
        let weighted = weights.iter().filter(|weight| **weight != 0).count();
        let double = 2 * (weighted - 1).max(1);
        for (index, weight) in weights.iter().enumerate() {
            let weight = usize::from(*weight);
            // From the beginning: 1 - 1 / (2n - 2) off at most, after every single pick.
            let mut picked = 0;
            for (turn, pick) in picks.iter().enumerate() {
                picked += usize::from(*pick == index);
                let off = (picked * total).abs_diff((turn + 1) * weight);
                prop_assert!(off * double <= total * (double - 1));
            }
            // Any window: twice that. As long as the weights' sum: exact.
            let window = count(&picks[from..from + len], index);
            let off = (window * total).abs_diff(len * weight);
            prop_assert!(off * double <= 2 * total * (double - 1));
            prop_assert_eq!(count(&picks[from..from + total], index), weight);
        }
    }

    #[test]
    fn wrr_spreads_the_turns_of_the_unusable(weights in weights(), out: prop::sample::Index) {
        let mut pool = Pool::new(&weights);
        let out = out.index(weights.len());
        pool.0[out].usable = false;
        let mut rest = weights.clone();
        rest[out] = 0;
        let total = sum(&rest);
        prop_assume!(total > 0);
        let mut picker = Picker::new(Kind::Wrr, &pool);
        let rounds = 40;
        let picks = picker.picks(&pool, rounds * total);
        for (index, weight) in rest.iter().enumerate() {
            let expected = rounds * usize::from(*weight);
            let picked = count(&picks, index);
            prop_assert!(
                picked.abs_diff(expected) <= usize::from(*weight).max(1) + weights.len(),
                "{index}: {picked} of {expected}"
            );
        }
        // Back again, it has its share from the next cycle on, and no more.
        pool.0[out].usable = true;
        let cycle = sum(&weights);
        picker.picks(&pool, 2 * cycle);
        let picks = picker.picks(&pool, cycle);
        for (index, weight) in weights.iter().enumerate() {
            prop_assert_eq!(count(&picks, index), usize::from(*weight));
        }
    }

    #[test]
    fn wrr_of_two_is_within_one_everywhere(a in 1u16..40, b in 1u16..40) {
        let pool = Pool::new(&[a, b]);
        let total = sum(&[a, b]);
        let picks = Picker::new(Kind::Wrr, &pool).picks(&pool, 2 * total);
        let off = |turns: usize| {
            let picked = count(&picks[..turns], 0) * total;
            picked as i64 - (turns * usize::from(a)) as i64
        };
        let offs: Vec<i64> = (0..=picks.len()).map(off).collect();
        let widest = offs.iter().max().unwrap() - offs.iter().min().unwrap();
        prop_assert!(widest <= total as i64);
    }

    #[test]
    fn wrr_follows_a_change_of_weight(before in weights(), picks in 0usize..60, seed: u16) {
        let mut pool = Pool::new(&before);
        let mut picker = Picker::new(Kind::Wrr, &pool);
        picker.picks(&pool, picks);
        let mut after = before.clone();
        after.rotate_left(usize::from(seed) % before.len());
        pool.set_weights(&after);
        // One cycle may be the rest of the old one, when nothing changed.
        let total = sum(&after);
        for _ in 0..3 {
            let picks = picker.picks(&pool, total);
            for (index, weight) in after.iter().enumerate() {
                prop_assert!(count(&picks, index).abs_diff(usize::from(*weight)) <= 2);
            }
        }
    }

    #[test]
    fn wrr_bears_weights_that_change_all_the_time(
        plans in vec(weights(), 2..4),
        every in 1usize..12,
    ) {
        let len = plans.iter().map(Vec::len).min().expect("there are plans");
        // All have the same destinations, of which the first always has a weight.
        let plans: Vec<Vec<u16>> = plans.iter().map(|plan| {
            let mut plan = plan[..len].to_vec();
            plan[0] = plan[0].max(1);
            plan
        }).collect();
        let mut pool = Pool::new(&plans[0]);
        let mut picker = Picker::new(Kind::Wrr, &pool);
        let mut picked = vec![0; len];
        // In parts of a thousand.
        let mut share = vec![0; len];
        for plan in plans.iter().cycle().take(300) {
            pool.set_weights(plan);
            for pick in picker.picks(&pool, every) {
                picked[pick] += 1000;
            }
            for (share, weight) in share.iter_mut().zip(plan) {
                *share += 1000 * every * usize::from(*weight) / sum(plan);
            }
        }
        for index in 0..len {
            prop_assert!(
                usize::abs_diff(picked[index], share[index]) <= 4300 + share[index] / 100,
                "{index}: {} of {}", picked[index], share[index]
            );
        }
    }

    #[test]
    fn rr_bears_weights_that_change_all_the_time(plans in vec(weights(), 2..4)) {
        let len = plans.iter().map(Vec::len).max().expect("there are plans");
        let mut pool = Pool::new(&vec![1; len]);
        let mut picker = Picker::new(Kind::Rr, &pool);
        let mut picks = Vec::new();
        for plan in plans.iter().cycle().take(len * 20) {
            let weights: Vec<u16> = plan.iter().map(|weight| weight | 1).collect();
            pool.set_weights(&weights);
            picks.extend(picker.pick(&pool));
            picks.truncate(len * 20);
        }
        let least = (0..plans[0].len().min(plans[1].len())).map(|index| count(&picks, index)).min();
        prop_assert!(least > Some(0));
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn wrr_bears_the_largest_weights(weights in vec(60000u16.., 2..6), len in 1usize..3000) {
        let pool = Pool::new(&weights);
        let total = sum(&weights);
        let picks = Picker::new(Kind::Wrr, &pool).picks(&pool, len);
        for (index, weight) in weights.iter().enumerate() {
            let picked = count(&picks, index);
            prop_assert!((picked * total).abs_diff(len * usize::from(*weight)) < total);
        }
    }
}
