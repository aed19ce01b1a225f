// SPDX-License-Identifier: GPL-2.0

//! TCP packets that are handed to a listening socket of another address or port.
//!
//! All of it is for hooks at [`LocalIn`]. The kernel makes
//! the connection with the ends that its packets have; which socket listened for it does not
//! matter to it.
//!
//! C headers: [`include/net/inet_hashtables.h`](srctree/include/net/inet_hashtables.h),
//! [`include/net/tcp.h`](srctree/include/net/tcp.h); `net/core/filter.c` has `bpf_sk_assign()`,
//! which does the same
//!
//! Upstream: none. Can go with `sock.rs`.

use crate::{
    bindings,
    netfilter::{Context, LocalIn},
    skbuff::Skb,
    sock::{Device, Ends, Listener},
};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::sync::rcu::Guard;

/// The socket that a packet has before TCP gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// None: TCP will look for one.
    None,
    /// That of a connection in TIME_WAIT.
    TimeWait,
    /// That of a connection or of a handshake; or one that a program or a rule has chosen.
    Other,
}

impl Socket {
    fn from_raw(raw: bindings::rlvs_steer_socket) -> Self {
        match raw {
            bindings::rlvs_steer_socket_RLVS_STEER_SOCKET_NONE => Self::None,
            bindings::rlvs_steer_socket_RLVS_STEER_SOCKET_TIME_WAIT => Self::TimeWait,
            _ => Self::Other,
        }
    }
}

/// What a listening socket does with a SYN, at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syn {
    /// It answers and remembers the handshake.
    Remembered,
    /// It answers with a cookie and remembers nothing (`net.ipv4.tcp_syncookies`).
    Cookie,
    /// It drops it: its accept queue is full, or its handshakes are too many.
    Dropped,
}

impl Syn {
    fn from_raw(raw: bindings::rlvs_syn) -> Self {
        match raw {
            bindings::rlvs_syn_RLVS_SYN_REMEMBERED => Self::Remembered,
            bindings::rlvs_syn_RLVS_SYN_COOKIE => Self::Cookie,
            _ => Self::Dropped,
        }
    }
}

/// A listening socket that packets can be handed to.
///
/// # Invariants
///
/// The socket has no reference of ours: it lives as long as the read-side section that is `'a`, in
/// which a packet is delivered. It takes packets of that one's family.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// What waits there.
    pub queue: Listener,
    /// What it does with a SYN.
    pub syn: Syn,
    socket: NonNull<bindings::sock>,
    section: PhantomData<&'a Guard>,
}

impl Target<'_> {
    /// Returns `true` if the socket has sent SYN cookies in the last two minutes, so that it takes
    /// one back.
    pub fn has_sent_cookies(&self) -> bool {
        // SAFETY: By the invariant the socket is there, and it listens for TCP.
        unsafe { bindings::rlvs_steer_sent_cookies(self.socket.as_ptr()) }
    }
}

/// Where a packet is to go: its own ends, and those that it would have if it had been sent to the
/// listening socket.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The packet's own.
    pub ends: &'a Ends<'a>,
    /// The packet's remote end, and where the process listens.
    pub at: &'a Ends<'a>,
    /// Where the packet comes in: [`Context::delivery_device`].
    pub device: Device,
}

impl Skb<'_> {
    /// Returns which socket the packet has.
    #[inline]
    pub fn socket(&self) -> Socket {
        // SAFETY: The packet is the hook's.
        if unsafe { (*self.as_ptr()).sk }.is_null() {
            return Socket::None;
        }
        // SAFETY: The packet is the hook's; a socket that it has is kept by it.
        Socket::from_raw(unsafe { bindings::rlvs_steer_socket(self.as_ptr()) })
    }
}

impl Context<'_> {
    /// Returns `true` if a segment that is no SYN, with its TCP header at `offset`, returns a SYN
    /// cookie that this host has sent to its sender. Does not change the packet.
    pub fn is_cookie(&self, skb: &Skb<'_>, offset: usize) -> bool {
        let Ok(offset) = u32::try_from(offset) else {
            return false;
        };
        // SAFETY: `skb` is the hook's packet, with its network header in its linear part and at the
        // start of its data, as hooks of the IP layer have it at each point; `state` is valid during
        // the hook; the function checks `offset` against the packet.
        unsafe { bindings::rlvs_steer_is_cookie(skb.as_ptr(), self.as_raw(), offset) }
    }
}

impl<'a> Context<'a, LocalIn> {
    /// Returns where the packet comes in, as TCP will look sockets up.
    #[inline]
    pub fn delivery_device(&self, skb: &Skb<'_>) -> Device {
        // SAFETY: `state` is valid during the hook, and `skb` is the hook's packet, which, being at
        // `LOCAL_IN`, the IP layer of the hook's family has received and left its notes in.
        Device(unsafe { bindings::rlvs_steer_device(skb.as_ptr(), self.as_raw()) })
    }

    /// Gives a packet without a socket that of its connection, if there is one, so that TCP need
    /// not look for it. Returns what the packet has then. `ends` are the packet's.
    pub fn demux(&self, skb: &mut Skb<'_>, ends: &Ends<'_>, device: Device) -> Socket {
        // TCP takes a socket of the other family for one of its own.
        if ends.as_raw().ipv6 != self.is_ipv6() {
            return skb.socket();
        }
        // SAFETY: `skb` is the hook's packet, which we may change and which TCP is about to get, being
        // at `LOCAL_IN`; the socket, of the packet's family, comes with a reference. The namespace is
        // alive, and the addresses, as long as the family says, live as long as `ends`.
        Socket::from_raw(unsafe {
            bindings::rlvs_steer_demux(skb.as_ptr(), self.net().as_ptr(), ends.as_raw(), device.0)
        })
    }

    /// Returns `true` if the checksum of a packet whose TCP header is at `offset` is right, or was
    /// verified before: TCP drops the packet otherwise.
    pub fn has_tcp_checksum(&self, skb: &mut Skb<'_>, offset: usize) -> bool {
        let Ok(offset) = u32::try_from(offset) else {
            return false;
        };
        // SAFETY: `skb` is the hook's packet, which we may change, with its network header set;
        // `state` is valid during the hook. An offset beyond the packet makes a wrong checksum.
        offset < skb.length()
            && unsafe { bindings::rlvs_steer_checksum(skb.as_ptr(), self.as_raw(), offset) }
    }

    /// Returns `true` if a SYN whose TCP header is at `offset` opens a new connection in place of
    /// the one in TIME_WAIT that the packet has (RFC 9293 section 3.10.7.4, RFC 6191, as
    /// `tcp_timewait_state_process()` has them); `false` if it has none.
    pub fn reopens(&self, skb: &mut Skb<'_>, offset: usize) -> bool {
        let Ok(offset) = u32::try_from(offset) else {
            return false;
        };
        if skb.socket() != Socket::TimeWait {
            return false;
        }
        // SAFETY: `skb` is the hook's packet, which we may change, and has a socket in TIME_WAIT,
        // with a reference; as it is at `LOCAL_IN`, its data begins at its network header. The
        // namespace is alive; the function checks `offset` against the packet.
        unsafe { bindings::rlvs_steer_reopens(skb.as_ptr(), self.net().as_ptr(), offset) }
    }

    /// Hands the packet to a listening socket. A connection in TIME_WAIT that the packet has is
    /// ended.
    pub fn steer(&self, skb: &mut Skb<'_>, target: &Target<'_>) {
        // SAFETY: `skb` is the hook's packet, which we may change. By the invariant the socket is
        // there, and it goes without a reference. The hook is at `LOCAL_IN`, where a packet has no
        // further queue before TCP: netfilter's own queue to user space takes a reference, and this
        // is for the last hook. All of the way from here to TCP is one read-side section, of which
        // the hook's own is a part: that of the code that has taken the packet from the device, or
        // from the queue in user space, or has bottom halves off, which keeps RCU as well.
        unsafe { bindings::rlvs_steer_give(skb.as_ptr(), target.socket.as_ptr()) };
    }

    /// Returns the socket for [`Context::steer`] at the end of the way; of a group of sockets on
    /// one port the one that TCP chooses, unless a BPF program does.
    pub fn steer_target(&self, way: &Way<'_>) -> Option<Target<'a>> {
        let ipv6 = self.is_ipv6();
        if way.ends.as_raw().ipv6 != ipv6 || way.at.as_raw().ipv6 != ipv6 {
            return None;
        }
        let mut found = bindings::rlvs_steer_listener {
            queue: Listener::NOTHING,
            syn: bindings::rlvs_syn_RLVS_SYN_DROPPED,
        };
        // SAFETY: The namespace is alive, the addresses, as long as the family says, live as long
        // as the ends, `found` may be written to, and the hook runs in a read-side section.
        let socket = unsafe {
            bindings::rlvs_steer_listener(
                self.net().as_ptr(),
                way.ends.as_raw(),
                way.at.as_raw(),
                way.device.0,
                &mut found,
            )
        };
        // INVARIANT: What listens for TCP is freed after a grace period, which the section of
        // `rcu`, `'a`, holds off.
        Some(Target {
            queue: Listener::from_raw(found.queue),
            syn: Syn::from_raw(found.syn),
            socket: NonNull::new(socket)?,
            section: PhantomData,
        })
    }
}
