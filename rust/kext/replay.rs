// SPDX-License-Identifier: GPL-2.0

//! Copies of packets that are kept for a moment, to be handled once more.
//!
//! C headers: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h),
//! [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! Upstream: none. Can go when there is a type for an owned packet, `netif_rx()` and
//! `ip_local_out()`.

use crate::{bindings, netfilter::Context, skbuff::Skb};
use core::ptr::NonNull;
use kernel::{error::to_result, prelude::*};

/// A copy of a packet as it was at a hook. It takes a page of memory at most, and holds no reference
/// to a device, a route or anything else. It may be dropped in any context but hard interrupt.
///
/// # Invariants
///
/// `skb` is a socket buffer that belongs to this value alone, with its network header set.
pub struct Stashed {
    skb: NonNull<bindings::sk_buff>,
    /// The namespace, and the number of the device that the packet came in by or was about to leave
    /// by.
    place: bindings::rlvs_replay_place,
    /// This host sends it.
    sent: bool,
}

// SAFETY: The buffer belongs to the value, and any thread may free it.
unsafe impl Send for Stashed {}

impl Context<'_> {
    /// Copies the hook's packet. Returns `None` for a packet that would take more than a page, for
    /// one that the host has merged or will split, for one that came in by IPsec, and when memory
    /// is short.
    pub fn keep(&self, skb: &Skb<'_>) -> Option<Stashed> {
        // SAFETY: `skb` is the hook's packet.
        let copy = unsafe { bindings::rlvs_replay_copy(skb.as_ptr()) };
        // SAFETY: The hook's state is valid during the hook, and so are the namespace and the devices
        // that it names.
        let place = unsafe { bindings::rlvs_replay_place(self.as_raw()) };
        // INVARIANT: A pointer that is not null is a buffer of our own, and a copy has the headers
        // of what it is copied from.
        Some(Stashed {
            skb: NonNull::new(copy)?,
            place,
            sent: self.is_local_out(),
        })
    }

    /// Sends or receives a packet again that was copied at a hook of this namespace, from before
    /// the hooks on. One that came in comes in again by the same device; captures there have seen
    /// it and do not see it again. One that this host sends is given its socket again, if that is
    /// found, routed, and sent when the present packet is done, whose sender may hold locks.
    ///
    /// # Errors
    ///
    /// `ENODEV`, `ENOBUFS` or `EHOSTUNREACH` when the device is gone, too much is waiting, or there
    /// is no route, and `EXDEV` when the packet is another namespace's, where a device has the same
    /// number; the packet is freed then.
    pub fn handle_again(&self, stashed: Stashed) -> Result {
        // SAFETY: The hook's state is valid during the hook, and so are the namespace and the devices
        // that it names.
        let here = unsafe { bindings::rlvs_replay_place(self.as_raw()) };
        if stashed.place.net_cookie != here.net_cookie {
            return Err(EXDEV);
        }
        let (device, sent) = (stashed.place.device, stashed.sent);
        let (net, skb) = (self.net().as_ptr(), stashed.into_raw());
        to_result(if sent {
            // SAFETY: The namespace is alive and has hooks registered, so that its state in C is
            // there; the hook runs in a read-side section, and in no hard interrupt; `skb` is ours
            // to give away, has its network header, and no route.
            unsafe { bindings::rlvs_replay_send(net, skb, device) }
        } else {
            // SAFETY: The namespace is alive; the hook runs in a read-side section, and in no hard
            // interrupt; `skb` is ours to give away and begins at its network header, as at the
            // hook.
            unsafe { bindings::rlvs_replay_receive(net, skb, device) }
        })
    }
}

impl Stashed {
    /// Copies the bytes at `offset`, counted from the network header on, to `into`. Returns `false`
    /// if the packet ends before.
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        let (Ok(offset), Ok(len)) = (u32::try_from(offset), u32::try_from(into.len())) else {
            return false;
        };
        // SAFETY: By the type's invariant the buffer is valid and has a network header; `into` is
        // writable for `len` bytes; the function checks `offset` and `len` against the packet.
        unsafe { bindings::rlvs_skb_copy(self.skb.as_ptr(), offset, into.as_mut_ptr(), len) }
    }

    fn into_raw(self) -> *mut bindings::sk_buff {
        let skb = self.skb.as_ptr();
        core::mem::forget(self);
        skb
    }
}

impl Drop for Stashed {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant the buffer belongs to this value, which ends here.
        unsafe { bindings::rlvs_hook_consume(self.skb.as_ptr()) };
    }
}
