// SPDX-License-Identifier: GPL-2.0

//! Dumps, which go on over several messages.
//!
//! C header: [`include/linux/netlink.h`](srctree/include/linux/netlink.h)
//!
//! Upstream: none.

use super::{
    attribute::{Attribute, Attributes, Nest},
    message::Message,
    writer::Writer,
};
use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{ffi::c_void, prelude::*};

/// The message that a dump fills at present.
///
/// # Invariants
///
/// `skb` and `cb` are valid during `'a`.
pub struct DumpMessage<'a> {
    pub(super) skb: NonNull<bindings::sk_buff>,
    pub(super) cb: NonNull<bindings::netlink_callback>,
    pub(super) command: u8,
    pub(super) records: usize,
    pub(super) message: PhantomData<&'a bindings::netlink_callback>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is in the message.
    Written,
    /// The message is full; the record has to be written again into the next one.
    Full,
}

impl<'a> DumpMessage<'a> {
    /// Returns the command's number.
    pub fn command(&self) -> u8 {
        self.command
    }

    /// Returns the attributes nested in the attribute `id`, if the request has it.
    ///
    /// # Errors
    ///
    /// `EINVAL` or `ERANGE` for attributes that are not as the policy says; the acknowledgement
    /// says which.
    pub fn nested(&self, id: u16, nest: Nest) -> Result<Option<Attributes<'a>>> {
        // SAFETY: By the type's invariant `cb` is valid; its attributes passed the policy.
        let around =
            unsafe { Attribute::from_raw(bindings::rlvs_genl_dump_attr(self.cb.as_ptr(), id)) };
        around
            // SAFETY: The acknowledgement of `cb` is null or valid.
            .map(|around| unsafe { Attributes::parse(around, nest, self.extack()) })
            .transpose()
    }

    pub(super) fn extack(&self) -> *mut kernel::bindings::netlink_ext_ack {
        // SAFETY: By the type's invariant `cb` is valid.
        unsafe { bindings::rlvs_genl_dump_extack(self.cb.as_ptr()) }
    }

    /// Sets the generation of what is dumped, anew for each message and not 0. A dump in whose
    /// course it changes is marked as interrupted (`NLM_F_DUMP_INTR`).
    pub fn generation(&mut self, generation: u32) {
        // SAFETY: By the type's invariant `cb` is valid.
        unsafe { bindings::rlvs_genl_dump_generation(self.cb.as_ptr(), generation) };
    }

    /// Appends one record, or nothing of it. Does not sleep.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if the record does not fit an empty message, and those of `fill`.
    pub fn record(&mut self, fill: impl FnOnce(&mut Writer<'_>) -> Result) -> Result<Record> {
        self.record_as(self.command, fill)
    }

    /// Appends one record as another command than the request's, or nothing of it. Does not sleep.
    pub fn record_as(
        &mut self,
        command: u8,
        fill: impl FnOnce(&mut Writer<'_>) -> Result,
    ) -> Result<Record> {
        let (skb, cb) = (self.skb.as_ptr(), self.cb.as_ptr());
        // SAFETY: By the type's invariant `skb` and `cb` are valid.
        let header = unsafe { bindings::rlvs_genl_put_dump(skb, cb, command) };
        // SAFETY: The header was put into `skb`, which by the type's invariant is valid and not used
        // before the message has ended.
        let message = unsafe { Message::new(self.skb, header) };
        match message.and_then(|message| message.fill(fill)) {
            Ok(()) => {
                self.records = self.records.saturating_add(1);
                Ok(Record::Written)
            }
            // A record that does not fit an empty message never will.
            Err(error) if error == EMSGSIZE && self.records > 0 => Ok(Record::Full),
            Err(error) => Err(error),
        }
    }

    /// Appends one record for each of the items that were not written yet, as far as they fit.
    /// Returns `true` if that was the rest. Does not sleep.
    pub fn records_as<T>(
        &mut self,
        command: u8,
        written: &mut usize,
        items: impl IntoIterator<Item = T>,
        fill: impl Fn(&mut Writer<'_>, T) -> Result,
    ) -> Result<bool> {
        for item in items.into_iter().skip(*written) {
            match self.record_as(command, |out| fill(out, item))? {
                Record::Written => *written = written.saturating_add(1),
                Record::Full => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Returns the place where `cb` keeps the dump's state.
///
/// # Safety
///
/// `cb` must be valid.
pub(super) unsafe fn dump_state(cb: *mut bindings::netlink_callback) -> *mut *mut c_void {
    // SAFETY: The caller promises it.
    unsafe { bindings::rlvs_genl_dump_state(cb) }
}
