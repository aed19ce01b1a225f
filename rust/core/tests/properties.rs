// SPDX-License-Identifier: GPL-2.0

//! Property tests of the core: what must hold for any input, tried on random ones.
//!
//! Each property is tried on 10,000 inputs, or on a million when the environment has `FULL=1`.

mod address;
mod checksum;
mod config;
mod flow;
mod hashing;
mod icmp;
mod nat;
mod schedule;
mod schedule_changes;
mod support;
mod tuple;
mod wire;
