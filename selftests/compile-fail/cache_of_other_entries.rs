// SPDX-License-Identifier: GPL-2.0
// error: E0308

//! A table cannot take the memory of its entries from a cache for others, which may be smaller.

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::flow_table::{EntryCache, FlowTable};

/// Makes a table of large entries from a cache for small ones.
pub fn table(
    cache: Arc<EntryCache<[u64; 2], u32>>,
) -> impl PinInit<FlowTable<[u64; 5], u32>, Error> {
    FlowTable::<[u64; 5], u32>::cached(cache)
}
