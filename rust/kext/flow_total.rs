// SPDX-License-Identifier: GPL-2.0

//! How many flows there are in all tables of all namespaces together, from the moment that their
//! memory is taken to when it is given back.
//!
//! Each processor counts for itself and adds what it has to the sum when it is enough, so that a new
//! flow hardly ever writes what other processors read, and a packet of a flow that there is never.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)
//!
//! Upstream: none; `struct percpu_counter` has to be made and freed, this is static.

use crate::{bh::LocalBhDisabled, bindings, rwonce::Once};
use kernel::sync::atomic::{Atomic, Relaxed};

/// In lines of the cache that have nothing else.
#[repr(align(128))]
struct Sum(Atomic<i32>);

/// The flows of all tables, without what each processor still has for itself.
/// Guarded by: atomic; a CPU adds to it what it has once that is 64 or more.
static SUM: Sum = Sum(Atomic::new(0));

/// Returns the number of flows, too low or too high by 64 for each processor at most. Any context.
#[inline]
pub fn flows() -> u32 {
    u32::try_from(SUM.0.read_once()).unwrap_or(0)
}

/// Adds 1 or -1.
///
/// # Safety
///
/// Bottom halves must be off.
#[inline]
unsafe fn add(by: i32) {
    // SAFETY: The caller promises that bottom halves are off.
    let rest = unsafe { bindings::rlvs_flow_part_add(by) };
    if rest != 0 {
        SUM.0.add(rest, Relaxed);
    }
}

/// Counts a flow that was made.
#[inline]
pub(crate) fn made(_bh: &LocalBhDisabled) {
    // SAFETY: The token proves that bottom halves are off.
    unsafe { add(1) };
}

/// Counts a flow whose memory is given back.
///
/// # Safety
///
/// Bottom halves must be off.
#[inline]
pub(crate) unsafe fn gone() {
    // SAFETY: The caller promises it.
    unsafe { add(-1) };
}
