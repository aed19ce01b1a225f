// SPDX-License-Identifier: GPL-2.0

//! Giving way to other tasks.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)
//!
//! Upstream: `kernel::task` has no `cond_resched`.

use crate::bindings;

/// Lets other tasks run if they are due. Process context, without a lock.
pub fn cond_resched() {
    kernel::task::might_sleep();
    // SAFETY: An FFI call that may sleep, which this function's context allows.
    unsafe { bindings::rlvs_cond_resched() };
}
