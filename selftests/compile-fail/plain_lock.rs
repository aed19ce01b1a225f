// SPDX-License-Identifier: GPL-2.0
// error: E0599

//! The lock has no way to be taken like a plain spinlock.

use rlvs_kext::bh::SpinLockBh;

/// Reads the value.
pub fn read(lock: &SpinLockBh<u32>) -> u32 {
    *lock.lock()
}
