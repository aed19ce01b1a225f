// SPDX-License-Identifier: GPL-2.0

//! How much memory the host has left, and which control group is charged for what is kept.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/gfp_types.h`](srctree/include/linux/gfp_types.h)
//!
//! Upstream: none at present.

use crate::bindings;
use kernel::alloc::{flags, Flags};

/// The flags of all memory that a request leaves behind, and a namespace that is made: it is charged
/// to the control group of the task that asks. Process context; may sleep.
///
/// Not for what is given back before the request ends.
pub const KEPT: Flags = flags::GFP_KERNEL_ACCOUNT;

/// Returns the flags of the memory that a packet leaves behind besides flows
/// ([`crate::flow_table`], whose memory is accounted alike): it is charged to the control group of
/// the task that sends the packet, and to none if it comes by the network. Any context.
pub fn kept_by_packet() -> Flags {
    // SAFETY: An FFI call with no preconditions.
    match unsafe { bindings::rlvs_packet_is_charged() } {
        true => flags::GFP_ATOMIC | (KEPT & !flags::GFP_KERNEL),
        false => flags::GFP_ATOMIC,
    }
}

/// Returns the number of pages that are free or hold buffers of block devices. Any context.
pub fn available_pages() -> u64 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_available_pages() }
}

/// Returns the number of pages that the host has, used or not. Any context.
pub fn all_pages() -> u64 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_all_pages() }
}
