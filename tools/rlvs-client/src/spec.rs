// SPDX-License-Identifier: GPL-2.0

//! Numbers, names and types of the netlink family, generated from
//! `Documentation/netlink/specs/rlvs.yaml`: do not edit. To generate it anew,
//! run `cargo run --example generate_spec`.

// A specification holds more than the tool uses.
#![allow(dead_code)]

/// Name of the family.
pub const FAMILY_NAME: &str = "rlvs";
/// Version of the family.
pub const FAMILY_VERSION: u8 = 1;
/// Name of a multicast group.
pub const GROUP_EVENTS: &str = "events";

/// Flags of a virtual service. Those that IPVS has too have its numbers.
/// What scheduler-fallback and scheduler-port mean, and whether a service
/// can have them, depends on its scheduler: sh and mh have both.
/// Names and bits.
#[rustfmt::skip]
pub const SERVICE_FLAG: [(&str, u32); 5] = [
    ("ops", 1 << 2),
    ("scheduler-fallback", 1 << 3),
    ("scheduler-port", 1 << 4),
    ("sloppy", 1 << 16),
    ("uncounted", 1 << 17),
];

/// How a packet is carried from the virtual service to a destination.
/// The value is the position in the list.
#[rustfmt::skip]
pub const FORWARDING_METHOD: [&str; 3] = [
    "nat",
    "steer",
    "auto",
];

/// State of a connection entry, as followed from the packets of both
/// directions. The TCP states have the names of RFC 9293 section 3.3.2
/// where there is one. Those from init1 on are of SCTP, with the names of
/// RFC 9260 section 4 where there is one; SCTP has none and established
/// too.
/// The value is the position in the list.
#[rustfmt::skip]
pub const CONNECTION_STATE: [&str; 25] = [
    "none",
    "established",
    "syn-sent",
    "syn-received",
    "fin-wait",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "syn-ack",
    "udp",
    "init1",
    "init",
    "cookie-sent",
    "cookie-replied",
    "cookie-wait",
    "cookie",
    "cookie-echoed",
    "shutdown-sent",
    "shutdown-received",
    "shutdown-ack-sent",
    "rejected",
    "closed",
    "udp-unanswered",
];

/// What has become of a destination.
/// The value is the position in the list.
#[rustfmt::skip]
pub const EVENT_TYPE: [&str; 8] = [
    "up",
    "down",
    "draining",
    "drained",
    "resumed",
    "overloaded",
    "not-overloaded",
    "retried",
];

/// A virtual service. The attributes protocol, address and port together
/// identify it in its network namespace.
pub mod service {
    #[allow(unused_imports)]
    use crate::attribute::{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8};

    /// Transport protocol, an IPPROTO number: 6 (TCP), 17 (UDP) or 132
    /// (SCTP).
    pub const PROTOCOL: Attr<U8> = Attr::new(1, "protocol");

    /// Virtual address in network byte order, 4 bytes for IPv4 or 16 bytes
    /// for IPv6; the length is that of the address family. All bytes zero is the
    /// wildcard: any local address of that family.
    pub const ADDRESS: Attr<Binary> = Attr::new(2, "address");

    /// Virtual port, in network byte order, 1 to 65535.
    pub const PORT: Attr<U16Be> = Attr::new(3, "port");

    /// Name of the scheduler that chooses the destination of a new
    /// connection: `rr`, `wrr`, `lc`, `wlc`, `sed`, `nq`,
    /// `fo`, `ovf`, `sh`, `dh`, `mh`, `lblc`, `lblcr`,
    /// `twos`, `p2c` or `jsq`.
    pub const SCHEDULER: Attr<Text> = Attr::new(4, "scheduler");

    /// End the connections at once instead of letting them finish: their
    /// entries are removed, and the ends of a TCP connection get a reset.
    /// Refused where the flag uncounted left some unknown.
    pub const CUT: Attr<Flag> = Attr::new(5, "cut");

    /// Number of destinations the service has. In replies only.
    pub const DESTINATIONS: Attr<U32> = Attr::new(6, "destinations");

    /// What the service has carried since it was added or last zeroed. In
    /// replies only.
    pub const STATS: Attr<Nest> = Attr::new(7, "stats");

    /// Flags of the service, bits of service-flag; of a request, those that
    /// flags-mask has. A change of the scheduler first clears those that
    /// depend on the scheduler.
    pub const FLAGS: Attr<U32> = Attr::new(8, "flags");

    /// Which flags a request with flags sets or clears, bits of
    /// service-flag; absent, all that there are. In requests only.
    pub const FLAGS_MASK: Attr<U32> = Attr::new(9, "flags-mask");

    /// Slots of the table of the scheduler mh: 4093, as in IPVS, when
    /// absent, or 65537. No other scheduler has it. A change of the
    /// scheduler sets it back.
    pub const TABLE_SIZE: Attr<U32> = Attr::new(10, "table-size");

    /// Seconds without a packet after which an established TCP connection
    /// of the service expires, 1 to 2147483647; 0, the namespace's timeout
    /// holds. Connections that there are follow a change.
    pub const TIMEOUT_TCP: Attr<U32> = Attr::new(11, "timeout-tcp");

    /// Seconds without a packet, as in timeout-tcp, for TCP connections that
    /// one side has closed (fin-wait).
    pub const TIMEOUT_FIN: Attr<U32> = Attr::new(12, "timeout-fin");

    /// Seconds without a packet, as in timeout-tcp, for UDP flows.
    pub const TIMEOUT_UDP: Attr<U32> = Attr::new(13, "timeout-udp");

    /// Seconds for which the connections of a client go where its last one
    /// went, 1 to 2147483647, counted from the last new connection, and
    /// longer while one is open; 0, as when absent in service-add, is not
    /// at all.
    pub const PERSISTENT: Attr<U32> = Attr::new(14, "persistent");

    /// How many leading bits of a client's address count, so that clients
    /// of one network go to the same destination: 1 to 32 for IPv4, to 128
    /// for IPv6. All of them when absent in service-add. A service that is
    /// not persistent has none.
    pub const PERSISTENT_PREFIX: Attr<U8> = Attr::new(15, "persistent-prefix");

    /// Seconds, to 65535, in which a destination whose process has begun to
    /// listen comes to its full share of the new connections; 0, as when
    /// absent in service-add, gives it at once.
    pub const SLOW_START: Attr<U32> = Attr::new(16, "slow-start");

    /// 1 if the address is one of the host's at this moment, and 0 if not:
    /// packets to it are left alone then. Absent of the wildcard address. In
    /// replies only.
    pub const HERE: Attr<U8> = Attr::new(17, "here");

    /// All attributes of the set.
    #[rustfmt::skip]
    pub static SET: Set = Set {
        name: "service",
        attributes: &[
            PROTOCOL.entry(None),
            ADDRESS.entry(None),
            PORT.entry(None),
            SCHEDULER.entry(None),
            CUT.entry(None),
            DESTINATIONS.entry(None),
            STATS.entry(Some(&super::stats::SET)),
            FLAGS.entry(None),
            FLAGS_MASK.entry(None),
            TABLE_SIZE.entry(None),
            TIMEOUT_TCP.entry(None),
            TIMEOUT_FIN.entry(None),
            TIMEOUT_UDP.entry(None),
            PERSISTENT.entry(None),
            PERSISTENT_PREFIX.entry(None),
            SLOW_START.entry(None),
            HERE.entry(None),
        ],
    };
}

/// A destination of a virtual service. The attributes service, address and
/// port together identify it in its network namespace.
pub mod destination {
    #[allow(unused_imports)]
    use crate::attribute::{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8};

    /// Identity (protocol, address, port) of the service that the
    /// destination belongs to.
    pub const SERVICE: Attr<Nest> = Attr::new(1, "service");

    /// Address of the destination in network byte order, 4 or 16 bytes, of
    /// the service's address family. All bytes zero, for a service of the
    /// wildcard address only, is the address that the client connected to.
    /// Absent in a request, it is the service's own address.
    pub const ADDRESS: Attr<Binary> = Attr::new(2, "address");

    /// Port of the destination, in network byte order, 1 to 65535; with
    /// last-port the first port of a range.
    pub const PORT: Attr<U16Be> = Attr::new(3, "port");

    /// Last port of a range, inclusive, in network byte order, not below
    /// port. The request then stands for one destination on each port of
    /// the range and takes effect for all of them or for none. In requests
    /// only; absent, the range is the one port.
    pub const LAST_PORT: Attr<U16Be> = Attr::new(4, "last-port");

    /// Forwarding method; absent in destination-add, it is auto. In replies
    /// the one that new connections have. All destinations of a service
    /// have the same one: nat for some and steer for others is refused.
    pub const METHOD: Attr<U8> = Attr::new(5, "method");

    /// Share of the new connections relative to the service's other
    /// destinations, 0 to 65535; 0 quiesces the destination: it keeps its
    /// connections and is given no new ones. Absent in destination-add, it
    /// is 1.
    pub const WEIGHT: Attr<U32> = Attr::new(6, "weight");

    /// End the destination's connections at once instead of letting them
    /// finish: their entries are removed, and the ends of a TCP connection
    /// get a reset. Refused where the flag uncounted left some unknown.
    pub const CUT: Attr<Flag> = Attr::new(7, "cut");

    /// Connections that are opening or established, at this moment; for
    /// UDP, flows that have not expired. Of a service that steers those
    /// that have a socket not in TIME_WAIT, to within a second; absent
    /// where the flag uncounted is in force. In replies only.
    pub const ACTIVE_CONNECTIONS: Attr<U32> = Attr::new(8, "active-connections");

    /// Connections that are closing or closed, at this moment; 0 of a
    /// service that steers, absent where the flag uncounted is in force. In
    /// replies only.
    pub const INACTIVE_CONNECTIONS: Attr<U32> = Attr::new(9, "inactive-connections");

    /// What the destination has carried since it was added or its service
    /// last zeroed. In replies only.
    pub const STATS: Attr<Nest> = Attr::new(10, "stats");

    /// With so many connections, active and inactive, the destination gets
    /// no new ones until it has fewer than min-connections. 0, as when
    /// absent in destination-add, is no bound.
    pub const MAX_CONNECTIONS: Attr<U32> = Attr::new(11, "max-connections");

    /// Not above max-connections. 0, as when absent in destination-add,
    /// stands for three quarters of max-connections.
    pub const MIN_CONNECTIONS: Attr<U32> = Attr::new(12, "min-connections");

    /// Persistence templates that lead to the destination, at this moment.
    /// In replies only.
    pub const TEMPLATES: Attr<U32> = Attr::new(13, "templates");

    /// 1 if a TCP socket listens there at this moment, or a UDP socket is
    /// bound, and 0 if not, or if the address is not the host's; absent
    /// where that cannot be known: of SCTP, and when only the client's
    /// packet has the address. In replies only.
    pub const LISTENING: Attr<U8> = Attr::new(14, "listening");

    /// 1: new connections from outside of the host straight to the
    /// destination's address and port are refused, so that only services
    /// lead there. 0, as when absent in destination-add: they are not.
    pub const PRIVATE: Attr<U8> = Attr::new(15, "private");

    /// Connections that would notice if the process ended, at this moment:
    /// those that have not ended on both sides, or whose socket the process
    /// still has; for UDP, flows that have not expired. Absent where the
    /// flag uncounted is or was in force since the destination was added,
    /// as some are not known then. In replies only.
    pub const IN_FLIGHT: Attr<U32> = Attr::new(16, "in-flight");

    /// The weight is 0, nothing is in flight, and no template leads new
    /// connections there: the process can be stopped without a client
    /// noticing. Absent without in-flight. In replies only.
    pub const DRAINED: Attr<Flag> = Attr::new(17, "drained");

    /// The forwarding method that was asked for, steer for auto where only
    /// that reaches the destination. In replies only.
    pub const REQUESTED_METHOD: Attr<U8> = Attr::new(18, "requested-method");

    /// 1 if the address is one of the host's at this moment, and 0 if not:
    /// the destination gets no connections then. Absent of the wildcard
    /// address. In replies only.
    pub const HERE: Attr<U8> = Attr::new(19, "here");

    /// User of the listening socket, as the user namespace that owns the
    /// network namespace has it: a socket that another one has made counts
    /// as not listening. 4294967295, as when absent in destination-add, is
    /// any user; absent in replies then. Refused for SCTP, whose sockets
    /// are not asked.
    pub const USER: Attr<U32> = Attr::new(20, "user");

    /// All attributes of the set.
    #[rustfmt::skip]
    pub static SET: Set = Set {
        name: "destination",
        attributes: &[
            SERVICE.entry(Some(&super::service::SET)),
            ADDRESS.entry(None),
            PORT.entry(None),
            LAST_PORT.entry(None),
            METHOD.entry(None),
            WEIGHT.entry(None),
            CUT.entry(None),
            ACTIVE_CONNECTIONS.entry(None),
            INACTIVE_CONNECTIONS.entry(None),
            STATS.entry(Some(&super::stats::SET)),
            MAX_CONNECTIONS.entry(None),
            MIN_CONNECTIONS.entry(None),
            TEMPLATES.entry(None),
            LISTENING.entry(None),
            PRIVATE.entry(None),
            IN_FLIGHT.entry(None),
            DRAINED.entry(None),
            REQUESTED_METHOD.entry(None),
            HERE.entry(None),
            USER.entry(None),
        ],
    };
}

/// Totals of a service or of a destination. They wrap at 2^64. Of a service
/// that steers there are the connections only: it does not see the rest.
pub mod stats {
    #[allow(unused_imports)]
    use crate::attribute::{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8};

    /// Connections made, for UDP flows made.
    pub const CONNECTIONS: Attr<Uint> = Attr::new(1, "connections");

    /// Packets from clients.
    pub const IN_PACKETS: Attr<Uint> = Attr::new(2, "in-packets");

    /// Packets to clients.
    pub const OUT_PACKETS: Attr<Uint> = Attr::new(3, "out-packets");

    /// Bytes from clients, counted from the network header on.
    pub const IN_BYTES: Attr<Uint> = Attr::new(4, "in-bytes");

    /// Bytes to clients, counted from the network header on.
    pub const OUT_BYTES: Attr<Uint> = Attr::new(5, "out-bytes");

    /// Of the connections made, those that the scheduler, or persistence,
    /// had another destination for, where no process listened or the queue of
    /// connections was full: they would have been refused or dropped there.
    pub const AVOIDED: Attr<Uint> = Attr::new(6, "avoided");

    /// All attributes of the set.
    #[rustfmt::skip]
    pub static SET: Set = Set {
        name: "stats",
        attributes: &[
            CONNECTIONS.entry(None),
            IN_PACKETS.entry(None),
            OUT_PACKETS.entry(None),
            IN_BYTES.entry(None),
            OUT_BYTES.entry(None),
            AVOIDED.entry(None),
        ],
    };
}

/// A connection entry, or a persistence template, which is where the next
/// connections of a client go. All attributes are in replies only.
pub mod connection {
    #[allow(unused_imports)]
    use crate::attribute::{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8};

    /// Transport protocol, an IPPROTO number: 6 (TCP), 17 (UDP) or 132
    /// (SCTP).
    pub const PROTOCOL: Attr<U8> = Attr::new(1, "protocol");

    /// Address of the client, network byte order, 4 or 16 bytes.
    pub const CLIENT_ADDRESS: Attr<Binary> = Attr::new(2, "client-address");

    /// Port of the client, in network byte order.
    pub const CLIENT_PORT: Attr<U16Be> = Attr::new(3, "client-port");

    /// Address that the client connected to, network byte order, 4 or 16
    /// bytes; never the wildcard.
    pub const SERVICE_ADDRESS: Attr<Binary> = Attr::new(4, "service-address");

    /// Port that the client connected to, in network byte order.
    pub const SERVICE_PORT: Attr<U16Be> = Attr::new(5, "service-port");

    /// Address of the destination, network byte order, 4 or 16 bytes.
    pub const DESTINATION_ADDRESS: Attr<Binary> = Attr::new(6, "destination-address");

    /// Port of the destination, in network byte order.
    pub const DESTINATION_PORT: Attr<U16Be> = Attr::new(7, "destination-port");

    /// State of the connection.
    pub const STATE: Attr<U8> = Attr::new(8, "state");

    /// Seconds until the entry expires if no further packet is seen; a
    /// connection whose local socket still exists is kept beyond that. A
    /// template expires if no further connection is opened, and is kept
    /// while one is open.
    pub const EXPIRES: Attr<U32> = Attr::new(9, "expires");

    /// Of a template, how many leading bits of client-address count.
    pub const CLIENT_PREFIX: Attr<U8> = Attr::new(10, "client-prefix");

    /// Of a template, the connections that it led to the destination.
    pub const CONNECTIONS: Attr<U32> = Attr::new(11, "connections");

    /// Index of the network device that distinguishes the client from others
    /// with its address: of the link, for a link-local IPv6 address; of the
    /// VRF, for a client in one. Not there for any other client.
    pub const CLIENT_DEVICE: Attr<U32> = Attr::new(12, "client-device");

    /// All attributes of the set.
    #[rustfmt::skip]
    pub static SET: Set = Set {
        name: "connection",
        attributes: &[
            PROTOCOL.entry(None),
            CLIENT_ADDRESS.entry(None),
            CLIENT_PORT.entry(None),
            SERVICE_ADDRESS.entry(None),
            SERVICE_PORT.entry(None),
            DESTINATION_ADDRESS.entry(None),
            DESTINATION_PORT.entry(None),
            STATE.entry(None),
            EXPIRES.entry(None),
            CLIENT_PREFIX.entry(None),
            CONNECTIONS.entry(None),
            CLIENT_DEVICE.entry(None),
        ],
    };
}

/// Counters of a network namespace. All but entries and templates count
/// events since the namespace's first service was added and wrap at 2^64.
/// Every packet that is dropped or refused has a counter.
pub mod counters {
    #[allow(unused_imports)]
    use crate::attribute::{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8};

    /// Connection entries made.
    pub const CONNECTIONS: Attr<Uint> = Attr::new(1, "connections");

    /// Connection entries present at this moment.
    pub const ENTRIES: Attr<Uint> = Attr::new(2, "entries");

    /// New connections refused because the service has no destination that
    /// can take them: none at all, every one quiesced, or the connection
    /// would be confused with another on every one.
    pub const NO_DESTINATION: Attr<Uint> = Attr::new(3, "no-destination");

    /// Packets sent straight to a destination's own address and port that
    /// were dropped because the flow would merge with a balanced one.
    pub const CONFLICT: Attr<Uint> = Attr::new(4, "conflict");

    /// New connections refused because memory could not be allocated.
    pub const NO_MEMORY: Attr<Uint> = Attr::new(5, "no-memory");

    /// New connections refused because the connection table has reached its
    /// limit.
    pub const TABLE_FULL: Attr<Uint> = Attr::new(6, "table-full");

    /// Packets left alone because they end within a header.
    pub const TRUNCATED: Attr<Uint> = Attr::new(7, "truncated");

    /// Packets left alone because a header contradicts itself.
    pub const MALFORMED: Attr<Uint> = Attr::new(8, "malformed");

    /// Packets left alone because they are fragments without a transport
    /// header.
    pub const FRAGMENT: Attr<Uint> = Attr::new(9, "fragment");

    /// Packets dropped because they could not be made writable for the
    /// rewrite.
    pub const UNWRITABLE: Attr<Uint> = Attr::new(10, "unwritable");

    /// Packets dropped because no route was found after their address was
    /// rewritten.
    pub const ROUTE_FAILED: Attr<Uint> = Attr::new(11, "route-failed");

    /// Packets that were dropped and answered with a TCP reset or an ICMP
    /// port unreachable message.
    pub const REJECTED: Attr<Uint> = Attr::new(12, "rejected");

    /// ICMP errors about packets of connections that were rewritten as
    /// those packets were.
    pub const ICMP_ERROR: Attr<Uint> = Attr::new(13, "icmp-error");

    /// New connections refused by the defence that the sysctl drop_packet
    /// controls.
    pub const DROP_PACKET: Attr<Uint> = Attr::new(14, "drop-packet");

    /// Connection entries removed by the defence that the sysctl drop_entry
    /// controls.
    pub const DROP_ENTRY: Attr<Uint> = Attr::new(15, "drop-entry");

    /// Entries of half-open connections removed before their time because
    /// the table was filling up.
    pub const EARLY_EXPIRED: Attr<Uint> = Attr::new(16, "early-expired");

    /// Persistence templates present at this moment.
    pub const TEMPLATES: Attr<Uint> = Attr::new(17, "templates");

    /// Packets that a destination sent, dropped and answered with an ICMP
    /// port unreachable message because they had no connection entry, as
    /// the sysctl nat_icmp_send says.
    pub const NO_ENTRY: Attr<Uint> = Attr::new(18, "no-entry");

    /// Connections that a destination has refused and that were given to
    /// another one; one that was refused twice counts twice.
    pub const RETRIED: Attr<Uint> = Attr::new(19, "retried");

    /// Refusals that reached the client because the connection's first
    /// packet was not kept: it was too large, or came too long ago, memory
    /// was short, or another connection had taken its place.
    pub const RETRY_NOT_KEPT: Attr<Uint> = Attr::new(20, "retry-not-kept");

    /// Refusals that reached the client because no other destination could
    /// take the connection.
    pub const RETRY_NO_DESTINATION: Attr<Uint> = Attr::new(21, "retry-no-destination");

    /// Refusals that reached the client because the first packet could not
    /// be handled again: its device or route is gone, or too many packets
    /// are waiting.
    pub const RETRY_NOT_HANDLED: Attr<Uint> = Attr::new(22, "retry-not-handled");

    /// Packets from outside of the host that would have opened a connection
    /// straight to a private destination, dropped and answered with a TCP
    /// reset, an ICMP port unreachable message or an SCTP ABORT; odd ones
    /// are dropped without an answer.
    pub const PRIVATE: Attr<Uint> = Attr::new(23, "private");

    /// Connections handed to a destination's listening socket; they have
    /// no entry.
    pub const STEERED: Attr<Uint> = Attr::new(24, "steered");

    /// Steered connections that a destination's active-connections do not
    /// include, because memory was short or the connection table full. Those
    /// of services with the flag uncounted are not among them.
    pub const UNCOUNTED: Attr<Uint> = Attr::new(25, "uncounted");

    /// New UDP flows refused because UDP has its share of the connection
    /// table: three quarters for all, half for flows that were not answered.
    pub const UDP_FULL: Attr<Uint> = Attr::new(26, "udp-full");

    /// New connections refused because all network namespaces together have
    /// as many entries as the sysctl conn_max_total allows.
    pub const TOTAL_FULL: Attr<Uint> = Attr::new(27, "total-full");

    /// All attributes of the set.
    #[rustfmt::skip]
    pub static SET: Set = Set {
        name: "counters",
        attributes: &[
            CONNECTIONS.entry(None),
            ENTRIES.entry(None),
            NO_DESTINATION.entry(None),
            CONFLICT.entry(None),
            NO_MEMORY.entry(None),
            TABLE_FULL.entry(None),
            TRUNCATED.entry(None),
            MALFORMED.entry(None),
            FRAGMENT.entry(None),
            UNWRITABLE.entry(None),
            ROUTE_FAILED.entry(None),
            REJECTED.entry(None),
            ICMP_ERROR.entry(None),
            DROP_PACKET.entry(None),
            DROP_ENTRY.entry(None),
            EARLY_EXPIRED.entry(None),
            TEMPLATES.entry(None),
            NO_ENTRY.entry(None),
            RETRIED.entry(None),
            RETRY_NOT_KEPT.entry(None),
            RETRY_NO_DESTINATION.entry(None),
            RETRY_NOT_HANDLED.entry(None),
            PRIVATE.entry(None),
            STEERED.entry(None),
            UNCOUNTED.entry(None),
            UDP_FULL.entry(None),
            TOTAL_FULL.entry(None),
        ],
    };
}

/// Timeouts of a network namespace: seconds without a packet after which a
/// connection entry expires, for services that have none of their own.
pub mod timeouts {
    #[allow(unused_imports)]
    use crate::attribute::{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8};

    /// Of an established TCP connection, 1 to 2147483647; 0 in a request
    /// stands for the default, 900.
    pub const TCP: Attr<U32> = Attr::new(1, "tcp");

    /// Of a TCP connection that one side has closed (fin-wait); 0 in a
    /// request stands for the default, 120.
    pub const TCP_FIN: Attr<U32> = Attr::new(2, "tcp-fin");

    /// Of a UDP flow; 0 in a request stands for the default, 300.
    pub const UDP: Attr<U32> = Attr::new(3, "udp");

    /// All attributes of the set.
    #[rustfmt::skip]
    pub static SET: Set = Set {
        name: "timeouts",
        attributes: &[
            TCP.entry(None),
            TCP_FIN.entry(None),
            UDP.entry(None),
        ],
    };
}

/// Something that has become of a destination.
pub mod event {
    #[allow(unused_imports)]
    use crate::attribute::{Attr, Binary, Flag, Nest, Set, Text, U16Be, Uint, U32, U8};

    /// What it is.
    pub const TYPE: Attr<U8> = Attr::new(1, "type");

    /// Identity (protocol, address, port) of the service that the
    /// destination belongs to.
    pub const SERVICE: Attr<Nest> = Attr::new(2, "service");

    /// Address of the destination in network byte order, 4 or 16 bytes. All
    /// bytes zero is the address that the client connects to.
    pub const ADDRESS: Attr<Binary> = Attr::new(3, "address");

    /// Port of the destination, in network byte order.
    pub const PORT: Attr<U16Be> = Attr::new(4, "port");

    /// Of draining, how many connections are in flight; absent where some
    /// are not known.
    pub const IN_FLIGHT: Attr<U32> = Attr::new(5, "in-flight");

    /// Of retried, how many connections since the last such event.
    pub const COUNT: Attr<U32> = Attr::new(6, "count");

    /// All attributes of the set.
    #[rustfmt::skip]
    pub static SET: Set = Set {
        name: "event",
        attributes: &[
            TYPE.entry(None),
            SERVICE.entry(Some(&super::service::SET)),
            ADDRESS.entry(None),
            PORT.entry(None),
            IN_FLIGHT.entry(None),
            COUNT.entry(None),
        ],
    };
}

/// The commands of the family.
pub mod command {
    use crate::request::Command;

    /// Add a virtual service. protocol, address and port are required;
    /// scheduler is wlc when absent. The address need not be the host's yet:
    /// the acknowledgement has a text then.
    pub static SERVICE_ADD: Command = Command {
        number: 1,
        attributes: &super::service::SET,
    };

    /// Change a virtual service. protocol, address and port are required and
    /// identify it; what is absent keeps its value.
    pub static SERVICE_SET: Command = Command {
        number: 2,
        attributes: &super::service::SET,
    };

    /// Delete a virtual service with its destinations. Its connections
    /// finish by themselves unless cut is given.
    pub static SERVICE_DEL: Command = Command {
        number: 3,
        attributes: &super::service::SET,
    };

    /// Set the statistics of a virtual service and of its destinations to
    /// zero; without protocol, address and port, those of all services. The
    /// namespace's counters keep their values.
    pub static SERVICE_ZERO: Command = Command {
        number: 4,
        attributes: &super::service::SET,
    };

    /// Get one virtual service, or dump all of the namespace.
    pub static SERVICE_GET: Command = Command {
        number: 5,
        attributes: &super::service::SET,
    };

    /// Add one destination, or one for each port of a range, to a virtual
    /// service. service and port are required. The address need not be the
    /// host's yet: the acknowledgement has a text then.
    pub static DESTINATION_ADD: Command = Command {
        number: 6,
        attributes: &super::destination::SET,
    };

    /// Change one destination, or those of a range of ports. service and
    /// port are required; what is absent keeps its value.
    pub static DESTINATION_SET: Command = Command {
        number: 7,
        attributes: &super::destination::SET,
    };

    /// Delete one destination, or those of a range of ports. service and
    /// port are required. The connections finish by themselves unless cut is
    /// given.
    pub static DESTINATION_DEL: Command = Command {
        number: 8,
        attributes: &super::destination::SET,
    };

    /// Dump the destinations of a virtual service. service is required.
    pub static DESTINATION_GET: Command = Command {
        number: 9,
        attributes: &super::destination::SET,
    };

    /// Dump the connection entries of the namespace, in no particular order.
    /// An entry that is made or removed meanwhile may be missing.
    pub static CONNECTION_GET: Command = Command {
        number: 10,
        attributes: &super::connection::SET,
    };

    /// Get the counters of the namespace.
    pub static COUNTERS_GET: Command = Command {
        number: 11,
        attributes: &super::counters::SET,
    };

    /// Delete every virtual service of the namespace. Their connections
    /// finish by themselves unless cut is given, which also ends those of
    /// services and destinations that were deleted before.
    pub static FLUSH: Command = Command {
        number: 12,
        attributes: &super::service::SET,
    };

    /// Get the timeouts of the namespace that hold, defaults included.
    pub static TIMEOUTS_GET: Command = Command {
        number: 13,
        attributes: &super::timeouts::SET,
    };

    /// Set timeouts of the namespace. What is absent keeps its value.
    /// Connections that there are follow the change.
    pub static TIMEOUTS_SET: Command = Command {
        number: 14,
        attributes: &super::timeouts::SET,
    };

    /// Dump the persistence templates of the namespace, in no particular
    /// order. One that is made or removed meanwhile may be missing.
    pub static TEMPLATE_GET: Command = Command {
        number: 15,
        attributes: &super::connection::SET,
    };

    /// Sent to the group events, never a request. What the state of a
    /// destination is now is sent when it changes, and again when a listener
    /// joins the group, unless it is the usual one (up, not draining, not
    /// overloaded). Destinations are looked at once a second: what changes
    /// back within that time may not be sent. The listening socket is not
    /// known of SCTP.
    pub static EVENT: Command = Command {
        number: 16,
        attributes: &super::event::SET,
    };
}
