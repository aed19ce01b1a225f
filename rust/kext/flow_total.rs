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

use crate::bindings;

/// Returns the number of flows, too low or too high by 64 for each processor at most. Any context.
#[inline]
pub fn flows() -> u32 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_flow_total() }
}

/// Counts a flow that was made. Any context but a hard interrupt's.
#[inline]
pub(crate) fn made() {
    // SAFETY: An FFI call with no preconditions but the context: flows are made by packets and
    // requests.
    unsafe { bindings::rlvs_flow_total_add(1) };
}

/// Counts a flow whose memory is given back. Any context but a hard interrupt's.
#[inline]
pub(crate) fn gone() {
    // SAFETY: An FFI call with no preconditions but the context: flows go in softirq and process
    // context.
    unsafe { bindings::rlvs_flow_total_add(-1) };
}
