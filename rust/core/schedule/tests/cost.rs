// SPDX-License-Identifier: GPL-2.0

//! What a choice costs among many destinations, and whether each of them gets its turn.

use crate::{
    address::{Address, Endpoint},
    schedule::{
        flags::Flags,
        testing::{request, scheduler, Host, Pool},
        Destinations, Kind, Request, Scheduler, Settings,
    },
};

/// Destinations that count what is asked of them, of which none can be chosen all of a sudden.
struct Counted {
    pool: Pool,
    full: core::cell::Cell<bool>,
    asked: core::cell::Cell<usize>,
}

impl Counted {
    fn new(len: usize) -> Self {
        Self {
            pool: Pool::new(&std::vec![(1, 0, 0); len]),
            full: core::cell::Cell::new(false),
            asked: core::cell::Cell::new(0),
        }
    }

    fn count(&self) {
        self.asked.set(self.asked.get() + 1);
    }
}

impl Destinations for Counted {
    fn len(&self) -> usize {
        self.pool.len()
    }

    fn id(&self, index: usize) -> u32 {
        self.pool.id(index)
    }

    fn endpoint(&self, index: usize) -> Option<Endpoint<Address>> {
        // Only a table that is made asks for all.
        Some(Endpoint {
            address: Address::V4([192, 0, 2, 1]),
            port: u16::try_from(index % 60_000).unwrap(),
        })
    }

    fn weight(&self, index: usize) -> u16 {
        self.count();
        self.pool.weight(index)
    }

    fn last_weight(&self, index: usize) -> u16 {
        self.pool.last_weight(index)
    }

    fn active(&self, index: usize) -> u32 {
        self.count();
        self.pool.active(index)
    }

    fn inactive(&self, index: usize) -> u32 {
        self.count();
        self.pool.inactive(index)
    }

    fn full(&self, _index: usize) -> bool {
        self.count();
        self.full.get()
    }

    fn queue(&self, _index: usize) -> Option<u32> {
        self.count();
        Some(0)
    }

    fn tried(&self, _index: usize) -> bool {
        false
    }

    /// Some of those that have changed.
    fn take_changed(&self, each: impl FnMut(usize)) {
        (0..self.len().min(64)).for_each(each);
    }
}

/// No choice takes more than so many questions, however many destinations there are, and whether or
/// not any can be chosen.
#[test]
fn a_choice_asks_a_constant_number() {
    const MOST: usize = 3 * 4096;
    let flags = [Flags::NONE, Flags::FALLBACK];
    for (kind, flags) in Kind::ALL.iter().flat_map(|kind| flags.map(|f| (*kind, f))) {
        if flags.check(kind).is_err() {
            continue;
        }
        // As many as the smaller table of `mh` has room for.
        let count = if kind == Kind::Mh { 4093 } else { 20_000 };
        let pool = Counted::new(count);
        let settings = Settings {
            flags,
            ..Settings::new(kind)
        };
        let mut scheduler = Scheduler::<Host>::new(&settings, &pool).unwrap();
        if let Scheduler::Exclusive(exclusive) = &mut scheduler {
            exclusive.look(&pool);
        }
        for full in [false, true] {
            pool.full.set(full);
            // Round robin: all of them once, and so all that are due at once.
            for turn in 0..20_100_u32 {
                pool.asked.set(0);
                let request = Request {
                    random: [turn.wrapping_mul(0x9e37_79b9), turn],
                    ..request(Address::V4([10, 0, 0, 1]), 7)
                };
                let picked = scheduler.pick(&pool, &request);
                assert_eq!(picked.is_some(), !full, "{kind:?}");
                let asked = pool.asked.get();
                assert!(asked <= MOST, "{kind:?}: {asked}");
                if turn == 300 && !matches!(kind, Kind::Rr | Kind::Wrr) {
                    break;
                }
            }
        }
    }
}

/// In any turns as many as there are destinations each is picked once, or nearly so, although not all
/// that are due at once are called at once.
#[test]
fn wrr_is_fair_to_many() {
    const COUNT: usize = 1000;
    let pool = Counted::new(COUNT);
    let mut wrr = scheduler(Kind::Wrr, &pool.pool);
    let mut last = std::vec![0; COUNT];
    for turn in 1..=20 * COUNT {
        let picked = wrr
            .pick(&pool, &request(Address::V4([10, 0, 0, 1]), 7))
            .unwrap();
        let late = COUNT / 64 + 1;
        if last[picked] != 0 {
            let after = turn - last[picked];
            assert!(after.abs_diff(COUNT) <= 2 * late, "{after} turns");
        }
        last[picked] = turn;
    }
    assert!(last.iter().all(|last| *last != 0));
}
