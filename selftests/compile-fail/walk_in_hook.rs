// SPDX-License-Identifier: GPL-2.0
// error: E0061

//! A hook cannot walk over a table, whose lock the worker that resizes it takes with bottom halves
//! on: that needs a handle of the namespace, which is lent in process context.

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::{
    flow_table::{FlowTable, Walker},
    netfilter::Context,
};

/// Walks over a table.
pub fn walk(_: &Context<'_>, table: &Arc<FlowTable<[u64; 2], u32>>) -> Result {
    Walker::new(table.clone())?.batch(|_| true);
    Ok(())
}
