// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)
//!
//! Upstream: none at present.

use crate::bindings;

/// Returns a random number that cannot be predicted. Any context.
pub fn u32() -> u32 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_random_u32() }
}
