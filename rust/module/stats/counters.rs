// SPDX-License-Identifier: GPL-2.0

//! What became of packets and connections of a namespace.

use kernel::prelude::*;
use rlvs_kext::{bh::LocalBhDisabled, percpu::PerCpuCounters, uapi::counters};

/// Defines [`Event`] from one list: the variant, and the attribute that its counter is sent in.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident => $attribute:ident,)*) => {
        /// What became of packets and connections of a namespace; the index of its counter.
        #[derive(Clone, Copy)]
        pub(crate) enum Event { $($(#[$doc])* $name),* }

        impl Event {
            /// All of them.
            pub(crate) const ALL: [Self; [$(Self::$name),*].len()] = [$(Self::$name),*];

            /// Returns the number of the attribute that the counter is sent in.
            pub(crate) fn attribute(self) -> u16 {
                match self {
                    $(Self::$name => counters::$attribute,)*
                }
            }
        }
    };
}

events! {
    /// A connection entry was made.
    Connection => CONNECTIONS,
    /// Refused: no destination could take the connection.
    NoDestination => NO_DESTINATION,
    /// Dropped: it went straight to a destination's port and would have merged with a balanced
    /// connection.
    Conflict => CONFLICT,
    /// Refused: memory was short.
    NoMemory => NO_MEMORY,
    /// Refused: the connection table was full.
    TableFull => TABLE_FULL,
    /// Left alone: it ends within a header.
    Truncated => TRUNCATED,
    /// Left alone: a header contradicts itself.
    Malformed => MALFORMED,
    /// Left alone: a fragment.
    Fragment => FRAGMENT,
    /// Dropped: it could not be made writable.
    Unwritable => UNWRITABLE,
    /// Dropped: no route after its address had changed.
    RouteFailed => ROUTE_FAILED,
    /// Answered with a reset or port unreachable.
    Rejected => REJECTED,
    /// An ICMP error about a connection's packet was rewritten.
    IcmpError => ICMP_ERROR,
    /// Refused: dropped by the defence `drop_packet`.
    DropPacket => DROP_PACKET,
    /// An entry was removed by the defence `drop_entry`.
    DropEntry => DROP_ENTRY,
    /// A half-open entry was removed before its time, as the table filled up.
    EarlyExpired => EARLY_EXPIRED,
    /// Refused: a packet that a destination sent and that had no entry (sysctl `nat_icmp_send`).
    NoEntry => NO_ENTRY,
    /// A connection that its destination had refused was given to another one.
    Retried => RETRIED,
    /// A refusal reached the client: its first packet was not kept.
    RetryNotKept => RETRY_NOT_KEPT,
    /// A refusal reached the client: no other destination could take the connection.
    RetryNoDestination => RETRY_NO_DESTINATION,
    /// A refusal reached the client: its first packet could not be handled again.
    RetryNotHandled => RETRY_NOT_HANDLED,
    /// Refused: a new connection straight to a private destination.
    Private => PRIVATE,
    /// A connection was handed to a destination's listening socket.
    Steered => STEERED,
    /// One of these is missing in its destination's count: memory was short, or the connection
    /// table full.
    Uncounted => UNCOUNTED,
    /// Refused: UDP had its share of the connections.
    UdpFull => UDP_FULL,
    /// Refused: all namespaces together had as many entries as they may.
    TotalFull => TOTAL_FULL,
}

/// The counters of a namespace.
/// Guarded by: bottom halves off; each CPU writes its own.
pub(crate) struct Events(PerCpuCounters<{ Event::ALL.len() }>);

impl Events {
    /// Counters at zero. May sleep.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(PerCpuCounters::new()?))
    }

    /// Counts one event.
    #[inline]
    pub(crate) fn count(&self, bh: &LocalBhDisabled, event: Event) {
        self.0.add(bh, [(event as usize, 1)]);
    }

    /// Returns how often the event was.
    pub(crate) fn total(&self, event: Event) -> u64 {
        self.0.sum(event as usize)
    }
}
