// SPDX-License-Identifier: GPL-2.0

//! What can be set of services, destinations and the namespace.
//!
//! A field that is `None` is not sent: what is there keeps its value, and what is added gets the
//! kernel's default. Numbers out of range are refused by the kernel.

use crate::flags::Flag;
use crate::method::Method;

/// What can be set of a virtual service.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Name of the scheduler; a new service without one has `wlc`.
    pub scheduler: Option<String>,
    /// The flags that are to be set; all others are cleared.
    pub flags: Option<Vec<Flag>>,
    /// Slots of the table of the scheduler `mh`: 4093 or 65537.
    pub table_size: Option<u32>,
    /// Timeout of an established TCP connection, in seconds; 0: the namespace's.
    pub timeout_tcp: Option<u32>,
    /// Timeout of a TCP connection that one side has closed, in seconds; 0: the namespace's.
    pub timeout_fin: Option<u32>,
    /// Timeout of a UDP flow, in seconds; 0: the namespace's.
    pub timeout_udp: Option<u32>,
    /// For how many seconds a client's connections go where its last one went; 0: not at all.
    pub persistent: Option<u32>,
    /// How many leading bits of a client's address are compared for `persistent`.
    pub persistent_prefix: Option<u8>,
    /// In how many seconds a destination that has begun to listen comes to its full share of new
    /// connections; 0: at once.
    pub slow_start: Option<u32>,
}

/// What can be set of a destination.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DestinationSettings {
    /// Share of the new connections relative to the other destinations, 0 to 65535; 0 stops new
    /// connections.
    pub weight: Option<u32>,
    /// Upper threshold: with this many connections, active and inactive, it gets no new ones; 0 for
    /// none.
    pub max_connections: Option<u32>,
    /// Lower threshold: after it reached the upper one, it gets new connections with fewer than this
    /// many; 0 for three quarters of the upper one.
    pub min_connections: Option<u32>,
    /// Forwarding method.
    pub method: Option<Method>,
    /// `true` to refuse new connections from outside of the host that go straight to its address
    /// and port, past the service.
    pub private: Option<bool>,
    /// Whose listening sockets are the destination's.
    pub user: Option<SocketUser>,
}

/// The users whose listening sockets count as a destination's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketUser {
    /// Every user.
    Any,
    /// The user of this number. `u32::MAX` stands for every user on the wire.
    Only(u32),
}

/// What can be set of a network namespace: timeouts in seconds; 0 is the default.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutSettings {
    /// Of an established TCP connection.
    pub tcp: Option<u32>,
    /// Of a TCP connection that one side has closed.
    pub tcp_fin: Option<u32>,
    /// Of a UDP flow.
    pub udp: Option<u32>,
}
