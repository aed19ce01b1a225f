// SPDX-License-Identifier: GPL-2.0

//! Compiles: two locks under one token. It shows that the other files fail for what they say.

use rlvs_kext::bh::{with_bh_disabled, SpinLockBh};

/// Adds the two values.
pub fn sum(a: &SpinLockBh<u32>, b: &SpinLockBh<u32>) -> u32 {
    with_bh_disabled(|bh| {
        let a = a.lock_with(bh);
        let b = b.lock_with(bh);
        a.wrapping_add(*b)
    })
}
