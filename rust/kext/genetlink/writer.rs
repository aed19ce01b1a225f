// SPDX-License-Identifier: GPL-2.0

//! Attributes of a message that is written.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)
//!
//! Upstream: none.

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{error::to_result, ffi::c_int, prelude::*};

/// Writes attributes into a message; `EMSGSIZE` when it is full.
///
/// # Invariants
///
/// `skb` is a message that is being written, and that nothing else uses during `'a`.
pub struct Writer<'a> {
    skb: NonNull<bindings::sk_buff>,
    message: PhantomData<&'a mut bindings::sk_buff>,
}

impl Writer<'_> {
    /// # Safety
    ///
    /// `skb` must satisfy the type's invariant for the lifetime that the caller chooses.
    pub(super) unsafe fn new(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            skb,
            message: PhantomData,
        }
    }

    /// Writes an attribute of any bytes.
    pub fn bytes(&mut self, id: u16, value: &[u8]) -> Result {
        let length = c_int::try_from(value.len())?;
        // SAFETY: `skb` is a message that is being written; `value` is readable for `length` bytes.
        to_result(unsafe {
            bindings::nla_put(
                self.skb.as_ptr(),
                c_int::from(id),
                length,
                value.as_ptr().cast(),
            )
        })
    }

    /// Writes a byte.
    pub fn u8(&mut self, id: u16, value: u8) -> Result {
        self.bytes(id, &[value])
    }

    /// Writes a 16-bit number in host byte order.
    pub fn u16(&mut self, id: u16, value: u16) -> Result {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Writes a 16-bit number in network byte order.
    pub fn u16_be(&mut self, id: u16, value: u16) -> Result {
        self.bytes(id, &value.to_be_bytes())
    }

    /// Writes a 32-bit number in host byte order.
    pub fn u32(&mut self, id: u16, value: u32) -> Result {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Writes a number in as many bytes, 4 or 8, as it needs (`uint` in the specification).
    pub fn uint(&mut self, id: u16, value: u64) -> Result {
        // SAFETY: `skb` is a message that is being written.
        to_result(unsafe { bindings::rlvs_nla_put_uint(self.skb.as_ptr(), id, value) })
    }

    /// Writes a 64-bit number in host byte order, aligned where the architecture needs it: by an
    /// attribute of type `pad`, which means nothing.
    pub fn u64(&mut self, id: u16, value: u64, pad: u16) -> Result {
        // SAFETY: `skb` is a message that is being written.
        to_result(unsafe { bindings::rlvs_nla_put_u64(self.skb.as_ptr(), id, value, pad) })
    }

    /// Writes an attribute without a value, which says something by being there.
    pub fn flag(&mut self, id: u16) -> Result {
        self.bytes(id, &[])
    }

    /// Writes a string, with the zero byte that ends it.
    pub fn string(&mut self, id: u16, value: &CStr) -> Result {
        self.bytes(id, value.to_bytes_with_nul())
    }

    /// Writes an attribute that has those inside that `fill` writes.
    pub fn nest(&mut self, id: u16, fill: impl FnOnce(&mut Self) -> Result) -> Result {
        self.nest_marked(id, true, fill)
    }

    /// Writes an attribute that has those inside that `fill` writes, without the mark that there
    /// are others inside (`NLA_F_NESTED`), which families that are older than the mark do not set.
    pub fn nest_unmarked(&mut self, id: u16, fill: impl FnOnce(&mut Self) -> Result) -> Result {
        self.nest_marked(id, false, fill)
    }

    fn nest_marked(
        &mut self,
        id: u16,
        marked: bool,
        fill: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        // SAFETY: `skb` is a message that is being written.
        let nest = unsafe { bindings::rlvs_nla_nest_start(self.skb.as_ptr(), id, marked) };
        if nest.is_null() {
            return Err(EMSGSIZE);
        }
        // When it fails the whole message is cancelled, and the nest with it.
        fill(self)?;
        // SAFETY: `nest` was started in `skb`, and what was started inside it has ended.
        unsafe { bindings::rlvs_nla_nest_end(self.skb.as_ptr(), nest) };
        Ok(())
    }
}
