// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over kernel interfaces that the `kernel` crate lacks.
//!
//! This crate holds all unsafe Rust of the module. It is a staging place: each file names the C
//! header it wraps and the upstream series that it mirrors, if there is one, so that it can be
//! deleted when the `kernel` crate has the same. Nothing here decides anything about packets or
//! services.
//!
//! What cannot be written with these types:
//! - taking a lock that softirq takes too while bottom halves are on ([`bh`]);
//! - keeping a slice of a packet over a call that may move the packet's data ([`skbuff`]);
//! - freeing what a hook, a periodic work item or a netlink handler still uses ([`netns`],
//!   [`netfilter`], [`flow_table`], [`rcu`]);
//! - leaving a netlink message neither finished nor cancelled ([`genetlink`]).

pub mod barrier;
pub mod bh;
mod bindings;
pub mod clock;
pub mod conntrack;
pub mod errno;
pub mod flow_table;
pub mod genetlink;
pub mod group;
pub mod inet;
pub mod kept;
pub mod local;
pub mod log;
pub mod memory;
pub mod netfilter;
pub mod netns;
pub mod once;
pub mod percpu;
pub mod proc;
pub mod random;
pub mod rcu;
pub mod skbuff;
pub mod steer;
pub mod sysctl;
pub mod task;
pub mod uapi;
pub mod user;

#[doc(hidden)]
pub use kernel as __kernel;
