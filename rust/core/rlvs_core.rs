// SPDX-License-Identifier: GPL-2.0

//! What rlvs decides, and nothing of the kernel.
//!
//! This crate holds the rules of the virtual server as plain functions over plain values: no clock,
//! no lock, no logging. It has no allocator: what needs memory gets it from the caller, through
//! [`schedule::Memory`] or [`tree::Share`], and never for a packet. The kernel module carries out
//! what these functions decide. Kbuild builds it as a part of the module; cargo builds the same
//! sources on the host, where they are tested.
//!
//! - [`address`]: addresses, ports, protocols.
//! - [`packet`]: reading a packet's headers, and rewriting an address and a port in it.
//! - [`connection`]: an entry between several CPUs, and the counts of its destination: its key
//!   ([`connection::tuple`]), its states ([`connection::state`]) and their timeouts
//!   ([`connection::timeout`]), and whether its first packet was refused
//!   ([`connection::rejected`]).
//! - [`schedule`]: choosing a destination; [`schedule::marks`]: which destinations to look at for
//!   that; [`schedule::choice`]: going on when one cannot take the connection; [`heard`]: with how
//!   many.
//! - [`config`] and [`refusal`]: which requests are valid, and what is said of the others;
//!   [`config::backends`]: which destination a packet comes from; [`tree`]: what that is looked up in.
//! - [`defence`]: what goes first in a flood of new connections.
//! - [`udp`]: how much of the connections UDP may have.
//! - [`estimate`]: how much is carried in a second.
//! - [`notice`]: which news there are of a destination, and when.
//! - [`persistence`]: which clients stay with their destination.
//! - [`ipvs`]: what the netlink family of ip_vs says; [`ipvs::proc`]: the lines of
//!   `/proc/net/ip_vs*`.
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
pub mod config;
pub mod connection;
pub mod defence;
pub mod estimate;
mod forward;
pub mod heard;
pub mod ipvs;
mod key;
pub mod notice;
pub mod packet;
pub mod persistence;
pub mod refusal;
pub mod schedule;
#[cfg(test)]
mod testing;
pub mod tree;
pub mod udp;
