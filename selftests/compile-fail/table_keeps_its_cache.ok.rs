// SPDX-License-Identifier: GPL-2.0

//! Compiles: two caches at once, and a table that outlives the one that made its cache.

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::flow_table::{EntryCache, FlowTable};

type Cache = EntryCache<[u64; 2], u32>;

/// Makes a table that is the last to have its cache.
pub fn table() -> Result<Arc<FlowTable<[u64; 2], u32>>> {
    let (cache, other) = (Cache::new()?, Cache::new()?);
    let table = Arc::pin_init(FlowTable::cached(cache), GFP_KERNEL)?;
    drop(other);
    Ok(table)
}
