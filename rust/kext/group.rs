// SPDX-License-Identifier: GPL-2.0

//! Frames and addresses that are for more than one host.
//!
//! C headers: [`include/net/route.h`](srctree/include/net/route.h),
//! [`include/net/addrconf.h`](srctree/include/net/addrconf.h)
//!
//! Upstream: none. Can go with `local.rs`.

use crate::{bindings, netfilter::Context, skbuff::Skb, sock::Ends};

impl Context<'_> {
    /// Returns `true` if a packet has come in from elsewhere in a frame to all or to many on the
    /// link. UDP takes it all the same, whatever its IP address is.
    pub fn is_in_group_frame(&self, skb: &Skb<'_>) -> bool {
        // SAFETY: The state and the devices that it names are valid during the hook, and `skb` is
        // the hook's packet.
        unsafe { bindings::rlvs_hook_in_group_frame(skb.as_ptr(), self.as_raw()) }
    }

    /// Returns `true` if the local end of a packet that has come in from elsewhere has a broadcast
    /// or multicast address, or an anycast address of the host.
    pub fn is_to_group(&self, skb: &Skb<'_>, ends: &Ends<'_>) -> bool {
        // SAFETY: The state, its namespace and its devices are valid during the hook, which runs in
        // an RCU read-side section; `skb` is the hook's packet; the addresses, as long as the family
        // says, live as long as `ends`. An IPv6 address comes with an IPv6 packet, so that the
        // kernel has IPv6.
        unsafe { bindings::rlvs_hook_to_group(skb.as_ptr(), self.as_raw(), ends.as_raw()) }
    }
}
