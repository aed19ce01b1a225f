// SPDX-License-Identifier: GPL-2.0

//! Local addresses and TCP sockets of a network namespace.
//!
//! C headers: [`include/net/route.h`](srctree/include/net/route.h),
//! [`include/net/inet_hashtables.h`](srctree/include/net/inet_hashtables.h),
//! [`include/net/tcp.h`](srctree/include/net/tcp.h)
//!
//! Upstream: none.

use crate::bindings;
use kernel::{ffi::c_int, task::might_sleep, types::Opaque};

/// A network namespace that is alive while it is borrowed.
#[repr(transparent)]
pub struct Net(Opaque<bindings::net>);

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// IPv4 address in network byte order, port in host byte order.
    V4(&'a [u8; 4], u16),
    /// IPv6 address in network byte order, port in host byte order.
    V6(&'a [u8; 16], u16),
}

/// A network device, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(pub(crate) c_int);

/// The TCP socket of a connection, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpSocket {
    /// None.
    None,
    /// One in TIME_WAIT.
    TimeWait,
    /// One in any other state; also a handshake under way.
    Live,
}

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

    /// Whether the IPv4 address is one of this host's. Any context but hard interrupt.
    pub fn is_local4(&self, address: &[u8; 4]) -> bool {
        // SAFETY: The namespace is alive and `address` has four bytes.
        unsafe { bindings::rlvs_is_local4(self.as_ptr(), address.as_ptr()) }
    }

    /// Whether the IPv6 address is one of this host's. Any context but hard interrupt.
    pub fn is_local6(&self, address: &[u8; 16]) -> bool {
        // SAFETY: The namespace is alive and `address` has sixteen bytes.
        unsafe { bindings::rlvs_is_local6(self.as_ptr(), address.as_ptr()) }
    }

    /// Whether `net.ipv4.conf.all.route_localnet` is on. Any context.
    pub fn route_localnet(&self) -> bool {
        // SAFETY: The namespace is alive.
        unsafe { bindings::rlvs_route_localnet(self.as_ptr()) }
    }

    /// Looks for the socket of the connection between `local` and `remote`, whichever process has
    /// it: the one that gets packets that come in by `device`, or without that any, which takes a
    /// look-up for each device. Any context but hard interrupt.
    pub fn tcp_socket(&self, local: End<'_>, remote: End<'_>, device: Option<Device>) -> TcpSocket {
        let ifindex = device.map_or(0, |device| device.0);
        let found = match (local, remote) {
            (End::V4(local, local_port), End::V4(remote, remote_port)) => {
                // SAFETY: The namespace is alive and both addresses have four bytes.
                unsafe {
                    bindings::rlvs_tcp_socket4(
                        self.as_ptr(),
                        local.as_ptr(),
                        local_port,
                        remote.as_ptr(),
                        remote_port,
                        ifindex,
                    )
                }
            }
            (End::V6(local, local_port), End::V6(remote, remote_port)) => {
                // SAFETY: The namespace is alive and both addresses have sixteen bytes.
                unsafe {
                    bindings::rlvs_tcp_socket6(
                        self.as_ptr(),
                        local.as_ptr(),
                        local_port,
                        remote.as_ptr(),
                        remote_port,
                        ifindex,
                    )
                }
            }
            _ => return TcpSocket::None,
        };
        match found {
            bindings::rlvs_tcp_socket_RLVS_TCP_SOCKET_LIVE => TcpSocket::Live,
            bindings::rlvs_tcp_socket_RLVS_TCP_SOCKET_TIME_WAIT => TcpSocket::TimeWait,
            _ => TcpSocket::None,
        }
    }

    /// Ends the socket of the connection between `local` and `remote`, if there is one: its process
    /// gets an error, its peer a reset.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn tcp_abort(&self, local: End<'_>, remote: End<'_>) {
        might_sleep();
        match (local, remote) {
            (End::V4(local, local_port), End::V4(remote, remote_port)) => {
                // SAFETY: The namespace is alive, both addresses have four bytes, and this
                // function's context allows to sleep.
                unsafe {
                    bindings::rlvs_tcp_abort4(
                        self.as_ptr(),
                        local.as_ptr(),
                        local_port,
                        remote.as_ptr(),
                        remote_port,
                    )
                }
            }
            (End::V6(local, local_port), End::V6(remote, remote_port)) => {
                // SAFETY: The namespace is alive, both addresses have sixteen bytes, and this
                // function's context allows to sleep.
                unsafe {
                    bindings::rlvs_tcp_abort6(
                        self.as_ptr(),
                        local.as_ptr(),
                        local_port,
                        remote.as_ptr(),
                        remote_port,
                    )
                }
            }
            _ => {}
        }
    }
}
