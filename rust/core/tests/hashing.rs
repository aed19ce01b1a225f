// SPDX-License-Identifier: GPL-2.0

//! The schedulers that choose by a hash: how much each destination gets, and which clients move
//! when something changes.

use proptest::{collection::vec, prelude::*};
use rlvs_core::schedule::{
    flags::Flags,
    mh::{Mh, TableSize},
    Kind, Scheduler, Settings,
};

use crate::{
    schedule::{request, Host, Pool},
    support::cases,
};

/// Clients, and how often each of a test's steps looks at all of them.
const CLIENTS: u64 = 4000;

fn settings(kind: Kind, fallback: bool, table: TableSize) -> Settings {
    let bits = Flags::PORT.bits() | (Flags::FALLBACK.bits() * u32::from(fallback));
    let flags = Flags::from_bits(bits).expect("they exist");
    Settings {
        flags,
        table,
        ..Settings::new(kind)
    }
}

/// The port of the destination that each client gets, or `None` for those that are rejected.
fn choices(settings: &Settings, pool: &Pool, clients: u64) -> Vec<Option<u16>> {
    let mut scheduler = Scheduler::<Host>::new(settings, pool).expect("it can be made");
    (1..=clients)
        .map(|client| scheduler.pick(pool, &request(client)))
        .map(|picked| picked.map(|index| pool.0[index].port))
        .collect()
}

/// How many of the clients before are elsewhere after.
fn moved(before: &[Option<u16>], after: &[Option<u16>]) -> usize {
    let pairs = before.iter().zip(after);
    pairs.filter(|(before, after)| before != after).count()
}

/// The port of the destination that has each slot of the large table.
fn table_of(pool: &Pool) -> Vec<Option<u16>> {
    let mh = Mh::<Host>::new(pool, Flags::NONE, TableSize::Large).expect("it can be made");
    let port = |index: &u32| pool.0.get(usize::try_from(*index).ok()?).map(|d| d.port);
    mh.table().iter().map(port).collect()
}

fn hashing() -> impl Strategy<Value = (Kind, TableSize)> {
    prop_oneof![
        Just((Kind::Sh, TableSize::Ipvs)),
        Just((Kind::Mh, TableSize::Ipvs)),
        Just((Kind::Mh, TableSize::Large)),
    ]
}

proptest! {
    #![proptest_config(cases(100))]

    /// A client that asks again, anywhere, gets the same destination; so does a client of a
    /// director that got the destinations later.
    #[test]
    fn a_choice_depends_on_nothing_else(
        (kind, table) in hashing(),
        weights in vec(0u16..20, 1..8),
        load in vec(any::<u32>(), 8),
    ) {
        let settings = settings(kind, true, table);
        let pool = Pool::new(&weights);
        let mut busy = pool.clone();
        for (destination, load) in busy.0.iter_mut().zip(load) {
            destination.active = load;
        }
        prop_assert_eq!(choices(&settings, &pool, 200), choices(&settings, &busy, 200));
    }

    /// With the flag only the clients of the quiesced destination move, and none is rejected while
    /// another one is left; without it those of the quiesced one are rejected.
    ///
    /// That is so for mh, whose table keeps the slots of a quiesced destination. IPVS fills the table
    /// of sh again when a weight changes, so that there it only holds for weights that keep the slots
    /// where they are: from 1 to 0.
    #[test]
    fn a_quiesced_destination_moves_only_its_own_clients(
        (kind, table) in hashing(),
        weights in vec(1u16..20, 1..8),
        quiesced: prop::sample::Index,
    ) {
        let quiesced = quiesced.index(weights.len());
        let weights = if kind == Kind::Sh { vec![1; weights.len()] } else { weights };
        let mut pool = Pool::new(&weights);
        let port = pool.0[quiesced].port;
        let before = choices(&settings(kind, true, table), &pool, CLIENTS);
        let mut fewer = weights.clone();
        fewer[quiesced] = 0;
        pool.set_weights(&fewer);
        let with = choices(&settings(kind, true, table), &pool, CLIENTS);
        let without = choices(&settings(kind, false, table), &pool, CLIENTS);
        for ((before, with), without) in before.iter().zip(&with).zip(&without) {
            if *before == Some(port) {
                prop_assert_ne!(*with, Some(port));
                prop_assert_eq!(with.is_some(), weights.len() > 1);
                prop_assert_eq!(*without, None);
            } else {
                prop_assert_eq!(before, with);
                prop_assert_eq!(before, without);
            }
        }
    }

    /// The large table has the weights to 2 % of each, for those that are not tiny.
    #[test]
    fn the_large_table_keeps_to_the_weights(weights in vec(1u16.., 1..40)) {
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let slots = u64::from(TableSize::Large.slots());
        let pool = Pool::new(&weights);
        let table = table_of(&pool);
        for (weight, destination) in weights.iter().zip(&pool.0) {
            let has = table.iter().filter(|port| **port == Some(destination.port));
            let count = has.count() as u64;
            let expected = slots * u64::from(*weight) / total;
            let off = count.abs_diff(expected);
            prop_assert!(off <= 2, "{count} slots of {expected}");
            prop_assert!(expected < 150 || off * 50 <= expected);
        }
    }

    /// When one of n equal destinations leaves, hardly more clients move than were its own.
    #[test]
    fn few_clients_move_when_a_destination_leaves(n in 2usize..40, gone: prop::sample::Index) {
        let mut pool = Pool::new(&vec![1; n]);
        let before = table_of(&pool);
        pool.0.remove(gone.index(n));
        let moved = moved(&before, &table_of(&pool));
        let most = before.len() / n + before.len() * 6 / 1000;
        prop_assert!(moved <= most, "{moved} of {} slots, for n = {n}", before.len());
    }

    /// The order in which destinations were added does not count for the large table.
    #[test]
    fn the_large_table_has_no_order(weights in vec(1u16..50, 2..8), turn in 1usize..8) {
        let pool = Pool::new(&weights);
        let mut turned = pool.clone();
        turned.0.rotate_left(turn % weights.len());
        prop_assert_eq!(table_of(&pool), table_of(&turned));
    }
}
