// SPDX-License-Identifier: GPL-2.0
// error: E0423

//! Nobody can make a token but who disables bottom halves.

use rlvs_kext::bh::{LocalBhDisabled, SpinLockBh};

/// Makes a token out of nothing.
pub fn forge(lock: &SpinLockBh<u32>) -> u32 {
    let bh = LocalBhDisabled(kernel::types::NotThreadSafe);
    *lock.lock_with(&bh)
}
