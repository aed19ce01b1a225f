// SPDX-License-Identifier: GPL-2.0
// error: E0599

//! A guard does not hand out the lock inside, which could be taken without a token.

use rlvs_kext::bh::{with_bh_disabled, SpinLockBh};

/// Takes the lock inside.
pub fn read(lock: &SpinLockBh<u32>) -> u32 {
    with_bh_disabled(|bh| *lock.lock_with(bh).lock_ref().lock())
}
