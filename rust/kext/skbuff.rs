// SPDX-License-Identifier: GPL-2.0

//! Socket buffers as a netfilter hook sees them.
//!
//! All offsets and lengths count from the network header on.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! Upstream: a `net::skbuff` RFC (W. Liao), in its shape only; not merged. Can go when there is a
//! type for a borrowed packet with `ensure_writable`.

use crate::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::{error::to_result, prelude::*};

/// What the checksum fields of a packet stand for (`skb->ip_summed`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpSummed {
    /// The transport checksum field holds the pseudo-header's sum; the device or the stack
    /// completes it (`CHECKSUM_PARTIAL`).
    Partial,
    /// The device has summed the whole packet into `skb->csum` (`CHECKSUM_COMPLETE`).
    Complete,
    /// The field holds a complete checksum (`CHECKSUM_NONE`, `CHECKSUM_UNNECESSARY`).
    Other,
}

/// Exclusive use of a packet for the time of a hook.
///
/// # Invariants
///
/// `skb` points to a socket buffer whose network header is set and that nothing else uses or frees
/// during `'a`.
pub struct Skb<'a> {
    skb: NonNull<bindings::sk_buff>,
    used: PhantomData<&'a mut bindings::sk_buff>,
}

impl Skb<'_> {
    /// Wraps the packet of a hook.
    ///
    /// # Safety
    ///
    /// `skb` must satisfy the type's invariant for the lifetime that the caller chooses.
    pub(crate) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            skb,
            used: PhantomData,
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.skb.as_ptr()
    }

    /// Returns the length of the packet in bytes; of a large segment, all of it.
    #[inline]
    pub fn length(&self) -> u32 {
        let (_, offset) = self.network_header();
        self.len().wrapping_sub(offset as u32)
    }

    /// Returns the first bytes of the packet: as many as are linear.
    #[inline]
    pub fn linear(&self) -> &[u8] {
        let (header, offset) = self.network_header();
        // SAFETY: By the type's invariant the buffer is valid.
        let elsewhere = unsafe { (*self.as_ptr()).data_len };
        let linear = self.len().wrapping_sub(elsewhere) as usize;
        let len = linear.wrapping_sub(offset);
        // Below zero if the header is behind what is linear.
        if isize::try_from(len).is_err() || header.is_null() {
            return &[];
        }
        // SAFETY: `len` bytes from the header on belong to the buffer, and nothing writes to them
        // or moves them while the slice borrows `self`: that needs `&mut self`.
        unsafe { core::slice::from_raw_parts(header, len) }
    }

    /// Returns the length of the buffer's data, all of it, in bytes.
    #[inline]
    fn len(&self) -> u32 {
        // SAFETY: By the type's invariant the buffer is valid.
        unsafe { (*self.as_ptr()).len }
    }

    /// Returns the network header, and how far behind the start of the buffer's data it is: modulo
    /// 2^64, as it may be before that.
    #[inline]
    fn network_header(&self) -> (*const u8, usize) {
        const FIELD: usize = bindings::rlvs_skb_offset_RLVS_SKB_NETWORK_HEADER as usize;
        // SAFETY: The field is inside of the structure that the pointer is to.
        let field = unsafe { self.skb.byte_add(FIELD) }.cast::<u16>();
        // SAFETY: By the type's invariant the buffer is valid; the field has this type.
        let from_head = usize::from(unsafe { field.read() });
        // SAFETY: By the type's invariant the buffer is valid.
        let head = unsafe { (*self.as_ptr()).head };
        // SAFETY: By the type's invariant the buffer is valid.
        let data = unsafe { (*self.as_ptr()).data };
        let header = head.wrapping_add(from_head);
        (header, header.addr().wrapping_sub(data.addr()))
    }

    /// Returns where connection tracking's entry of the packet is, or the template that holds
    /// settings for it; 0 without one.
    #[cfg(CONFIG_NF_CONNTRACK)]
    #[inline]
    pub(crate) fn conntrack_entry(&self) -> usize {
        const INFO: usize = bindings::rlvs_mark_field_RLVS_MARK_INFO as usize;
        // SAFETY: By the type's invariant the buffer is valid.
        unsafe { (*self.as_ptr())._nfct & !INFO }
    }

    /// Returns the index of the device that the packet came in by (`skb->skb_iif`).
    #[cfg(CONFIG_NF_CONNTRACK)]
    #[inline]
    pub(crate) fn input_index(&self) -> i32 {
        const FIELD: usize = bindings::rlvs_mark_field_RLVS_MARK_IIF as usize;
        // SAFETY: The field is inside of the structure that the pointer is to.
        let field = unsafe { self.skb.byte_add(FIELD) }.cast::<i32>();
        // SAFETY: By the type's invariant the buffer is valid; the field has this type.
        unsafe { field.read() }
    }

    /// Copies the bytes at `offset` to `into`. Returns `false` if the packet ends before.
    #[inline]
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        let (Ok(offset), Ok(len)) = (u32::try_from(offset), u32::try_from(into.len())) else {
            return false;
        };
        // SAFETY: By the type's invariant the buffer is valid and has a network header; `into` is
        // writable for `len` bytes; the function checks `offset` and `len` against the packet.
        unsafe { bindings::rlvs_skb_copy(self.as_ptr(), offset, into.as_mut_ptr(), len) }
    }

    /// Returns the first `len` bytes, linear and private to this packet, and what the checksum of
    /// the transport header at `offset` stands for; `None` if the packet is shorter or memory is
    /// short.
    ///
    /// The packet's data may move, which is why the slice borrows the packet: a slice that was
    /// taken before cannot be used after.
    #[inline]
    pub fn writable(&mut self, len: usize, offset: usize) -> Option<(&mut [u8], IpSummed)> {
        let (count, offset) = (u32::try_from(len).ok()?, u32::try_from(offset).ok()?);
        // SAFETY: By the type's invariant the buffer is valid and exclusively ours.
        let writable = unsafe { bindings::rlvs_skb_writable(self.as_ptr(), count, offset) };
        let data = NonNull::new(writable.data)?;
        let summed = match writable.summed {
            bindings::rlvs_ip_summed_RLVS_IP_SUMMED_PARTIAL => IpSummed::Partial,
            bindings::rlvs_ip_summed_RLVS_IP_SUMMED_COMPLETE => IpSummed::Complete,
            _ => IpSummed::Other,
        };
        // SAFETY: A pointer that is not null has `len` linear bytes that belong to this buffer
        // alone, and it stays valid until the buffer is used again, for which the slice's borrow
        // of `self` must end.
        let bytes = unsafe { core::slice::from_raw_parts_mut(data.as_ptr(), len) };
        Some((bytes, summed))
    }

    /// Adds `delta`, a one's complement sum of big-endian 16-bit words, to the sum of the whole
    /// packet ([`IpSummed::Complete`]).
    #[inline]
    pub fn adjust_complete(&mut self, delta: u16) {
        // SAFETY: By the type's invariant the buffer is valid and exclusively ours.
        unsafe { bindings::rlvs_skb_adjust_complete(self.as_ptr(), delta) };
    }

    /// Returns `true` for a large segment, which the device or the stack splits on its way out.
    #[inline]
    pub fn is_gso(&self) -> bool {
        // SAFETY: By the type's invariant the buffer is valid.
        unsafe { bindings::rlvs_skb_is_gso(self.as_ptr()) }
    }

    /// Returns `true` if a packet that comes in has been given the socket that gets it, before any
    /// was looked for: by a transparent proxy's rule or a BPF program.
    pub fn has_receiver(&self) -> bool {
        // SAFETY: By the type's invariant the buffer is valid.
        unsafe { bindings::rlvs_skb_has_receiver(self.as_ptr()) }
    }

    /// Computes a checksum that is left to the device ([`IpSummed::Partial`]) and does nothing to any
    /// other.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for a large segment, which has one checksum only after it is split.
    pub fn complete_checksum(&mut self) -> Result {
        // SAFETY: By the type's invariant the buffer is valid and exclusively ours; a partial sum
        // says itself where it is.
        to_result(unsafe { bindings::rlvs_skb_complete_checksum(self.as_ptr()) })
    }
}
