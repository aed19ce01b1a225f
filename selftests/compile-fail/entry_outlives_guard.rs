// SPDX-License-Identifier: GPL-2.0
// error: E0515

//! An entry that was found cannot be kept longer than the read-side section.

use kernel::sync::rcu;
use rlvs_kext::flow_table::{Flow, FlowTable, Hashed};

/// Keeps an entry.
pub fn keep<'a>(
    table: &'a FlowTable<[u64; 2], u32>,
    key: &Hashed<[u64; 2]>,
) -> Option<&'a Flow<[u64; 2], u32>> {
    let guard = rcu::read_lock();
    table.find(key, &guard)
}
