// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and which addresses are the host's there.
//!
//! C headers: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h),
//! [`include/net/route.h`](srctree/include/net/route.h)
//!
//! Upstream: none.

use crate::bindings;
use kernel::types::Opaque;

/// A network namespace that is alive while it is borrowed.
#[repr(transparent)]
pub struct Net(Opaque<bindings::net>);

/// Returns `true` if the kernel has IPv6, which one that was booted with `ipv6.disable=1` has not.
/// The answer is always the same. Without IPv6 no IPv6 address is local, no IPv6 socket is found,
/// and no hook sees an IPv6 packet. Any context.
pub fn has_ipv6() -> bool {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_has_ipv6() }
}

/// How many IPv6 extension headers of a packet the kernel takes.
pub const MAX_EXTENSION_HEADERS: u32 = bindings::IP6_MAX_EXT_HDRS_CNT;

impl Net {
    /// Borrows a namespace.
    ///
    /// # Safety
    ///
    /// `net` must be valid and alive for the lifetime that the caller chooses.
    pub(crate) unsafe fn from_raw<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: The caller promises that the pointer is valid.
        // CAST: `Net` is a transparent wrapper of `net`.
        unsafe { &*net.cast::<Self>() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// Returns the inode number by which lsns(8) and `/proc/PID/ns/net` name the namespace.
    pub fn inode(&self) -> u32 {
        // SAFETY: The namespace is alive.
        unsafe { bindings::rlvs_netns_inode(self.as_ptr()) }
    }

    /// Returns `true` for the initial namespace, the host's own. Any context.
    pub fn is_first(&self) -> bool {
        // SAFETY: The namespace is alive while it is borrowed.
        unsafe { bindings::rlvs_netns_is_first(self.as_ptr()) }
    }

    /// Returns `true` if the IPv4 address is one of this host's outside of VRFs. Any context but
    /// hard interrupt.
    pub fn is_local4(&self, address: &[u8; 4]) -> bool {
        // SAFETY: The namespace is alive and `address` has four bytes.
        unsafe { bindings::rlvs_is_local4(self.as_ptr(), address.as_ptr()) }
    }

    /// Returns `true` if the IPv6 address is one of this host's outside of VRFs. Any context but
    /// hard interrupt.
    pub fn is_local6(&self, address: &[u8; 16]) -> bool {
        // SAFETY: The namespace is alive and `address` has sixteen bytes.
        unsafe { bindings::rlvs_is_local6(self.as_ptr(), address.as_ptr()) }
    }

    /// Returns `true` if the IPv4 address is one of this host's in a VRF. Any context but hard
    /// interrupt.
    pub fn is_vrf_local4(&self, address: &[u8; 4]) -> bool {
        // SAFETY: The namespace is alive and `address` has four bytes.
        unsafe { bindings::rlvs_is_vrf_local4(self.as_ptr(), address.as_ptr()) }
    }

    /// Returns `true` if the IPv6 address is one of this host's in a VRF; looks at every VRF. Any
    /// context but hard interrupt.
    pub fn is_vrf_local6(&self, address: &[u8; 16]) -> bool {
        // SAFETY: The namespace is alive and `address` has sixteen bytes.
        unsafe { bindings::rlvs_is_vrf_local6(self.as_ptr(), address.as_ptr()) }
    }

    /// Returns `true` if `net.ipv4.conf.all.route_localnet` is on. Any context.
    pub fn route_localnet(&self) -> bool {
        // SAFETY: The namespace is alive.
        unsafe { bindings::rlvs_route_localnet(self.as_ptr()) }
    }

    /// Returns `true` if there is a VRF in the namespace. Looks at each device; any context but
    /// hard interrupt.
    pub fn has_vrf(&self) -> bool {
        // SAFETY: The namespace is alive.
        unsafe { bindings::rlvs_has_vrf(self.as_ptr()) }
    }
}
