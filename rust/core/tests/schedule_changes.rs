// SPDX-License-Identifier: GPL-2.0

//! Schedulers that look only at what has changed, against the same choices made by looking at every
//! destination.

use std::{
    cell::RefCell,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use proptest::{collection::vec, prelude::*, sample::select};
use rlvs_core::{
    address::{Address, Endpoint},
    schedule::{Destinations, Kind, Scheduler, Settings},
};

use crate::{
    schedule::{request, Host},
    support::cases,
};

#[derive(Clone, Copy, Debug)]
struct Destination {
    id: u32,
    weight: u16,
    active: u32,
    inactive: u32,
    full: bool,
}

/// Destinations that show exactly which of them have changed.
struct Tracked {
    all: Vec<Destination>,
    changed: RefCell<BTreeSet<usize>>,
    tried: BTreeSet<usize>,
}

impl Tracked {
    fn new(all: Vec<Destination>) -> Self {
        Self {
            all,
            changed: RefCell::default(),
            tried: BTreeSet::new(),
        }
    }

    fn set(&mut self, index: usize, destination: Destination) {
        self.all[index] = destination;
        self.changed.get_mut().insert(index);
    }
}

impl Destinations for Tracked {
    fn len(&self) -> usize {
        self.all.len()
    }

    fn id(&self, index: usize) -> u32 {
        self.all.get(index).map_or(0, |d| d.id)
    }

    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>> {
        let port = 8001 + u16::try_from(index).ok()?;
        (index < self.len()).then_some(Endpoint {
            address: Address::V4([192, 0, 2, 1]),
            port,
        })
    }

    fn weight(&self, index: usize) -> u16 {
        self.all.get(index).map_or(0, |d| d.weight)
    }

    fn last_weight(&self, index: usize) -> u16 {
        self.weight(index)
    }

    fn active(&self, index: usize) -> u32 {
        self.all.get(index).map_or(0, |d| d.active)
    }

    fn inactive(&self, index: usize) -> u32 {
        self.all.get(index).map_or(0, |d| d.inactive)
    }

    fn full(&self, index: usize) -> bool {
        self.all.get(index).is_some_and(|d| d.full)
    }

    fn queue(&self, _index: usize) -> Option<u32> {
        Some(0)
    }

    fn tried(&self, index: usize) -> bool {
        self.tried.contains(&index)
    }

    fn take_changed(&self, each: impl FnMut(usize)) {
        self.changed.take().into_iter().for_each(each);
    }
}

/// The choice, made by looking at every destination.
fn linear(kind: Kind, pool: &Tracked) -> Option<usize> {
    let can = |index: &usize| {
        let destination = pool.all[*index];
        destination.weight != 0 && !destination.full && !pool.tried.contains(index)
    };
    let fits = |index: &usize| {
        let destination = pool.all[*index];
        kind != Kind::Ovf || destination.active <= u32::from(destination.weight)
    };
    let can = (0..pool.len()).filter(can).filter(fits);
    // The first of equals.
    can.min_by(|a, b| order(kind, &pool.all[*a], &pool.all[*b]))
}

/// Which of two destinations a scheduler prefers: the smaller one.
fn order(kind: Kind, a: &Destination, b: &Destination) -> Ordering {
    let connections = |d: &Destination| u128::from(d.active) * 257 + u128::from(d.inactive);
    let expected = |d: &Destination| u128::from(d.active) + 1;
    let for_weight = |load: &dyn Fn(&Destination) -> u128| {
        (load(a) * u128::from(b.weight)).cmp(&(load(b) * u128::from(a.weight)))
    };
    match kind {
        Kind::Lc => connections(a).cmp(&connections(b)),
        Kind::Wlc => for_weight(&connections),
        Kind::Sed => for_weight(&expected),
        Kind::Nq => match (a.active, b.active) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            _ => for_weight(&expected),
        },
        _ => b.weight.cmp(&a.weight),
    }
}

fn destination() -> impl Strategy<Value = Destination> {
    let weight = prop_oneof![2 => Just(0), 8 => 1u16..6, 1 => any::<u16>()];
    let count = || prop_oneof![8 => 0u32..6, 1 => any::<u32>()];
    (weight, count(), count(), 0..6).prop_map(|(weight, active, inactive, full)| Destination {
        id: 0,
        weight,
        active,
        inactive,
        full: full == 0,
    })
}

/// What happens between two choices.
#[derive(Clone, Debug)]
struct Step {
    changes: Vec<(prop::sample::Index, Destination)>,
    tried: Vec<prop::sample::Index>,
}

fn step() -> impl Strategy<Value = Step> {
    let changes = vec((any::<prop::sample::Index>(), destination()), 0..4);
    let tried = prop_oneof![3 => Just(0..1), 1 => Just(0..16)];
    let tried = tried.prop_flat_map(|count| vec(any::<prop::sample::Index>(), count));
    (changes, tried).prop_map(|(changes, tried)| Step { changes, tried })
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn what_has_changed_is_enough_to_look_at(
        kind in select(&[Kind::Lc, Kind::Wlc, Kind::Sed, Kind::Nq, Kind::Fo, Kind::Ovf][..]),
        all in vec(destination(), 1..40),
        steps in vec(step(), 1..30),
    ) {
        let mut pool = Tracked::new(all);
        let mut scheduler = Scheduler::<Host>::new(&Settings::new(kind), &pool).expect("made");
        for (number, step) in (0..).zip(steps) {
            for (index, destination) in step.changes {
                pool.set(index.index(pool.len()), destination);
            }
            pool.tried = step.tried.iter().map(|index| index.index(pool.len())).collect();
            let expected = linear(kind, &pool);
            prop_assert_eq!(scheduler.pick(&pool, &request(number)), expected);
            // The connection that was made changes its destination.
            if let Some(index) = expected {
                let mut picked = pool.all[index];
                picked.active = picked.active.saturating_add(1);
                pool.set(index, picked);
            }
        }
    }
}

/// What becomes of the destinations between two choices.
#[derive(Clone, Debug)]
enum Churn {
    Add(u16),
    Delete(prop::sample::Index),
    Reweigh(prop::sample::Index, u16),
    /// Nothing, but another pool, as a change of the service's settings makes.
    Renew,
    Keep,
}

fn churn() -> impl Strategy<Value = Churn> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        2 => (1u16..12).prop_map(Churn::Add),
        2 => index().prop_map(Churn::Delete),
        2 => (index(), 0u16..12).prop_map(|(index, weight)| Churn::Reweigh(index, weight)),
        1 => Just(Churn::Renew),
        2 => Just(Churn::Keep),
    ]
}

/// A scheduler whose destinations come and go. The first few stay as they are.
struct Service {
    kind: Kind,
    pool: Tracked,
    scheduler: Scheduler<Host>,
    stay: usize,
    next_id: u32,
    requests: u64,
}

impl Service {
    fn new(kind: Kind, weights: &[u16]) -> Self {
        let all = (0..).zip(weights).map(|(id, weight)| idle(id, *weight));
        let pool = Tracked::new(all.collect());
        Self {
            kind,
            scheduler: Scheduler::new(&Settings::new(kind), &pool).expect("made"),
            stay: weights.len(),
            next_id: u32::try_from(weights.len()).expect("few"),
            pool,
            requests: 0,
        }
    }

    /// The identity of the destination that is picked.
    fn pick(&mut self) -> u32 {
        self.requests += 1;
        let request = request(self.requests);
        let index = self.scheduler.pick(&self.pool, &request);
        self.pool.all[index.expect("some stay")].id
    }

    fn churn(&mut self, churn: &Churn) {
        let mut all = self.pool.all.clone();
        let comers = all.len() - self.stay;
        match churn {
            Churn::Add(weight) => {
                all.push(idle(self.next_id, *weight));
                self.next_id += 1;
            }
            Churn::Delete(index) if comers > 0 => {
                all.remove(self.stay + index.index(comers));
            }
            Churn::Reweigh(index, weight) if comers > 0 => {
                let index = self.stay + index.index(comers);
                let weight = *weight;
                self.pool.set(
                    index,
                    Destination {
                        weight,
                        ..all[index]
                    },
                );
                return;
            }
            Churn::Renew => {}
            _ => return,
        }
        self.renew(|old| *old = all);
    }

    /// Another pool with these destinations.
    fn renew(&mut self, change: impl FnOnce(&mut Vec<Destination>)) {
        let mut all = self.pool.all.clone();
        change(&mut all);
        let pool = Tracked::new(all);
        let made = Scheduler::new(&Settings::new(self.kind), &pool).expect("made");
        let old = std::mem::replace(&mut self.scheduler, made);
        match (&mut self.scheduler, &old) {
            (Scheduler::Exclusive(new), Scheduler::Exclusive(old)) => {
                new.inherit(old, &self.pool, &pool);
            }
            _ => panic!("it remembers"),
        }
        self.pool = pool;
    }
}

fn idle(id: u32, weight: u16) -> Destination {
    Destination {
        id,
        weight,
        active: 0,
        inactive: 0,
        full: false,
    }
}

fn churns() -> impl Strategy<Value = Vec<(usize, Churn)>> {
    vec((1usize..4, churn()), 1..120)
}

proptest! {
    #![proptest_config(cases(20))]

    /// However often destinations come and go, none waits for more picks than there were
    /// destinations when it was last picked, or added.
    #[test]
    fn rr_starves_nobody_when_destinations_come_and_go(
        stay in 1usize..5,
        churns in churns(),
    ) {
        let mut service = Service::new(Kind::Rr, &vec![1; stay]);
        // The identities of those that have the right to be picked first.
        let mut ahead: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (picks, churn) in churns {
            for _ in 0..picks {
                let now: BTreeSet<u32> = service.pool.all.iter().map(|d| d.id).collect();
                let others = |id: u32| now.iter().copied().filter(move |other| *other != id);
                for id in &now {
                    ahead.entry(*id).or_insert_with(|| others(*id).collect());
                }
                let picked = service.pick();
                for (id, others) in ahead.iter_mut().filter(|(id, _)| now.contains(id)) {
                    let first = *id == picked || others.remove(&picked);
                    prop_assert!(first, "{picked} came before {id} twice");
                }
                ahead.insert(picked, others(picked).collect());
            }
            match churn {
                // One that was quiesced comes before the others when it is back, once.
                Churn::Reweigh(index, _) => service.churn(&Churn::Reweigh(index, 7)),
                churn => service.churn(&churn),
            }
        }
    }

    /// Two destinations that stay have picks in proportion to their weights, to three picks each,
    /// whatever comes, goes and changes its weight besides them, after each pick.
    #[test]
    fn wrr_is_fair_to_those_that_stay(
        weights in vec(1u16..12, 2..4),
        churns in churns(),
        rounds in 1usize..6,
    ) {
        let mut service = Service::new(Kind::Wrr, &weights);
        let mut picked = vec![0_u64; weights.len()];
        let churns: Vec<_> = churns.iter().cycle().take(churns.len() * rounds).collect();
        for (picks, churn) in churns {
            for _ in 0..*picks {
                let id = service.pick();
                if let Some(count) = picked.get_mut(id as usize) {
                    *count += 1;
                }
                for (a, weight_a) in picked.iter().zip(&weights) {
                    for (b, weight_b) in picked.iter().zip(&weights) {
                        let (weight_a, weight_b) = (u64::from(*weight_a), u64::from(*weight_b));
                        let off = (a * weight_b).abs_diff(b * weight_a);
                        prop_assert!(off <= 3 * (weight_a + weight_b), "{picked:?}");
                    }
                }
            }
            service.churn(churn);
        }
    }
}

/// The addresses that lblc and lblcr know stay where they are when another destination goes.
#[test]
fn addresses_stay_when_destinations_come_and_go() {
    for kind in [Kind::Lblc, Kind::Lblcr] {
        let mut service = Service::new(kind, &[5]);
        let at = |service: &mut Service, address: u8| {
            let mut request = request(0);
            request.service.address = Address::V4([10, 0, 0, address]);
            let index = service
                .scheduler
                .pick(&service.pool, &request)
                .expect("one");
            // It has one connection more than the others from now on.
            let picked = service.pool.all[index];
            let active = picked.active + 1;
            service.pool.set(index, Destination { active, ..picked });
            picked.id
        };
        for _ in 0..3 {
            service.churn(&Churn::Add(5));
        }
        let homes: Vec<u32> = (0..4).map(|address| at(&mut service, address)).collect();
        assert_eq!(homes, [0, 1, 2, 3], "{kind:?}");
        // The second of the comers, which is number 2, goes, and another one comes.
        service.renew(|all| all.retain(|destination| destination.id != 2));
        service.churn(&Churn::Add(5));
        for address in [0, 1, 3] {
            let home = homes[usize::from(address)];
            assert_eq!(
                at(&mut service, address),
                home,
                "{kind:?}: address {address}"
            );
        }
        assert_eq!(
            at(&mut service, 2),
            4,
            "{kind:?}: the new one has the least to do"
        );
    }
}

/// Prints what a choice costs with few and many destinations, by looking at all and by looking at
/// what has changed: `cargo test --release -- --ignored --nocapture what_a_choice_costs`. After each
/// choice the connection is counted, and another one ends.
#[test]
#[ignore = "it measures, and has nothing to fail"]
fn what_a_choice_costs() {
    for kind in [Kind::Rr, Kind::Wrr, Kind::Wlc, Kind::Nq, Kind::Lblc] {
        for len in [4, 64, 1024, 16384_u32] {
            let weight = |id: u32| 1 + u16::try_from(id % 7).expect("small");
            let all = (0..len).map(|id| idle(id, weight(id))).collect();
            let mut pool = Tracked::new(all);
            let mut scheduler = Scheduler::<Host>::new(&Settings::new(kind), &pool).expect("made");
            let connect = |pool: &mut Tracked, index: usize| {
                let mut destination = pool.all[index];
                destination.active += 1;
                pool.set(index, destination);
            };
            let disconnect = |pool: &mut Tracked, index: usize| {
                let mut destination = pool.all[index];
                destination.active = destination.active.saturating_sub(1);
                pool.set(index, destination);
            };
            let mut time = |looks_at_all: bool, choices: u32| {
                let begin = std::time::Instant::now();
                for number in 0..choices {
                    let request = request(u64::from(number));
                    let picked = if looks_at_all {
                        linear(kind, &pool)
                    } else {
                        scheduler.pick(&pool, &request)
                    };
                    connect(&mut pool, picked.expect("one"));
                    let ends = number.wrapping_mul(2_654_435_761) % len;
                    disconnect(&mut pool, usize::try_from(ends).expect("small"));
                }
                begin.elapsed().as_nanos() / u128::from(choices)
            };
            // The first choice looks at all.
            let first = time(false, 1);
            let tree = time(false, 100_000);
            let linear = match kind {
                Kind::Wlc | Kind::Nq => time(true, 100_000 / len.max(10)).to_string(),
                _ => "-".to_owned(),
            };
            println!("{kind:?} {len}: {tree} ns, all {linear} ns, the first {first} ns");
        }
    }
}
