// SPDX-License-Identifier: GPL-2.0

//! What rlvs decides, and nothing of the kernel.
//!
//! This crate holds the rules of the virtual server as plain functions over plain values: no
//! clock, no lock, no allocation, no logging. The kernel module carries out what they say. Kbuild
//! builds it as a part of the module; cargo builds the same sources on the host, where they are
//! tested.
//!
//! - [`address`]: addresses, ports, protocols.
//! - [`tuple`]: the keys by which the packets of a connection find its entry.
//! - [`wire`]: reading a packet's headers.
//! - [`checksum`], [`crc32c`] and [`nat`]: rewriting an address and a port in a packet.
//! - [`flow`]: the states of a connection and their timeouts.
//! - [`defence`]: what goes first in a flood of new connections.
//! - [`udp`]: how much of the connections UDP may have.
//! - [`estimate`]: how much is carried in a second.
//! - [`ipvs`]: what the netlink family of ip_vs says.
//! - [`lifecycle`]: an entry between several CPUs, and the counts of its destination.
//! - [`notice`]: what is told of a destination, and when.
//! - [`retry`]: whether the first packet of a connection was refused.
//! - [`schedule`]: choosing a destination; [`changed`]: which destinations to look at for that;
//!   [`choice`]: going on when one cannot take the connection; [`heard`]: with how many.
//! - [`proc_net`]: the lines of `/proc/net/ip_vs*`.
//! - [`backends`]: which destination a packet comes from; [`tree`]: what that is looked up in.
//! - [`config`] and [`refusal`]: which requests are valid, and what is said of the others.
//!
//! Nothing here panics on any input: indices go through `get`, and sums that may overflow say
//! what happens then. The lints below hold the code to it.

#![forbid(unsafe_code)]
#![cfg_attr(not(any(test, MODULE)), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod address;
pub mod backends;
pub mod changed;
pub mod checksum;
pub mod choice;
pub mod config;
pub mod crc32c;
pub mod defence;
pub mod estimate;
pub mod flow;
pub mod heard;
pub mod icmp;
pub mod ipvs;
pub mod lifecycle;
pub mod nat;
pub mod notice;
pub mod persistence;
pub mod proc_net;
pub mod refusal;
pub mod retry;
pub mod schedule;
pub mod slow_start;
pub mod threshold;
pub mod tree;
pub mod tuple;
pub mod udp;
pub mod wire;
