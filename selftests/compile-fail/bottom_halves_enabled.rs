// SPDX-License-Identifier: GPL-2.0
// error: E0603

//! Bottom halves cannot be enabled by hand while a lock is held: only the end of the section does.

use rlvs_kext::bh::{with_bh_disabled, SpinLockBh};

/// Enables them too early.
pub fn enabled_early(lock: &SpinLockBh<u32>) -> u32 {
    with_bh_disabled(|bh| {
        let guard = lock.lock_with(bh);
        rlvs_kext::bindings::rlvs_local_bh_enable();
        *guard
    })
}
