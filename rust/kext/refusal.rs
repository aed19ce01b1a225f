// SPDX-License-Identifier: GPL-2.0

//! Answers of refused packets, and the mark by which they are known when they pass this host's hooks.
//!
//! Connection tracking has not seen what is refused before it, and would find the answer invalid.
//! The kernel sends the answer by itself, at once, through all hooks of `LOCAL_OUT`; with it leave
//! other packets, for example the one around it when it leaves by a tunnel. So the answer has the
//! mark, and not the CPU or the task that sends it: what is refused has an entry of connection
//! tracking for that moment that is none but the mark, and what makes a reset or an ICMP error
//! hands the entry of the refused packet on to it (`nf_ct_attach()`).
//!
//! C header: [`include/net/netfilter/nf_conntrack.h`](srctree/include/net/netfilter/nf_conntrack.h)
//!
//! Upstream: none. Can go when what refuses a packet can be given what it sends.

use crate::{bindings, net::Net, netfilter::Context, skbuff::Skb};
use kernel::{error::from_err_ptr, prelude::*};

/// The mark of a namespace's refusals: a template of connection tracking, which belongs to no
/// connection and which connection tracking passes over. None in a kernel without it, where nothing
/// is to be known.
///
/// # Invariants
///
/// `template` is null or counts a reference to what [`rlvs_mark_alloc`](bindings) has made.
pub struct Mark {
    template: *mut bindings::rlvs_mark,
}

// SAFETY: The template is counted by an atomic and not written to; any thread may give it back.
unsafe impl Send for Mark {}

// SAFETY: The template is counted by an atomic and not written to by what shares the value.
unsafe impl Sync for Mark {}

impl Mark {
    /// Makes the mark of a namespace. May sleep.
    pub fn new(net: &Net) -> Result<Self> {
        // SAFETY: The namespace is alive during the call, and the template only remembers where it
        // was; nothing reads that of a template.
        let template = from_err_ptr(unsafe { bindings::rlvs_mark_alloc(net.as_ptr()) })?;
        // INVARIANT: The function returns a reference, or null.
        Ok(Self { template })
    }

    /// Returns the template, or null.
    #[inline]
    fn as_ptr(&self) -> *mut bindings::rlvs_mark {
        self.template
    }

    /// Returns `true` if the packet has the mark. For hooks before connection tracking.
    #[inline]
    pub fn is_on(&self, skb: &Skb<'_>) -> bool {
        #[cfg(CONFIG_NF_CONNTRACK)]
        return skb.conntrack_entry() == self.template.addr()
            || skb.input_index() == bindings::RLVS_MARK_AGAIN;
        #[cfg(not(CONFIG_NF_CONNTRACK))]
        return false;
    }

    /// Returns `true` if the packet had the mark, which is taken off: it then goes on without
    /// connection tracking. For hooks before that at `LOCAL_OUT`.
    #[inline]
    pub fn take_off(&self, skb: &mut Skb<'_>, context: &Context<'_>) -> bool {
        let is_on = self.is_on(skb);
        if is_on {
            // SAFETY: `skb` is the hook's packet, which we may change, and `context` has the hook's
            // state; a packet that has the template counts a reference to it, which is given back.
            unsafe {
                bindings::rlvs_mark_take_off(skb.as_ptr(), context.as_raw(), self.template);
            }
        }
        is_on
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant the reference is ours to give back. Packets that wait
        // somewhere have references of their own.
        unsafe { bindings::rlvs_mark_free(self.template) };
    }
}

impl Context<'_> {
    /// Answers a TCP segment with a reset, which has `mark` unless connection tracking has seen the
    /// segment. The caller still has to drop the packet.
    pub fn reset(&self, skb: &mut Skb<'_>, mark: &Mark) {
        // SAFETY: `state` is valid during the hook, which runs in a read-side section and with bottom
        // halves off; `skb` is the hook's packet, which we may change, with its network header set
        // by the IP layer. Where it has no route the function finds one. The mark outlives the call.
        unsafe { bindings::rlvs_hook_reset(skb.as_ptr(), self.as_raw(), mark.as_ptr()) };
    }

    /// Answers the packet with an ICMP port unreachable, which has `mark` unless connection tracking
    /// has seen the packet. The caller still has to drop the packet.
    pub fn port_unreachable(&self, skb: &mut Skb<'_>, mark: &Mark) {
        let (skb, state) = (skb.as_ptr(), self.as_raw());
        // SAFETY: `state` is valid during the hook, which runs in a read-side section and with bottom
        // halves off; `skb` is the hook's packet, which we may change, with its network header set
        // by the IP layer. Where it has no route the function finds one. The mark outlives the call.
        unsafe { bindings::rlvs_hook_port_unreachable(skb, state, mark.as_ptr()) };
    }

    /// Answers the packet with an IP packet of `protocol`, an IP protocol number, that holds
    /// `payload` and has `mark`: from the packet's destination address to its source address, if
    /// that is one that answers are sent to. Short of memory or a route nothing is sent. The caller
    /// still has to drop the packet.
    pub fn answer(&self, skb: &Skb<'_>, protocol: u8, payload: &[u8], mark: &Mark) {
        let Ok(len) = u16::try_from(payload.len()) else {
            return;
        };
        // SAFETY: `state` is valid during the hook, which runs in a read-side section; `skb` is the
        // hook's packet, with its network header set by the IP layer; `payload` is readable for `len`
        // bytes; the mark outlives the call.
        unsafe {
            bindings::rlvs_hook_answer(
                skb.as_ptr(),
                self.as_raw(),
                protocol,
                payload.as_ptr(),
                len,
                mark.as_ptr(),
            )
        };
    }
}
