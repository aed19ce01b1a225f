// SPDX-License-Identifier: GPL-2.0

//! Sockets of a network namespace: those of connections, and those that wait for new ones.
//!
//! C headers: [`include/net/inet_hashtables.h`](srctree/include/net/inet_hashtables.h),
//! [`include/net/tcp.h`](srctree/include/net/tcp.h), [`include/net/udp.h`](srctree/include/net/udp.h)
//!
//! Upstream: none. Can go when `struct net` and sockets have bindings.

use crate::{bindings, net::Net, user::User};
use core::marker::PhantomData;
use kernel::{ffi::c_int, task::might_sleep};

/// The two ends of a connection, seen from this host: of each the octets of the address, in network
/// byte order, which stay where they are, and the port, in host byte order.
///
/// # Invariants
///
/// `raw` has pointers to octets that are borrowed for `'a`, as many as the family has.
pub struct Ends<'a> {
    raw: bindings::rlvs_ends,
    octets: PhantomData<&'a [u8]>,
}

impl<'a> Ends<'a> {
    /// Makes the ends of an IPv4 connection.
    #[inline]
    pub fn v4(local: (&'a [u8; 4], u16), remote: (&'a [u8; 4], u16)) -> Self {
        // INVARIANT: Four octets each.
        Self::new((local.0, local.1), (remote.0, remote.1), false)
    }

    /// Makes the ends of an IPv6 connection.
    #[inline]
    pub fn v6(local: (&'a [u8; 16], u16), remote: (&'a [u8; 16], u16)) -> Self {
        // INVARIANT: Sixteen octets each.
        Self::new((local.0, local.1), (remote.0, remote.1), true)
    }

    #[inline]
    fn new(local: (&'a [u8], u16), remote: (&'a [u8], u16), ipv6: bool) -> Self {
        Self {
            raw: bindings::rlvs_ends {
                local: local.0.as_ptr(),
                remote: remote.0.as_ptr(),
                local_port: local.1,
                remote_port: remote.1,
                ipv6,
            },
            octets: PhantomData,
        }
    }

    /// The ends as C has them.
    #[inline]
    pub(crate) fn as_raw(&self) -> &bindings::rlvs_ends {
        &self.raw
    }
}

/// Where packets come in, as sockets are looked up: a network device, or a VRF and one of its ports.
#[derive(Clone, Copy)]
pub struct Device(pub(crate) bindings::rlvs_device);

/// A socket that waits for new connections or datagrams, and how much waits there at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Connections that wait for accept(2); of UDP, bytes that wait to be read.
    pub queued: u32,
    /// TCP handshakes under way, whose connections will be queued; 0 of UDP.
    pub handshakes: u32,
    /// What `queued` must not exceed: more is dropped.
    pub limit: u32,
    /// The user that owns the socket.
    pub user: Option<User>,
}

/// The TCP socket of a connection, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpSocket {
    /// None.
    None,
    /// One in TIME_WAIT.
    TimeWait,
    /// A handshake under way: the client has not acknowledged anything yet.
    Opening,
    /// One in any other state.
    Live,
}

/// How far a TCP connection has come, seen from this host, in sequence numbers and bytes. The
/// socket is not locked: the values may be of two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpWindow {
    /// The next sequence number that is expected.
    pub receive_next: u32,
    /// How much from there on the other side was ever allowed to send.
    pub receive_window: u32,
    /// How much before it the other side may send again.
    pub receive_past: u32,
    /// The oldest sequence number that was not acknowledged.
    pub send_unacknowledged: u32,
    /// What follows all that the process has given to be sent.
    pub send_next: u32,
    /// How much before `send_unacknowledged` an acknowledgement may be that comes late.
    pub send_past: u32,
}

impl TcpSocket {
    fn from_raw(raw: bindings::rlvs_tcp_socket) -> Self {
        match raw {
            bindings::rlvs_tcp_socket_RLVS_TCP_SOCKET_LIVE => Self::Live,
            bindings::rlvs_tcp_socket_RLVS_TCP_SOCKET_TIME_WAIT => Self::TimeWait,
            bindings::rlvs_tcp_socket_RLVS_TCP_SOCKET_OPENING => Self::Opening,
            _ => Self::None,
        }
    }
}

impl Listener {
    pub(crate) const NOTHING: bindings::rlvs_listener = bindings::rlvs_listener {
        queued: 0,
        handshakes: 0,
        limit: 0,
        user: User::NONE,
    };

    pub(crate) fn from_raw(raw: bindings::rlvs_listener) -> Self {
        Self {
            queued: raw.queued,
            handshakes: raw.handshakes,
            limit: raw.limit,
            user: User::from_bits(raw.user),
        }
    }
}

impl Net {
    /// Returns what the socket of a connection is, whichever process has it: the one that gets
    /// packets that come in by `device`, or without that any. Any context but hard interrupt.
    pub fn tcp_socket(&self, ends: &Ends<'_>, device: Option<Device>) -> TcpSocket {
        let ifindex = device.map_or(0, |device| device.0.index);
        // SAFETY: The namespace is alive, and the addresses, as long as the family says, live as
        // long as `ends`.
        let kind = unsafe { bindings::rlvs_tcp_socket(self.as_ptr(), ends.as_raw(), ifindex) };
        TcpSocket::from_raw(kind)
    }

    /// Returns what the socket of a connection in a zone is: the index of a link or of a VRF that
    /// its packets come in by; or 0, for which this is [`Net::tcp_socket`] with any device. Any
    /// context but hard interrupt.
    pub fn tcp_socket_in(&self, ends: &Ends<'_>, zone: u32) -> TcpSocket {
        if zone == 0 {
            return self.tcp_socket(ends, None);
        }
        // CAST: Indices of devices are positive and fit.
        let zone = zone as c_int;
        // SAFETY: The namespace is alive, and the addresses, as long as the family says, live as
        // long as `ends`.
        let kind = unsafe { bindings::rlvs_tcp_socket_in(self.as_ptr(), ends.as_raw(), zone) };
        TcpSocket::from_raw(kind)
    }

    /// Returns how far a connection has come, from the socket that [`Net::tcp_socket`] finds, one
    /// in TIME_WAIT or a handshake too. Any context but hard interrupt.
    pub fn tcp_window(&self, ends: &Ends<'_>, device: Option<Device>) -> Option<TcpWindow> {
        let ifindex = device.map_or(0, |device| device.0.index);
        let mut found = bindings::rlvs_tcp_window {
            receive_next: 0,
            receive_window: 0,
            receive_past: 0,
            send_unacknowledged: 0,
            send_next: 0,
            send_past: 0,
        };
        // SAFETY: The namespace is alive, the addresses, as long as the family says, live as long
        // as `ends`, and `found` may be written to.
        let exists =
            unsafe { bindings::rlvs_tcp_window(self.as_ptr(), ends.as_raw(), ifindex, &mut found) };
        exists.then_some(TcpWindow {
            receive_next: found.receive_next,
            receive_window: found.receive_window,
            receive_past: found.receive_past,
            send_unacknowledged: found.send_unacknowledged,
            send_next: found.send_next,
            send_past: found.send_past,
        })
    }

    /// Returns the socket that a client's SYN, or datagram if `udp`, between these ends is for,
    /// which comes in by `device`: bound to the address or to the wildcard one, of either family,
    /// one of a group that shares the port. Of a group whose socket a BPF program chooses by the
    /// packet's bytes it is some socket. Any context but hard interrupt.
    pub fn queue(&self, ends: &Ends<'_>, device: Device, udp: bool) -> Option<Listener> {
        let mut found = Listener::NOTHING;
        // SAFETY: The namespace is alive, the addresses, as long as the family says, live as long
        // as `ends`, and `found` may be written to.
        let exists = unsafe {
            bindings::rlvs_queue(self.as_ptr(), ends.as_raw(), device.0, udp, &mut found)
        };
        exists.then(|| Listener::from_raw(found))
    }

    /// Returns a TCP socket that listens, or a UDP socket that is bound, at the local end, for
    /// packets that come in by any device; the remote end is not specified. Of a group that shares
    /// the port it is one of them. Any context but hard interrupt.
    pub fn any_queue(&self, ends: &Ends<'_>, udp: bool) -> Option<Listener> {
        let mut found = Listener::NOTHING;
        // SAFETY: The namespace is alive, the addresses, as long as the family says, live as long
        // as `ends`, and `found` may be written to.
        let exists =
            unsafe { bindings::rlvs_any_queue(self.as_ptr(), ends.as_raw(), udp, &mut found) };
        exists.then(|| Listener::from_raw(found))
    }

    /// Returns `true` if packets between either ends that come in by `device`, datagrams if `udp`,
    /// get to one and the same socket, or group of sockets, that listens on the wildcard address.
    /// Any context but hard interrupt.
    pub fn share_socket(
        &self,
        one: &Ends<'_>,
        other: &Ends<'_>,
        device: Device,
        udp: bool,
    ) -> bool {
        // SAFETY: The namespace is alive, and the addresses, as long as the families say, live as
        // long as `one` and `other`.
        unsafe {
            bindings::rlvs_share_socket(self.as_ptr(), one.as_raw(), other.as_raw(), device.0, udp)
        }
    }

    /// Returns `true` if the socket that a datagram between these ends is for, which comes in by
    /// `device`, is connected to its sender. Any context but hard interrupt.
    pub fn udp_connected(&self, ends: &Ends<'_>, device: Device) -> bool {
        // SAFETY: The namespace is alive, and the addresses, as long as the family says, live as
        // long as `ends`.
        unsafe { bindings::rlvs_udp_connected(self.as_ptr(), ends.as_raw(), device.0) }
    }

    /// Ends the socket of a connection, if there is one: its process gets an error, its peer a
    /// reset. `zone` is the index of a link or of a VRF that the socket is bound to; or 0 for one
    /// that is in no VRF.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn tcp_abort(&self, ends: &Ends<'_>, zone: u32) {
        might_sleep();
        // CAST: Indices of devices are positive and fit.
        let zone = zone as c_int;
        // SAFETY: The namespace is alive, the addresses, as long as the family says, live as long
        // as `ends`, and this function's context allows to sleep.
        unsafe { bindings::rlvs_tcp_abort(self.as_ptr(), ends.as_raw(), zone) };
    }
}
