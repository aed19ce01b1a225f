// SPDX-License-Identifier: GPL-2.0

//! A coarse monotonic clock.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)
//!
//! Upstream: `kernel::time` has fine clocks only. Can go when it has `ktime_get_seconds()`.

use crate::bindings;

/// Converts a time to ticks of the kernel's clock (jiffies), as many as there can be at most. Any
/// context.
pub fn ticks(seconds: u32) -> u32 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_ticks(seconds) }
}

/// Returns the seconds since boot, wrapping at 2^32; cheap enough for every packet. Any context.
#[inline]
pub fn seconds() -> u32 {
    // SAFETY: An FFI call with no preconditions.
    let seconds = unsafe { bindings::ktime_get_seconds() };
    seconds as u32
}
