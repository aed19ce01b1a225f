// SPDX-License-Identifier: GPL-2.0

//! How much memory the host has left.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! Upstream: none at present.

use crate::bindings;

/// Pages that are free or hold buffers of block devices. Any context.
pub fn available_pages() -> u64 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_available_pages() }
}
