// SPDX-License-Identifier: GPL-2.0

//! Messages to all that have joined the multicast group of the module's own family.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! Upstream: "rust: netlink: add raw netlink abstraction"; not merged.

use super::{
    message::{Buffer, Message},
    writer::Writer,
};
use crate::{bindings, net::Net};
use kernel::{error::to_result, prelude::*, task::might_sleep};

/// Returns how many sockets have joined the family's multicast group so far, in all namespaces;
/// wraps at 2^32. A socket is counted a moment before the group's messages reach it. Any context.
pub fn join_count() -> u32 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_genl_join_count() }
}

/// Returns `true` if a socket of the namespace has joined the family's multicast group; `false`
/// while the family is not registered.
///
/// # Context
///
/// Process context; may sleep.
pub fn has_listeners(net: &Net) -> bool {
    might_sleep();
    // SAFETY: The namespace is alive, and this function's context allows to sleep.
    unsafe { bindings::rlvs_genl_has_listeners(net.as_ptr()) }
}

/// Sends a message to all sockets of the namespace that have joined the family's multicast group:
/// the attributes that `fill` writes, in `room` bytes at most.
///
/// # Errors
///
/// `ESRCH` if no socket has joined; `ENOBUFS` if the buffer of one is full, and `ENOMEM`, after
/// which the sockets that did not get the message report `ENOBUFS`. `ENODEV` if the family is not
/// registered, `EMSGSIZE` if there is not enough room.
///
/// # Context
///
/// Process context; may sleep.
pub fn multicast(
    net: &Net,
    command: u8,
    room: u32,
    fill: impl FnOnce(&mut Writer<'_>) -> Result,
) -> Result {
    might_sleep();
    // SAFETY: An FFI call that may sleep, which this function's context allows; it returns a buffer
    // for the caller to free, or null.
    let buffer = unsafe { Buffer::from_raw(bindings::rlvs_genl_notice_new(room)) };
    let Some(buffer) = buffer else {
        // SAFETY: The namespace is alive, and this function's context allows to sleep.
        unsafe { bindings::rlvs_genl_lost(net.as_ptr()) };
        return Err(ENOMEM);
    };
    let skb = buffer.as_raw();
    // SAFETY: `skb` is a new buffer.
    let header = unsafe { bindings::rlvs_genl_put_notice(skb.as_ptr(), command) };
    // SAFETY: The header was put into the buffer, which is ours and not used before the message has
    // ended.
    unsafe { Message::new(skb, header) }?.fill(fill)?;
    // SAFETY: The namespace is alive, the message is finished, and the function takes the buffer.
    to_result(unsafe { bindings::rlvs_genl_multicast(net.as_ptr(), buffer.into_raw()) })
}
