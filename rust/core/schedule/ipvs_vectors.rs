// SPDX-License-Identifier: GPL-2.0

//! What IPVS chooses. The numbers were written down from the functions of Linux 7.2's
//! `net/netfilter/ipvs/ip_vs_sh.c` and `ip_vs_mh.c`, compiled into a program on the host.

use std::{vec, vec::Vec};

use super::testing::{request, Host, Pool};
use super::{
    flags::Flags,
    mh::{Mh, TableSize},
    *,
};
use crate::address::Address;

/// No destination.
const NONE: i8 = -1;

/// Five destinations on 192.0.2.1, added in the order of their ports 8001 to 8005, and which of
/// them each client of [`CLIENTS`] gets from each port of [`PORTS`].
struct Set {
    weights: [u16; 5],
    last_weights: [u16; 5],
    /// Maglev's table: a polynomial in 31, modulo 2^64, of the numbers in its slots.
    table: u64,
    sh: [i8; 24],
    sh_fallback: [i8; 24],
    mh: [i8; 24],
    mh_fallback: [i8; 24],
}

const CLIENTS: [[u8; 4]; 8] = [
    [198, 51, 100, 7],
    [10, 0, 0, 1],
    [203, 0, 113, 5],
    [255, 255, 255, 255],
    [0, 0, 0, 0],
    [1, 2, 3, 4],
    [198, 51, 100, 99],
    [172, 16, 254, 1],
];

/// Port 0 is what IPVS puts in place of the port when it does not count.
const PORTS: [u16; 3] = [0, 40000, 65535];

#[rustfmt::skip]
const SETS: &[Set] = &[
    Set {
        weights: [1, 1, 1, 1, 1],
        last_weights: [1, 1, 1, 1, 1],
        table: 12884359998223319669,
        sh: [3, 0, 2, 0, 1, 3, 4, 1, 3, 1, 3, 0, 4, 1, 3, 2, 3, 1, 2, 4, 1, 3, 0, 2],
        sh_fallback: [3, 0, 2, 0, 1, 3, 4, 1, 3, 1, 3, 0, 4, 1, 3, 2, 3, 1, 2, 4, 1, 3, 0, 2],
        mh: [4, 2, 0, 1, 0, 4, 1, 2, 1, 3, 0, 3, 4, 4, 1, 0, 1, 2, 2, 0, 4, 4, 2, 2],
        mh_fallback: [4, 2, 0, 1, 0, 4, 1, 2, 1, 3, 0, 3, 4, 4, 1, 0, 1, 2, 2, 0, 4, 4, 2, 2],
    },
    Set {
        weights: [3, 0, 7, 1, 100],
        last_weights: [3, 5, 7, 1, 100],
        table: 4550460565986983005,
        sh: [4, 4, 4, 4, 4, 4, 4, 4, 0, 4, 4, 4, 4, 4, 4, 4, 2, 4, 4, 4, 4, 0, 4, 4],
        sh_fallback: [4, 4, 4, 4, 4, 4, 4, 4, 0, 4, 4, 4, 4, 4, 4, 4, 2, 4, 4, 4, 4, 0, 4, 4],
        mh: [4, 4, 4, 4, 4, 4, NONE, 4, 4, 4, 0, 4, 4, 4, 4, 4, 4, 2, 4, 4, 4, 4, 4, 4],
        mh_fallback: [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0, 4, 4, 4, 4, 4, 4, 2, 4, 4, 4, 4, 4, 4],
    },
    Set {
        weights: [65535, 0, 0, 12, 300],
        last_weights: [65535, 2, 0, 12, 300],
        table: 3084763732076396802,
        sh: [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        sh_fallback: [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        mh: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        mh_fallback: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
    Set {
        weights: [0, 0, 64, 0, 2],
        last_weights: [128, 40, 64, 7, 2],
        table: 17998601844674268813,
        sh: [2, 2, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 2, 2, 2, 2, 2, 4, 2, 2, 2, 2, 2],
        sh_fallback: [2, 2, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 2, 2, 2, 2, 2, 4, 2, 2, 2, 2, 2],
        mh: [2, 2, NONE, NONE, NONE, NONE, NONE, 2, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, 2, 2, NONE, 2, NONE, 2, NONE],
        mh_fallback: [2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 2, 4, 2, 2, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2],
    },
];

impl Set {
    fn pool(&self) -> Pool {
        let loads: Vec<_> = self.weights.iter().map(|weight| (*weight, 0, 0)).collect();
        let mut pool = Pool::new(&loads);
        pool.last_weights = self.last_weights.to_vec();
        pool
    }

    /// What is chosen for every client and port, and the same without the flag for the port.
    fn check(&self, kind: Kind, flags: Flags, expected: &[i8]) {
        let pool = self.pool();
        for (with_port, step) in [(true, 1), (false, PORTS.len())] {
            let flags = if with_port {
                flags.changed(Flags::PORT, Flags::PORT.bits())
            } else {
                flags
            };
            let settings = Settings {
                flags,
                ..Settings::new(kind)
            };
            let mut scheduler = Scheduler::<Host>::new(&settings, &pool).unwrap();
            let mut pick = |address: [u8; 4], port| {
                let picked = scheduler.pick(&pool, &request(Address::V4(address), port));
                picked.map_or(NONE, |index| i8::try_from(index).unwrap())
            };
            let ports = if with_port { &PORTS[..] } else { &[40000] };
            let picks: Vec<i8> = CLIENTS
                .iter()
                .flat_map(|address| ports.iter().map(move |port| (*address, *port)))
                .map(|(address, port)| pick(address, port))
                .collect();
            let expected: Vec<i8> = expected.iter().copied().step_by(step).collect();
            assert_eq!(picks, expected, "{kind:?} {flags:?} {:?}", self.weights);
        }
    }
}

#[test]
fn source_hashing() {
    for set in SETS {
        set.check(Kind::Sh, Flags::NONE, &set.sh);
        set.check(Kind::Sh, Flags::FALLBACK, &set.sh_fallback);
    }
}

#[test]
fn maglev() {
    for set in SETS {
        set.check(Kind::Mh, Flags::NONE, &set.mh);
        set.check(Kind::Mh, Flags::FALLBACK, &set.mh_fallback);
    }
}

/// Digests of what is chosen for many flows: of [`SETS`] in their order, each for sh, sh with
/// fallback, mh and mh with fallback, after 20,000 flows and after a million.
#[rustfmt::skip]
const DIGESTS: [[[u64; 2]; 4]; 4] = [
    [
        [1748808537954824272, 1719772514338018011],
        [1748808537954824272, 1719772514338018011],
        [5907480802114623552, 1316723483396858625],
        [5907480802114623552, 1316723483396858625],
    ],
    [
        [9926242574503129999, 18066294180122749516],
        [3056693882293735924, 16097697474777049617],
        [8447143806439524208, 8990885191535738772],
        [11760085245790078284, 16838639546389910942],
    ],
    [
        [6186365500833171456, 8295615948031954944],
        [6186365500833171456, 8295615948031954944],
        [760098718202107537, 6512005170269167423],
        [12824168599886205762, 2529001143563437601],
    ],
    [
        [13699158802092602087, 13224054813957024208],
        [2627354049090605688, 13207212300023712920],
        [12071670080721074444, 9181204281142554774],
        [1732457709779815302, 1904637642030049028],
    ],
];

/// 20,000 flows for each setup, or a million when the environment has `FULL=1`.
#[test]
fn many_flows() {
    let full = std::env::var_os("FULL").is_some_and(|value| value == "1");
    let (count, column) = if full { (1_000_000, 1) } else { (20_000, 0) };
    let setups = [
        (Kind::Sh, Flags::NONE),
        (Kind::Sh, Flags::FALLBACK),
        (Kind::Mh, Flags::NONE),
        (Kind::Mh, Flags::FALLBACK),
    ];
    for (set, digests) in SETS.iter().zip(DIGESTS) {
        for ((kind, flags), digest) in setups.iter().zip(digests) {
            let pool = set.pool();
            let settings = Settings {
                flags: flags.changed(Flags::PORT, Flags::PORT.bits()),
                ..Settings::new(*kind)
            };
            let mut scheduler = Scheduler::<Host>::new(&settings, &pool).unwrap();
            let mut random: u64 = 1;
            let found = (0..count).fold(0_u64, |found, _| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let [a, b, c, d, e, f, ..] = random.to_be_bytes();
                let flow = request(Address::V4([a, b, c, d]), u16::from_be_bytes([e, f]));
                let picked = scheduler.pick(&pool, &flow).unwrap_or(255);
                found
                    .wrapping_mul(31)
                    .wrapping_add(u64::try_from(picked).unwrap())
            });
            assert_eq!(
                found, digest[column],
                "{kind:?} {flags:?} {:?}",
                set.weights
            );
        }
    }
}

#[test]
fn maglev_table() {
    for set in SETS {
        let mh = Mh::<Host>::new(&set.pool(), Flags::NONE, TableSize::Ipvs).unwrap();
        let table = mh.table().iter().fold(0, |sum: u64, index| {
            sum.wrapping_mul(31).wrapping_add(u64::from(*index))
        });
        assert_eq!(table, set.table, "{:?}", set.weights);
    }
}

#[test]
fn hashes() {
    for (value, first, second, eight, ten) in [
        (0, 0x1d5a_77c2, 0xf882_433f, 0, 0),
        (1, 0x16ec_66b2, 0x8210_aad1, 97, 391),
        (0xffff_ffff, 0x22c5_d719, 0xf75a_0f5d, 158, 632),
        (0x1234_5678, 0x1d8b_3a04, 0x1cad_180e, 119, 478),
        (0xc000_0201, 0x9288_9c88, 0xc6fe_83e5, 50, 203),
    ] {
        assert_eq!(hash::hsiphash(value, 2_654_435_761), first);
        assert_eq!(hash::hsiphash(value, 2_654_446_892), second);
        assert_eq!(hash::hash_32(value, 8), eight);
        assert_eq!(hash::hash_32(value, 10), ten);
    }
}

#[test]
fn ipv6_addresses_are_folded() {
    let words: [u32; 4] = [0x2001_0db8, 1, 0xdead_beef, 0x99];
    let octets: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let address = Address::from_octets(&octets).unwrap();
    let sum = hash::fold(&address).wrapping_add(4242);
    assert_eq!(hash::hash_32(sum, 8), 61);
    assert_eq!(hash::hsiphash(sum, 2_654_435_761), 1_007_099_941);
    assert_eq!(
        hash::hsiphash(sum.wrapping_add(7), 2_654_446_892),
        2_055_767_726
    );
}

/// IPVS's table for dh has the destinations in turn, the last one first; 256 slots.
#[test]
fn destination_hashing() {
    let mut pool = Pool::new(&[(1, 0, 0), (9, 0, 0), (0, 0, 0)]);
    let table: Vec<usize> = vec![2, 1, 0].into_iter().cycle().take(256).collect();
    let picks = |pool: &Pool, octets| {
        let mut of_vip = request(Address::V4([198, 51, 100, 7]), 40000);
        of_vip.service.address = Address::V4(octets);
        Dh.pick(pool, &of_vip)
    };
    for last in 0..=255 {
        let octets = [192, 0, 2, last];
        let slot = hash::hash_32(u32::from_be_bytes(octets), 8);
        let index = table[usize::try_from(slot).unwrap()];
        pool.loads[2].0 = 0;
        assert_eq!(picks(&pool, octets), (index != 2).then_some(index));
        pool.loads[2].0 = 1;
        assert_eq!(picks(&pool, octets), Some(index));
    }
}
