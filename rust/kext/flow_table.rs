// SPDX-License-Identifier: GPL-2.0

//! A table of flows, each found by two keys: one for the packets of either side; or by the first
//! one alone, where the other is not looked for.
//!
//! It is the kernel's resizable hash table with a link in each entry for each key, as the flow table
//! of netfilter has them. Readers take no lock and no reference: RCU keeps an entry readable for the
//! packet that found it. The kernel's table locks a bucket with interrupts off for each insertion
//! and removal, and resizes in a worker while readers and writers go on.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! Upstream: none; `struct rhashtable` is in the kernel's bindings, its lookups are inline. Can go
//! when it has an abstraction that allows two keys.

pub use bucket::Bucket;
pub use flow::{EntryCache, Flow, Link, NoReply, Second};
pub use key::{Digest, Hashed, Key, Secret, Side};
pub use link::Refused;
pub use table::FlowTable;
pub use walker::Walker;

mod bucket;
mod flow;
mod key;
mod link;
mod table;
mod teardown;
mod walker;
