// SPDX-License-Identifier: GPL-2.0

//! Memory barriers between processors.
//!
//! C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
//!
//! Upstream: `kernel::sync::barrier::smp_mb()`, which takes no argument in Linux 7.2 and an
//! ordering from 7.3 on. Can go with support for 7.2.

use crate::bindings;

/// Orders every access before it against every access behind it, on all processors (`smp_mb()`).
/// Any context. Calls a C function: not for the way of an established packet.
pub fn full() {
    // SAFETY: The function has no preconditions: it accesses no memory.
    unsafe { bindings::rlvs_smp_mb() }
}
