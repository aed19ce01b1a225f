// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks.
//!
//! A hook is a type with a function; a table of hooks belongs to the state of a network namespace
//! ([`crate::netns`]), which registers and unregisters them together.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)
//!
//! Upstream: none. Can go when netfilter has bindings.

use crate::{
    bh::{with_bh_disabled, LocalBhDisabled},
    bindings,
    net::Net,
    skbuff::Skb,
    sock::Device,
};
use core::cell::Cell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    ffi::{c_uint, c_void},
    prelude::*,
    sync::rcu,
};

/// Address family of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NfProto {
    /// `NFPROTO_IPV4`
    Ipv4,
    /// `NFPROTO_IPV6`
    Ipv6,
}

/// Place of a hook on a packet's way: a type, as what may be done with a packet depends on it.
pub trait Point: point::Number {}

/// `NF_INET_PRE_ROUTING`: a packet has come in, before it is routed.
pub enum PreRouting {}

/// `NF_INET_LOCAL_OUT`: this host sends a packet, after it was routed.
pub enum LocalOut {}

/// `NF_INET_LOCAL_IN`: a packet has come in and is for this host, after it was routed.
pub enum LocalIn {}

/// Any [`Point`]: what all of them have in common.
pub enum Any {}

impl Point for PreRouting {}
impl Point for LocalOut {}
impl Point for LocalIn {}

mod point {
    use super::{bindings, LocalIn, LocalOut, PreRouting};

    pub trait Number {
        /// The number of the hook (`enum nf_inet_hooks`).
        const NUMBER: u8;
    }

    impl Number for PreRouting {
        const NUMBER: u8 = bindings::nf_inet_hooks_NF_INET_PRE_ROUTING as u8;
    }

    impl Number for LocalOut {
        const NUMBER: u8 = bindings::nf_inet_hooks_NF_INET_LOCAL_OUT as u8;
    }

    impl Number for LocalIn {
        const NUMBER: u8 = bindings::nf_inet_hooks_NF_INET_LOCAL_IN as u8;
    }
}

/// The priority of a hook after the raw table (-300) and right before connection tracking (-200).
pub const BEFORE_CONNTRACK: i32 = {
    const IPV4: i32 = bindings::nf_ip_hook_priorities_NF_IP_PRI_CONNTRACK;
    assert!(IPV4 == bindings::nf_ip6_hook_priorities_NF_IP6_PRI_CONNTRACK);
    IPV4 - 1
};

/// The priority of a hook after all others, the filter (0) and security (50) among them.
pub const LAST: i32 = {
    const IPV4: i32 = bindings::nf_ip_hook_priorities_NF_IP_PRI_LAST;
    assert!(IPV4 == bindings::nf_ip6_hook_priorities_NF_IP6_PRI_LAST);
    IPV4
};

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It is freed.
    Drop,
    /// It is freed, and its local sender gets `ECONNREFUSED`.
    Refuse,
    /// It was sent in another form ([`Context::send_segments`]), or has served its purpose, and is
    /// freed; that is no loss.
    Sent,
}

/// A hook for the packets of namespaces whose state is a `T`.
pub trait Hook<T> {
    /// The address family whose packets it sees.
    const FAMILY: NfProto;
    /// Where it sees them.
    type At: Point;
    /// Its place among the hooks there; hooks run in ascending order.
    const PRIORITY: i32;

    /// Returns `false` for a packet that the hook has nothing to do with, which then goes on. Most
    /// packets of a host do, so this must be cheap.
    ///
    /// # Context
    ///
    /// Softirq or process context, bottom halves on or off, inside an RCU read-side section: must
    /// not sleep.
    fn wants(state: &T, skb: &Skb<'_>) -> bool;

    /// Handles one packet.
    ///
    /// # Context
    ///
    /// Softirq or process context, bottom halves off, inside an RCU read-side section: must not
    /// sleep.
    fn packet(state: &T, context: &Context<'_, Self::At>, skb: &mut Skb<'_>) -> Verdict;
}

/// One line of a table of hooks.
#[repr(transparent)]
pub struct HookSpec<T> {
    raw: bindings::rlvs_hook,
    state: PhantomData<fn(&T)>,
}

// SAFETY: The entry is constant data: a function pointer and numbers.
unsafe impl<T> Sync for HookSpec<T> {}

impl<T: Sync> HookSpec<T> {
    /// The line for the hook `H`.
    pub const fn of<H: Hook<T>>() -> Self {
        Self {
            raw: bindings::rlvs_hook {
                run: Some(trampoline::<T, H>),
                priority: H::PRIORITY,
                pf: match H::FAMILY {
                    NfProto::Ipv4 => bindings::NFPROTO_IPV4 as u8,
                    NfProto::Ipv6 => bindings::NFPROTO_IPV6 as u8,
                },
                hooknum: <H::At as point::Number>::NUMBER,
            },
            state: PhantomData,
        }
    }

    /// The table as C reads it.
    pub(crate) fn as_raw(table: &'static [Self]) -> *const bindings::rlvs_hook {
        // CAST: `HookSpec` is a transparent wrapper of `rlvs_hook`.
        table.as_ptr().cast()
    }
}

/// What a hook at `P` knows besides the packet, and what it may do with it. What does not depend on
/// the hook's place is that of [`Any`], which every other one is too.
///
/// # Invariants
///
/// `state` is valid during the hook, which is at `P`. The hook runs with bottom halves off and inside
/// the read-side section `rcu`.
#[repr(C)]
pub struct Context<'a, P = Any> {
    state: NonNull<bindings::nf_hook_state>,
    /// What [`Context::vrf`] gives, once it is known.
    vrf: Cell<Option<u32>>,
    /// Proof that bottom halves are off.
    pub bh: &'a LocalBhDisabled,
    /// The read-side section that the hook runs in.
    pub rcu: &'a rcu::Guard,
    point: PhantomData<P>,
}

impl<'a, P: Point> Deref for Context<'a, P> {
    type Target = Context<'a>;

    #[inline]
    fn deref(&self) -> &Context<'a> {
        let this: *const Self = self;
        // SAFETY: The two types have the same fields in the order of C, as a `PhantomData` of
        // either has no size, and what is promised of the one is less than of the other.
        unsafe { &*this.cast::<Context<'a>>() }
    }
}

impl Context<'_> {
    /// Returns the hook's state, valid during the hook.
    #[inline]
    pub(crate) fn as_raw(&self) -> *const bindings::nf_hook_state {
        self.state.as_ptr()
    }

    /// Returns `true` if the hook is for IPv6.
    #[inline]
    pub(crate) fn is_ipv6(&self) -> bool {
        // SAFETY: `state` is valid during the hook.
        let family = unsafe { (*self.state.as_ptr()).pf };
        u32::from(family) == bindings::NFPROTO_IPV6
    }

    /// Returns `true` if the hook is for packets that this host sends.
    #[inline]
    pub(crate) fn is_local_out(&self) -> bool {
        // SAFETY: `state` is valid during the hook.
        let hook = unsafe { (*self.state.as_ptr()).hook };
        u32::from(hook) == bindings::nf_inet_hooks_NF_INET_LOCAL_OUT
    }

    /// Returns the namespace that the packet is in.
    #[inline]
    pub fn net(&self) -> &Net {
        // SAFETY: `state` is valid during the hook, and so is the namespace it names, which has
        // hooks registered.
        unsafe { Net::from_raw((*self.state.as_ptr()).net) }
    }

    /// Returns `true` if the packet is to be handled at this hook. One that this host sends is,
    /// unless it passes `LOCAL_OUT` once more: that of a socket in a VRF, at the VRF's device. One
    /// that comes in is if it is for this host ([`Context::is_for_host`]) and has not been through
    /// hooks of this very namespace: it was sent by this host (loopback device), or passes
    /// `PRE_ROUTING` a second time for the VRF that the device it came in by belongs to.
    #[inline]
    pub fn concerns(&self, skb: &Skb<'_>) -> bool {
        // SAFETY: `state` is valid during the hook, and `skb` is the hook's packet; what a bridge
        // hands on has its Ethernet header.
        let concern = unsafe { bindings::rlvs_hook_concerns(skb.as_ptr(), self.state.as_ptr()) };
        // CAST: Indices of devices are positive.
        self.vrf.set(Some(concern.vrf as u32));
        concern.here
    }

    /// Returns the index of the VRF that the packet comes in by, or goes out by; 0 outside of VRFs.
    #[inline]
    pub fn vrf(&self) -> u32 {
        self.vrf.get().unwrap_or_else(|| {
            // SAFETY: `state` is valid during the hook, which is a read-side section.
            let vrf = unsafe { bindings::rlvs_hook_vrf(self.state.as_ptr()) };
            // CAST: Indices of devices are positive.
            vrf as u32
        })
    }

    /// Returns the index of the link that the packet is on, an IPv6 packet from or to a client with
    /// a link-local address. One of the host's own is on the link that has the address.
    #[cold]
    pub fn link(&self, skb: &Skb<'_>) -> u32 {
        // SAFETY: `state` is valid during the hook, and `skb` is the hook's packet, whose control
        // block is that of its address family.
        let link = unsafe { bindings::rlvs_hook_link(skb.as_ptr(), self.state.as_ptr()) };
        // CAST: Indices of devices are positive.
        link as u32
    }

    /// Returns `true` if a packet that comes in was sent to this very host: not to all on the link,
    /// and not to another host on the far side of a bridge.
    #[inline]
    pub fn is_for_host(&self, skb: &Skb<'_>) -> bool {
        // SAFETY: `state` is valid during the hook, and `skb` is the hook's packet; what a bridge
        // hands on has its Ethernet header.
        unsafe { bindings::rlvs_hook_for_host(skb.as_ptr(), self.state.as_ptr()) }
    }

    /// Returns where the packet comes in; for one that this host sends, where it comes back when it
    /// is for the host itself.
    #[inline]
    pub fn input_device(&self) -> Device {
        // SAFETY: `state` is valid during the hook, which runs in a read-side section, in which the VRF
        // of the device is looked for.
        Device(unsafe { bindings::rlvs_hook_input_device(self.state.as_ptr()) })
    }
}

impl Context<'_, LocalOut> {
    /// Routes a packet that this host sends anew, after one of its addresses has changed.
    pub fn reroute(&self, skb: &mut Skb<'_>) -> Result {
        // SAFETY: `state` is valid during the hook; `skb` is the hook's packet, which we may change,
        // with its network header set. The hook is at `LOCAL_OUT`, where a packet has a route, whose
        // device the function reads first of all.
        to_result(unsafe { bindings::rlvs_hook_reroute(skb.as_ptr(), self.state.as_ptr()) })
    }

    /// Splits a large segment ([`Skb::is_gso`]), computes the checksums of its parts and sends them
    /// on, past any later hook of the same point: this is for the last one. The packet itself is
    /// left; return [`Verdict::Sent`] for it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what the protocol says that cannot split it; nothing was sent then.
    pub fn send_segments(&self, skb: &mut Skb<'_>) -> Result {
        // SAFETY: `state` is valid during the hook, and `skb` is the hook's packet, with its
        // headers set by the IP layer and, as it is at `LOCAL_OUT`, a route: so its parts have one,
        // which what follows the hooks (`okfn`) needs.
        to_result(unsafe { bindings::rlvs_hook_send_segments(skb.as_ptr(), self.state.as_ptr()) })
    }
}

/// The function that netfilter calls for the hook `H`.
///
/// # Safety
///
/// Netfilter's calling convention: `private` is what was registered, here a `T` that outlives the
/// registration; `skb` is a packet that the hook may use alone; `state` is valid during the call.
unsafe extern "C" fn trampoline<T: Sync, H: Hook<T>>(
    private: *mut c_void,
    skb: *mut bindings::sk_buff,
    state: *const bindings::nf_hook_state,
) -> c_uint {
    let (Some(skb), Some(hook_state)) = (NonNull::new(skb), NonNull::new(state.cast_mut())) else {
        return bindings::NF_ACCEPT;
    };
    // SAFETY: `private` is the `T` that `netns` registered; it is freed only after the hooks were
    // unregistered and a grace period has passed.
    let namespace = unsafe { &*private.cast::<T>() };
    // SAFETY: Netfilter gives the packet to one hook at a time, with its network header set.
    let mut skb = unsafe { Skb::from_raw(skb) };

    if !H::wants(namespace, &skb) {
        return bindings::NF_ACCEPT;
    }

    // A packet that a process sends is handled in process context with bottom halves on, one that
    // came in is handled with them off: never take them for off.
    let verdict = with_bh_disabled(|bh| {
        let rcu = rcu::read_lock();
        // INVARIANT: `state` is valid during the call, and this function was registered at the
        // place that `H` says, by `HookSpec::of`.
        let context = Context::<'_, H::At> {
            state: hook_state,
            vrf: Cell::new(None),
            bh,
            rcu: &rcu,
            point: PhantomData,
        };
        H::packet(namespace, &context, &mut skb)
    });
    match verdict {
        Verdict::Accept => bindings::NF_ACCEPT,
        Verdict::Drop => bindings::NF_DROP,
        // `NF_DROP_ERR()` of linux/netfilter.h: the error is in the upper half.
        Verdict::Refuse => bindings::NF_DROP | kernel::bindings::ECONNREFUSED << 16,
        Verdict::Sent => {
            // SAFETY: Netfilter leaves the packet to a hook that returns `NF_STOLEN`, and nothing
            // uses it after this.
            unsafe { bindings::rlvs_hook_consume(skb.as_ptr()) };
            bindings::NF_STOLEN
        }
    }
}
