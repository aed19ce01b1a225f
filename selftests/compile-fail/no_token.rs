// SPDX-License-Identifier: GPL-2.0
// error: E0061

//! A lock that softirq takes cannot be taken without proof that bottom halves are off.

use rlvs_kext::bh::SpinLockBh;

/// Reads the value.
pub fn read(lock: &SpinLockBh<u32>) -> u32 {
    *lock.lock_with()
}
