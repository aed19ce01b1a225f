// SPDX-License-Identifier: GPL-2.0

//! What the core's decisions cost on the host: choosing a destination, and reading and rewriting
//! the headers of a packet. `selftests/bench/host.py` takes over what criterion finds.

#![forbid(unsafe_code)]

mod packets;
mod pool;

use std::{hint::black_box, time::Duration};

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, SamplingMode};
use packets::Sample;
use pool::{Host, Pool};
use rlvs_core::{
    address::{Ip, Protocol, V4, V6},
    packet::{
        self,
        rewrite::{self, IpSummed, Which},
    },
    schedule::{mh::TableSize, Kind, Scheduler, Settings},
};

/// How many destinations there are to choose from.
const SIZES: [u16; 4] = [1, 16, 256, 4096];

/// Connections that come, and those that end for them, with each scheduler. What is timed has the
/// pool's own bookkeeping in it, which is the same for all.
fn pick(criterion: &mut Criterion) {
    for &kind in Kind::ALL {
        let name = kind.name().to_str().expect("names are ASCII");
        let mut group = criterion.benchmark_group(format!("pick.{name}"));
        group.sampling_mode(SamplingMode::Flat);
        for size in SIZES {
            let pool = Pool::new(size);
            let settings = Settings {
                // As many destinations do not fit into the other one.
                table: TableSize::Large,
                ..Settings::new(kind)
            };
            let mut scheduler: Scheduler<Host> =
                Scheduler::new(&settings, &pool).expect("destinations are valid");
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    let index = scheduler.pick(&pool, &pool.request());
                    pool.connect(index.expect("there is one that takes connections"));
                });
            });
        }
        group.finish();
    }
}

/// A request on its way to the destination, and its reply back, for one protocol and family.
fn translate<A: Ip>(criterion: &mut Criterion, protocol: Protocol, name: &str) {
    let sample = Sample::<A>::new(protocol);
    let mut group = criterion.benchmark_group(format!("packet.{name}"));
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("parse", |bencher| {
        bencher.iter(|| packet::parse::<A>(black_box(sample.bytes())).expect("it is whole"));
    });
    let mut bytes = sample.bytes().to_vec();
    // There and back again, so that the packet stays what it was: half of it is one packet.
    let ways = [
        sample.rewrite(Which::Destination),
        sample.back(Which::Destination),
    ];
    let mut turn = ways.iter().cycle();
    group.bench_function("parse_rewrite", |bencher| {
        bencher.iter(|| {
            let packet = packet::parse::<A>(black_box(&bytes[..])).expect("it is whole");
            let rewrite = turn.next().expect("a cycle has no end");
            rewrite::apply(&mut bytes, &packet, IpSummed::Other, black_box(rewrite))
                .expect("it fits")
        });
    });
    group.finish();
}

fn translations(criterion: &mut Criterion) {
    translate::<V4>(criterion, Protocol::Udp, "udp4");
    translate::<V4>(criterion, Protocol::Tcp, "tcp4");
    translate::<V6>(criterion, Protocol::Udp, "udp6");
    translate::<V6>(criterion, Protocol::Tcp, "tcp6");
}

/// Short: criterion's arguments make it longer.
fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .nresamples(1001)
        .warm_up_time(Duration::from_millis(60))
        .measurement_time(Duration::from_millis(240))
        .without_plots()
}

criterion_group! {
    name = benches;
    config = quick();
    targets = pick, translations
}
criterion_main!(benches);
