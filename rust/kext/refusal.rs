// SPDX-License-Identifier: GPL-2.0

//! The mark by which the answer of a refusal is known when it passes this host's hooks.
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
//! Upstream: none.

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

// SAFETY: As above.
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

    /// The template, or null.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::rlvs_mark {
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
