// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over kernel interfaces that the `kernel` crate lacks.
//!
//! This crate holds all unsafe Rust of the module. It is a staging place: each file names the C
//! header it wraps and the upstream series that it mirrors, if there is one, so that it can be
//! deleted when the `kernel` crate has the same. It may find what the kernel would do with a packet;
//! services and destinations are not known here.
//!
//! What cannot be written with these types:
//! - taking a lock that softirq takes too while bottom halves are on ([`bh`]);
//! - keeping a slice of a packet over a call that may move the packet's data ([`skbuff`]);
//! - doing at a hook what is for another one: routing a packet anew that has no route, giving a
//!   socket to one that is not on its way in ([`netfilter`], [`sk_assign`]);
//! - freeing what a hook, a periodic work item or a netlink handler still uses ([`netns`],
//!   [`netfilter`], [`flow_table`], [`rcu`]), the memory of a table's entries ([`flow_table`]), or a
//!   namespace that has sysctls ([`sysctl`]);
//! - a hook that waits for a grace period, or walks over a table: that needs a [`netns::Handle`];
//! - leaving a netlink message neither finished nor cancelled ([`genetlink`]).
//!
//! Only with these obligations, which no type of the language shows, as with the `kernel` crate
//! itself, where klint is to check them. The documentation of a function names its own under
//! `# Context`, and the debug kernel asserts them (`might_sleep()`):
//! - nothing sleeps inside of a read-side section, be it of [`rcu`], of a walk ([`flow_table`]) or a
//!   hook's, or in a section in which bottom halves are off ([`bh`]): no `GFP_KERNEL`, no mutex;
//!   above all nothing waits for a grace period there, as what was read would be freed;
//! - what sleeps when it is dropped is dropped where that is allowed: [`rcu::Retired`],
//!   [`netns::Detached`], and the last references to a [`flow_table::FlowTable`], to an
//!   [`flow_table::EntryCache`] and to a [`flow_table::Walker`].
//!
//! Upstream: what each file says.

#[doc(hidden)]
pub use kernel as __kernel;

pub mod barrier;
pub mod bh;
mod bindings;
pub mod clock;
pub mod conntrack;
pub mod errno;
pub mod flow_table;
pub mod flow_total;
pub mod genetlink;
pub mod group;
pub mod local;
pub mod memory;
pub mod net;
pub mod netfilter;
pub mod netns;
pub mod percpu;
pub mod proc;
pub mod random;
pub mod ratelimit;
pub mod rcu;
pub mod refusal;
pub mod replay;
pub mod rwonce;
pub mod sk_assign;
pub mod skbuff;
pub mod sock;
pub mod sysctl;
pub mod task;
pub mod uapi;
pub mod user;
