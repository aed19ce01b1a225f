// SPDX-License-Identifier: GPL-2.0
// error: E0515

//! An entry that was found cannot be kept longer than the read-side section.

use kernel::sync::rcu;
use rlvs_kext::flow_table::{Flow, FlowTable, Side};

/// Keeps an entry.
pub fn keep(table: &FlowTable<[u64; 2], u32>) -> Option<&Flow<[u64; 2], u32>> {
    let guard = rcu::read_lock();
    table.lookup(Side::Inbound, [0; 2], &guard)
}
