// SPDX-License-Identifier: GPL-2.0

//! Requests that are not dumps, their replies, and why requests are refused.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! Upstream: none.

use super::{
    attribute::{Attribute, Attributes, Nest},
    message::{Buffer, Message},
    writer::Writer,
};
use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{error::to_result, ffi::c_int, prelude::*, task::might_sleep};

/// Where the fault of a refused request lies.
enum Cause<'a> {
    Request,
    Attribute(Attribute<'a>),
    Missing(u16),
}

/// Why a request was refused: an errno, a text that says what to change, and the attribute that is
/// at fault.
pub struct Refusal<'a> {
    error: Error,
    text: Option<&'static CStr>,
    cause: Cause<'a>,
}

impl<'a> Refusal<'a> {
    /// Makes a refusal with a text.
    pub fn new(error: Error, text: &'static CStr) -> Self {
        Self {
            error,
            text: Some(text),
            cause: Cause::Request,
        }
    }

    /// Makes a refusal (`EINVAL`) because the attribute of type `attribute` is missing.
    pub fn missing(attribute: u16, text: &'static CStr) -> Self {
        Self {
            error: EINVAL,
            text: Some(text),
            cause: Cause::Missing(attribute),
        }
    }

    /// Returns the errno.
    pub fn error(&self) -> Error {
        self.error
    }

    /// Returns the text, if there is one.
    pub fn text(&self) -> Option<&'static CStr> {
        self.text
    }

    /// Points to the attribute that is at fault, if the request has it.
    pub fn about(mut self, attribute: Option<Attribute<'a>>) -> Self {
        if let Some(attribute) = attribute {
            self.cause = Cause::Attribute(attribute);
        }
        self
    }

    /// Writes the extended acknowledgement and returns the errno.
    ///
    /// # Safety
    ///
    /// `extack` must be null or valid.
    pub(super) unsafe fn report(self, extack: *mut kernel::bindings::netlink_ext_ack) -> c_int {
        if !extack.is_null() {
            if let Some(text) = self.text {
                // SAFETY: The caller promises that `extack` is valid; the text is static.
                unsafe { (*extack)._msg = text.as_char_ptr() };
            }
            match self.cause {
                Cause::Request => {}
                Cause::Attribute(attribute) => {
                    // SAFETY: `extack` is valid; the attribute is in the request, which the
                    // acknowledgement is about.
                    unsafe { (*extack).bad_attr = attribute.raw.as_ptr() };
                }
                // SAFETY: `extack` is valid.
                Cause::Missing(id) => unsafe { bindings::rlvs_extack_miss(extack, id) },
            }
        }
        self.error.to_errno()
    }
}

impl From<Error> for Refusal<'_> {
    fn from(error: Error) -> Self {
        Self {
            error,
            text: None,
            cause: Cause::Request,
        }
    }
}

impl From<kernel::alloc::AllocError> for Refusal<'_> {
    fn from(_: kernel::alloc::AllocError) -> Self {
        ENOMEM.into()
    }
}

/// A request that is not a dump.
///
/// # Invariants
///
/// `info` is valid during `'a`.
pub struct Request<'a> {
    pub(super) info: NonNull<bindings::genl_info>,
    pub(super) command: u8,
    pub(super) message: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// Returns the command's number.
    pub fn command(&self) -> u8 {
        self.command
    }

    /// Returns the attribute `id`, if the request has it.
    pub fn get(&self, id: u16) -> Option<Attribute<'a>> {
        // SAFETY: By the type's invariant `info` is valid, and its attributes passed the policy.
        unsafe { Attribute::from_raw(bindings::rlvs_genl_attr(self.info.as_ptr(), id)) }
    }

    /// Returns the attributes nested in the attribute `id`, if the request has it.
    ///
    /// # Errors
    ///
    /// `EINVAL` or `ERANGE` for attributes that are not as the policy says; the acknowledgement
    /// says which.
    pub fn nested(&self, id: u16, nest: Nest) -> Result<Option<Attributes<'a>>> {
        self.get(id)
            // SAFETY: The acknowledgement of `info` is null or valid.
            .map(|around| unsafe { Attributes::parse(around, nest, self.extack()) })
            .transpose()
    }

    pub(super) fn extack(&self) -> *mut kernel::bindings::netlink_ext_ack {
        // SAFETY: By the type's invariant `info` is valid.
        unsafe { bindings::rlvs_genl_extack(self.info.as_ptr()) }
    }

    /// Sets the text of the acknowledgement of a request that is carried out: what its sender
    /// should know of it. A refusal's own text replaces it.
    pub fn warn(&self, text: &'static CStr) {
        let extack = self.extack();
        if !extack.is_null() {
            // SAFETY: The acknowledgement of `info` is valid if it is not null; the text is static.
            unsafe { (*extack)._msg = text.as_char_ptr() };
        }
    }

    /// Sends a reply with what `fill` writes. Errors and context are those of
    /// [`reply_as`](Self::reply_as).
    pub fn reply(&self, fill: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        self.reply_as(self.command, fill)
    }

    /// Sends a reply with what `fill` writes, as another command than the request's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EMSGSIZE` if it does not fit a message, those of `fill`, and those of sending.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn reply_as(&self, command: u8, fill: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        might_sleep();
        let info = self.info.as_ptr();
        // SAFETY: An FFI call that may sleep, which this function's context allows; it returns a
        // buffer for the caller to free, or null.
        let buffer = unsafe { Buffer::from_raw(bindings::rlvs_genl_message_new()) };
        let buffer = buffer.ok_or(ENOMEM)?;
        let skb = buffer.as_raw();
        // SAFETY: `skb` is a new buffer and `info` valid.
        let header = unsafe { bindings::rlvs_genl_put_reply(skb.as_ptr(), info, command) };
        // SAFETY: The header was put into the buffer, which is ours and not used before the message
        // has ended.
        unsafe { Message::new(skb, header) }?.fill(fill)?;
        // SAFETY: The message is finished; the function takes the buffer.
        to_result(unsafe { bindings::rlvs_genl_reply(buffer.into_raw(), info) })
    }
}
