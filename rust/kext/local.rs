// SPDX-License-Identifier: GPL-2.0

//! Where packets are routed: to this host or elsewhere.
//!
//! C headers: [`include/net/ip_fib.h`](srctree/include/net/ip_fib.h),
//! [`include/net/ip6_route.h`](srctree/include/net/ip6_route.h)
//!
//! Upstream: none. Can go when the routing tables have bindings.

use crate::{bindings, net::Net, netfilter::Context, skbuff::Skb, sock::Ends};

/// What a packet is routed by, besides its ends: its mark, its type of service and its device.
#[derive(Clone, Copy)]
pub struct Routing(bindings::rlvs_routing);

impl Routing {
    /// Nothing: of a packet without a mark that this host sends to itself.
    pub const PLAIN: Self = Self(bindings::rlvs_routing {
        mark: 0,
        info: 0,
        iif: 0,
    });
}

impl Context<'_> {
    /// Returns what the hook's packet is routed by.
    pub fn routing(&self, skb: &Skb<'_>) -> Routing {
        // SAFETY: The state is valid during the hook, and `skb` is the hook's packet, with its
        // network header set by the IP layer. The hook runs in an RCU read-side section.
        Routing(unsafe { bindings::rlvs_hook_routing(skb.as_ptr(), self.as_raw()) })
    }

    /// Returns `Some(true)` if the packet's own route delivers it on this host, and `None` before
    /// it is routed.
    pub fn is_routed_here(&self, skb: &Skb<'_>) -> Option<bool> {
        // SAFETY: The state is valid during the hook, and `skb` is the hook's packet, whose route,
        // if it has one after `PRE_ROUTING`, is of the hook's family.
        match unsafe { bindings::rlvs_hook_route(skb.as_ptr(), self.as_raw()) } {
            bindings::rlvs_route_RLVS_ROUTE_HERE => Some(true),
            bindings::rlvs_route_RLVS_ROUTE_ELSEWHERE => Some(false),
            _ => None,
        }
    }
}

impl Net {
    /// Returns `true` if a packet of the IP protocol number `protocol` from the remote to the local
    /// end would be delivered on this host, by the rules and routing tables of the moment: to an
    /// address of the host, of the VRF that it comes in by, or to a prefix that is routed to the
    /// host. A tentative IPv6 address is none yet. Any context but hard interrupt.
    pub fn routes_here(&self, by: &Routing, ends: &Ends<'_>, protocol: u8) -> bool {
        // SAFETY: The namespace is alive, and the addresses, as long as the family says, live as
        // long as `ends`.
        unsafe { bindings::rlvs_routes_here(self.as_ptr(), &by.0, ends.as_raw(), protocol) }
    }

    /// Returns `true` if a packet would be delivered on this host ([`Net::routes_here`]) with the
    /// mark that one of the rules asks for, which it may be given later. Any context but hard
    /// interrupt.
    pub fn routes_here_marked(&self, by: &Routing, ends: &Ends<'_>, protocol: u8) -> bool {
        // SAFETY: The namespace is alive, and the addresses, as long as the family says, live as
        // long as `ends`.
        unsafe { bindings::rlvs_routes_here_marked(self.as_ptr(), &by.0, ends.as_raw(), protocol) }
    }

    /// Returns `true` if a device has the IPv6 address, tentative or not. Looks at each device. Any
    /// context but hard interrupt.
    pub fn has_address6(&self, address: &[u8; 16]) -> bool {
        // SAFETY: The namespace is alive and `address` has sixteen bytes.
        unsafe { bindings::rlvs_has_address6(self.as_ptr(), address.as_ptr()) }
    }
}
