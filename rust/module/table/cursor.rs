// SPDX-License-Identifier: GPL-2.0

//! Walks over a table of flows: of the periodic work, and those that go on where they were left, for
//! lists that are sent in parts.

use kernel::{prelude::*, sync::Arc};
use rlvs_kext::{
    flow_table::{Flow, FlowTable, Key, Link, Second, Walker},
    netns::{Handle, Namespace},
};

/// Shows every flow of a table to `look`, which must not sleep. Process context; may sleep.
///
/// # Errors
///
/// `ENOMEM`, and nothing was shown; `EINTR` when the namespace ends, which waits for this.
pub(crate) fn all<K: Key, T: Send + Sync + 'static, R: Second<K>>(
    ns: &Handle<'_, impl Namespace>,
    table: &Arc<FlowTable<K, T, R>>,
    look: impl FnMut(&Flow<K, T, R>),
) -> Result {
    if table.is_empty() {
        return Ok(());
    }
    Walker::new(table.clone(), ns)?.for_each(ns, look)
}

/// How far a walk has come.
#[derive(Default)]
pub(crate) enum Walk<K: Key, T: Send + Sync + 'static, R: Second<K> = Link<K>> {
    /// It has not begun.
    #[default]
    Before,
    Under(Walker<K, T, R>),
    Over,
}

impl<K: Key, T: Send + Sync + 'static, R: Second<K>> Walk<K, T, R> {
    /// Goes on as long as `write` returns `true`, which means that what it wrote fits: what does
    /// not fit comes again. Returns `true` if that was the rest.
    ///
    /// # Context
    ///
    /// Process context; may sleep. `write` must not sleep.
    pub(crate) fn go_on(
        &mut self,
        ns: &Handle<'_, impl Namespace>,
        table: &Arc<FlowTable<K, T, R>>,
        mut write: impl FnMut(&Flow<K, T, R>) -> Result<bool>,
    ) -> Result<bool> {
        if let Self::Before = self {
            *self = Self::Under(Walker::new(table.clone(), ns)?);
        }
        let Self::Under(walker) = self else {
            return Ok(true);
        };
        let mut result = Ok(true);
        loop {
            let more = walker.batch(|entry| {
                result = write(entry);
                matches!(result, Ok(true))
            });
            match result {
                Err(error) => return Err(error),
                Ok(false) => return Ok(false),
                Ok(true) if more => {}
                Ok(true) => break,
            }
        }
        *self = Self::Over;
        Ok(true)
    }
}
