// SPDX-License-Identifier: GPL-2.0

//! A model of the connection table on several CPUs, which loom runs in every order.
//!
//! An entry's life and the counts are the module's own code (`rlvs_core::connection`). The table,
//! its two links and the grace periods are written again here, in the same steps. Loom tries each
//! interleaving of the steps, up to a number of times that a CPU is interrupted between two of
//! them, and each value that an unordered read may give.
//!
//! - `table`, `machine`: the kernel's hash table and RCU, and the words.
//! - `world`: what the CPUs share, and what must hold when none of them does anything.
//! - `cpu`: what packets, the periodic work and a deletion do.
//! - `races`: what happens at once.
//! - `changes`: a CPU that chooses a destination sees every change of its counts.
//! - `faults`: the same with a mistake put in, which must be found.
//!
//! `FULL=1` in the environment allows more interruptions.

mod changes;
mod cpu;
mod faults;
mod machine;
mod races;
mod table;
mod world;

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Instant,
};

/// How often CPUs are interrupted in all between two steps. It is known of such bugs that nearly
/// all show with two (Musuvathi and Qadeer, "Iterative Context Bounding", PLDI 2007).
const INTERRUPTIONS: usize = 2;

/// Runs `model` in every order.
pub(crate) fn explore(model: impl Fn() + Sync + Send + 'static) {
    let full = std::env::var_os("FULL").is_some_and(|value| value == "1");
    let mut builder = loom::model::Builder::new();
    builder.max_threads = machine::CPUS;
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(INTERRUPTIONS + usize::from(full));
    let begin = Instant::now();
    let orders = std::sync::Arc::new(AtomicU64::new(0));
    let counted = orders.clone();
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        model();
    });
    let orders = orders.load(SeqCst);
    println!("{orders} orders in {:?}", begin.elapsed());
    assert!(orders > 1, "nothing happens at once");
}
