// SPDX-License-Identifier: GPL-2.0

use std::vec::Vec;

use super::testing::{request, scheduler, Pool};
use super::*;

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
fn names() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name().to_bytes()), Some(*kind));
    }
    for name in [&b""[..], b"r", b"rrr", b"RR", b"rr\0", b"lcw"] {
        assert_eq!(Kind::from_name(name), None);
    }
}

/// The text that lists the schedulers cannot be made from the list.
#[test]
fn the_refusal_of_an_unknown_name_has_all_names() {
    let text = Refusal::UnknownScheduler.text().to_str().unwrap();
    let (_, list) = text.split_once(": use ").unwrap();
    let listed: Vec<&str> = list
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .collect();
    let names: Vec<&str> = Kind::ALL
        .iter()
        .map(|kind| kind.name().to_str().unwrap())
        .collect();
    let mut expected = names.clone();
    expected.insert(names.len() - 1, "or");
    assert_eq!(listed, expected);
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
    }
}

#[test]
fn settings_change_as_a_request_says() {
    let flags = |bits, mask| Change {
        flags: Some((bits, mask)),
        ..Change::default()
    };
    let kind = |kind| Change {
        kind: Some(kind),
        ..Change::default()
    };
    let table = |slots| Change {
        table: Some(slots),
        ..Change::default()
    };
    let wlc = Settings::new(Kind::Wlc);
    assert_eq!(wlc.changed(&Change::default()), Ok(wlc));
    let refused = |change| wlc.changed(&change).unwrap_err();
    assert_eq!(
        refused(flags(0x10, u32::MAX)),
        Refusal::FlagOfOtherScheduler
    );
    assert_eq!(refused(flags(1, 1)), Refusal::UnknownFlag);
    assert_eq!(refused(table(65537)), Refusal::NoTable);
    assert_eq!(refused(table(4094)), Refusal::TableSize);

    let mh = wlc.changed(&kind(Kind::Mh)).unwrap();
    let large = mh.changed(&table(65537)).unwrap();
    assert_eq!(large.table, TableSize::Large);
    let both = large.changed(&flags(0x18, u32::MAX)).unwrap();
    assert_eq!((both.flags.bits(), both.table), (0x18, TableSize::Large));
    let one = both.changed(&flags(0, 0x08)).unwrap();
    assert_eq!(one.flags, Flags::PORT);
    // The same scheduler again changes nothing, another one drops what was the old one's.
    assert_eq!(both.changed(&kind(Kind::Mh)), Ok(both));
    assert_eq!(both.changed(&kind(Kind::Rr)), Ok(Settings::new(Kind::Rr)));
    assert_eq!(both.changed(&kind(Kind::Sh)), Ok(Settings::new(Kind::Sh)));
}
