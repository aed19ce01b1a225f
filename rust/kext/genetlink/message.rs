// SPDX-License-Identifier: GPL-2.0

//! Messages that are being written, of which nothing stays when they are not finished.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! Upstream: "rust: netlink: add raw netlink abstraction"; not merged.

use super::writer::Writer;
use crate::bindings;
use core::ptr::NonNull;
use kernel::{ffi::c_void, prelude::*};

/// A socket buffer for one message that is sent; freed if it is not.
///
/// # Invariants
///
/// `skb` is a socket buffer that belongs to this value alone.
pub(super) struct Buffer(NonNull<bindings::sk_buff>);

impl Buffer {
    /// Takes over a socket buffer that was allocated; `None` if it is null.
    ///
    /// # Safety
    ///
    /// `skb` must be null or a socket buffer that the caller has to free.
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Option<Self> {
        // INVARIANT: The caller promises it.
        NonNull::new(skb).map(Self)
    }

    /// The socket buffer, valid as long as this value.
    pub(super) fn as_raw(&self) -> NonNull<bindings::sk_buff> {
        self.0
    }

    /// Gives the socket buffer to the caller, which has to send or free it.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant the buffer belongs to this value, which ends here.
        unsafe { bindings::rlvs_genl_message_free(self.0.as_ptr()) };
    }
}

/// A message behind those that a socket buffer has already. Dropped before it is finished, it is
/// taken out of the buffer again.
///
/// # Invariants
///
/// `header` is that of the last message in `skb`, which is valid, is used by nothing else as long as
/// this value, and has attributes of that message after it.
pub(super) struct Message {
    skb: NonNull<bindings::sk_buff>,
    header: NonNull<c_void>,
}

impl Message {
    /// Starts with a header that was put into a socket buffer.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if `header` is null: there was no room for it.
    ///
    /// # Safety
    ///
    /// `header` must be null, or must have been put into `skb`, which must be valid and used by
    /// nothing else as long as this value.
    pub(super) unsafe fn new(skb: NonNull<bindings::sk_buff>, header: *mut c_void) -> Result<Self> {
        // INVARIANT: The caller promises it.
        NonNull::new(header)
            .map(|header| Self { skb, header })
            .ok_or(EMSGSIZE)
    }

    /// Finishes the message with the attributes that `fill` writes.
    ///
    /// # Errors
    ///
    /// Those of `fill`; the message is cancelled then.
    pub(super) fn fill(self, fill: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        // SAFETY: By the type's invariant the buffer has a message that is being written, and
        // nothing else uses it until this value ends, which is after `fill` has returned.
        fill(&mut unsafe { Writer::new(self.skb) })?;
        self.finish();
        Ok(())
    }

    fn finish(self) {
        let message = core::mem::ManuallyDrop::new(self);
        // SAFETY: By the type's invariant `header` is in the buffer; the message, which is not
        // dropped, is finished once.
        unsafe { bindings::rlvs_genl_end(message.skb.as_ptr(), message.header.as_ptr()) };
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant `header` is that of the last message in the buffer, which
        // was not finished.
        unsafe { bindings::rlvs_genl_cancel(self.skb.as_ptr(), self.header.as_ptr()) };
    }
}
