// SPDX-License-Identifier: GPL-2.0
// error: lifetime may not live long enough

//! A guard cannot leave the section in which bottom halves are off: they would be enabled while it
//! lives.

use rlvs_kext::bh::{with_bh_disabled, SpinLockBh};

/// Keeps the lock with bottom halves on.
pub fn keep(lock: &SpinLockBh<u32>) {
    let guard = with_bh_disabled(|bh| lock.lock_with(bh));
    drop(guard);
}
