// SPDX-License-Identifier: GPL-2.0
// error: E0507

//! The token cannot be dropped, which would enable bottom halves, before the guard.

use rlvs_kext::bh::{with_bh_disabled, SpinLockBh};

/// Drops the two in the wrong order.
pub fn wrong_order(lock: &SpinLockBh<u32>) -> u32 {
    with_bh_disabled(|bh| {
        let guard = lock.lock_with(bh);
        drop(*bh);
        *guard
    })
}
