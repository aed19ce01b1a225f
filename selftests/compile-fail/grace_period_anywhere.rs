// SPDX-License-Identifier: GPL-2.0
// error: E0603

//! Nothing waits for a grace period by itself, inside of a read-side section or elsewhere: only what
//! was replaced is freed after one.

use kernel::sync::rcu;
use rlvs_kext::rcu::{synchronize, Pace, Rcu};

/// Reads a value that may be gone.
pub fn read(place: &Rcu<u32>) -> u32 {
    let guard = rcu::read_lock();
    let value = place.read(&guard);
    synchronize(Pace::Usual);
    *value
}
