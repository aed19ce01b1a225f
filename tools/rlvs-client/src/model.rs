// SPDX-License-Identifier: GPL-2.0

//! Objects that the kernel's replies describe. The field names are those of the command's JSON
//! output.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::attribute::{Attr, Attributes, Binary, Uint};
use crate::endpoint::{Protocol, ServiceId};
use crate::flags;
use crate::malformed::Malformed;
use crate::method::Method;
use crate::spec;

/// A virtual service with its destinations.
#[derive(Debug, Serialize)]
pub struct Service {
    /// Protocol, address and port.
    #[serde(flatten)]
    pub id: ServiceId,
    /// Name of the scheduler.
    pub scheduler: String,
    /// Names of the flags that are set.
    pub flags: Vec<String>,
    /// Slots of the scheduler's table, if it has a choice of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_size: Option<u32>,
    /// For how many seconds a client's connections go where its last one went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<u32>,
    /// How many leading bits of a client's address are compared for `persistent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_prefix: Option<u8>,
    /// In how many seconds a destination that has begun to listen comes to its full share of new
    /// connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<u32>,
    /// `true` if the address is one of this host's; `None` for the wildcard address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<bool>,
    /// The service's own timeouts.
    #[serde(flatten)]
    pub timeouts: ServiceTimeouts,
    /// Destinations, by address and port.
    pub destinations: Vec<Destination>,
    /// What the service has carried.
    pub stats: Stats,
    /// What it carries per second, after [`crate::rates::fill_in`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

impl Service {
    /// Reads a service without its destinations, which are in messages of their own.
    pub(crate) fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        use spec::service::*;
        let scheduler = attributes.require(SCHEDULER)?;
        Ok(Self {
            id: service_id(attributes)?,
            scheduler: scheduler.to_string(),
            flags: flags::names(attributes.require(FLAGS)?, scheduler),
            table_size: attributes.get(TABLE_SIZE)?,
            persistent: attributes.get(PERSISTENT)?,
            persistent_prefix: attributes.get(PERSISTENT_PREFIX)?,
            slow_start: attributes.get(SLOW_START)?,
            here: attributes.get(HERE)?.map(|here| here != 0),
            timeouts: ServiceTimeouts {
                timeout_tcp: set(attributes.get(TIMEOUT_TCP)?),
                timeout_fin: set(attributes.get(TIMEOUT_FIN)?),
                timeout_udp: set(attributes.get(TIMEOUT_UDP)?),
            },
            destinations: Vec::new(),
            stats: Stats::decode(attributes.require(STATS)?)?,
            rates: None,
        })
    }
}

/// Returns a timeout in seconds; 0 stands for none.
fn set(seconds: Option<u32>) -> Option<u32> {
    seconds.filter(|seconds| *seconds != 0)
}

/// A service's own timeouts in seconds; `None` where the namespace's holds.
#[derive(Debug, Default, Serialize)]
pub struct ServiceTimeouts {
    /// Timeout of an established TCP connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_tcp: Option<u32>,
    /// Timeout of a TCP connection that one side has closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_fin: Option<u32>,
    /// Timeout of a UDP flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_udp: Option<u32>,
}

/// The timeouts of a network namespace, in seconds.
#[derive(Debug, Serialize)]
pub struct Timeouts {
    /// Timeout of an established TCP connection.
    pub tcp: u32,
    /// Timeout of a TCP connection that one side has closed.
    pub tcp_fin: u32,
    /// Timeout of a UDP flow.
    pub udp: u32,
}

impl Timeouts {
    /// Reads the timeouts.
    pub(crate) fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        use spec::timeouts::*;
        Ok(Self {
            tcp: attributes.require(TCP)?,
            tcp_fin: attributes.require(TCP_FIN)?,
            udp: attributes.require(UDP)?,
        })
    }
}

/// A destination of a virtual service.
#[derive(Debug, Serialize)]
pub struct Destination {
    /// Address; unspecified if it is the one that the client connected to.
    pub address: IpAddr,
    /// Port, host byte order.
    pub port: u16,
    /// Forwarding method in use.
    pub method: Method,
    /// Forwarding method that was configured, if the kernel reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_method: Option<Method>,
    /// Share of the new connections, 0 to 65535.
    pub weight: u32,
    /// Established connections, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_connections: Option<u32>,
    /// Connections that are opening or closing, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_connections: Option<u32>,
    /// Upper threshold: with this many connections it gets no new ones; 0 for none.
    pub max_connections: u32,
    /// Lower threshold: after it reached the upper one, it gets new connections with fewer than
    /// this many; 0 for three quarters of the upper one.
    pub min_connections: u32,
    /// Persistence templates that lead to it.
    pub templates: u32,
    /// `true` if the address is one of this host's; `None` for the wildcard address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<bool>,
    /// `true` if a process listens; `None` where that is not determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listening: Option<bool>,
    /// `true` if new connections from outside of the host are refused unless a service leads them
    /// there.
    pub private: bool,
    /// Number of the user whose listening sockets count; `None` for every user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Connections that would be lost if the process ended; `None` if some are not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// `true` if the process can be stopped without an effect on clients.
    pub drained: bool,
    /// What the destination has carried.
    pub stats: Stats,
    /// What it carries per second, after [`crate::rates::fill_in`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

impl Destination {
    /// Reads a destination.
    pub(crate) fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        use spec::destination::*;
        Ok(Self {
            address: address(attributes, ADDRESS)?,
            port: attributes.require(PORT)?,
            method: Method(attributes.require(METHOD)?),
            requested_method: attributes.get(REQUESTED_METHOD)?.map(Method),
            weight: attributes.require(WEIGHT)?,
            active_connections: attributes.get(ACTIVE_CONNECTIONS)?,
            inactive_connections: attributes.get(INACTIVE_CONNECTIONS)?,
            max_connections: attributes.require(MAX_CONNECTIONS)?,
            min_connections: attributes.require(MIN_CONNECTIONS)?,
            templates: attributes.require(TEMPLATES)?,
            here: attributes.get(HERE)?.map(|here| here != 0),
            listening: attributes.get(LISTENING)?.map(|listening| listening != 0),
            private: attributes.require(PRIVATE)? != 0,
            user: attributes.get(USER)?,
            in_flight: attributes.get(IN_FLIGHT)?,
            drained: attributes.get(DRAINED)?.is_some(),
            stats: Stats::decode(attributes.require(STATS)?)?,
            rates: None,
        })
    }
}

/// What a service or a destination carries per second; `None` for what is not counted.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rates {
    /// Connections made.
    pub connections: f64,
    /// Packets from clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_packets: Option<f64>,
    /// Packets to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_packets: Option<f64>,
    /// Bytes from clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_bytes: Option<f64>,
    /// Bytes to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_bytes: Option<f64>,
}

/// Totals of a service or a destination; `None` for what is not counted.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Stats {
    /// Connections made.
    pub connections: u64,
    /// Packets from clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_packets: Option<u64>,
    /// Packets to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_packets: Option<u64>,
    /// Bytes from clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_bytes: Option<u64>,
    /// Bytes to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_bytes: Option<u64>,
    /// Connections that were given to another destination because the chosen one would have
    /// refused or dropped them.
    pub avoided: u64,
}

impl Stats {
    fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        use spec::stats::*;
        Ok(Self {
            connections: attributes.require(CONNECTIONS)?,
            in_packets: attributes.get(IN_PACKETS)?,
            out_packets: attributes.get(OUT_PACKETS)?,
            in_bytes: attributes.get(IN_BYTES)?,
            out_bytes: attributes.get(OUT_BYTES)?,
            avoided: attributes.require(AVOIDED)?,
        })
    }
}

/// A connection entry. The derived order is that of the listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Connection {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address that the client connected to.
    pub service_address: IpAddr,
    /// Port that the client connected to.
    pub service_port: u16,
    /// Address of the client.
    pub client_address: IpAddr,
    /// Port of the client.
    pub client_port: u16,
    /// Index of the link or VRF that the client is behind, where its address alone is ambiguous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_device: Option<u32>,
    /// Address of the destination.
    pub destination_address: IpAddr,
    /// Port of the destination.
    pub destination_port: u16,
    /// State, in capitals as network tools write it: `ESTABLISHED`.
    pub state: String,
    /// Seconds until the entry expires.
    pub expires: u32,
}

impl Connection {
    /// Reads a connection entry.
    pub(crate) fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        use spec::connection::*;
        let state = entry_name(&spec::CONNECTION_STATE, attributes.require(STATE)?);
        Ok(Self {
            protocol: Protocol(attributes.require(PROTOCOL)?),
            service_address: address(attributes, SERVICE_ADDRESS)?,
            service_port: attributes.require(SERVICE_PORT)?,
            client_address: address(attributes, CLIENT_ADDRESS)?,
            client_port: attributes.require(CLIENT_PORT)?,
            client_device: attributes.get(CLIENT_DEVICE)?,
            destination_address: address(attributes, DESTINATION_ADDRESS)?,
            destination_port: attributes.require(DESTINATION_PORT)?,
            state: state.to_uppercase().replace('-', "_"),
            expires: attributes.require(EXPIRES)?,
        })
    }
}

/// A persistence template. The derived order is that of the listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Template {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address that the client connects to.
    pub service_address: IpAddr,
    /// Port that the client connects to.
    pub service_port: u16,
    /// Address of the client's network.
    pub client_address: IpAddr,
    /// Length of the network's prefix in bits.
    pub client_prefix: u8,
    /// Index of the link or VRF that the network is behind, where its address alone is ambiguous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_device: Option<u32>,
    /// Address of the destination.
    pub destination_address: IpAddr,
    /// Port of the destination.
    pub destination_port: u16,
    /// Entries of connections that the template has led there.
    pub connections: u32,
    /// Seconds until the template expires, if no connection is open.
    pub expires: u32,
}

impl Template {
    /// Reads a template.
    pub(crate) fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        use spec::connection::*;
        Ok(Self {
            protocol: Protocol(attributes.require(PROTOCOL)?),
            service_address: address(attributes, SERVICE_ADDRESS)?,
            service_port: attributes.require(SERVICE_PORT)?,
            client_address: address(attributes, CLIENT_ADDRESS)?,
            client_prefix: attributes.require(CLIENT_PREFIX)?,
            client_device: attributes.get(CLIENT_DEVICE)?,
            destination_address: address(attributes, DESTINATION_ADDRESS)?,
            destination_port: attributes.require(DESTINATION_PORT)?,
            connections: attributes.require(CONNECTIONS)?,
            expires: attributes.require(EXPIRES)?,
        })
    }
}

/// The counters of a network namespace with their names, in the order of the specification.
#[derive(Debug)]
pub struct Counters(pub Vec<(String, u64)>);

impl Counters {
    /// Reads the counters that the kernel has.
    pub(crate) fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut counters = Vec::new();
        for entry in spec::counters::SET.attributes {
            let attr = Attr::<Uint>::new(entry.number, entry.name);
            if let Some(value) = attributes.get(attr)? {
                counters.push((entry.name.replace('-', "_"), value));
            }
        }
        Ok(Self(counters))
    }
}

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Reads what identifies a service.
pub(crate) fn service_id(attributes: Attributes<'_>) -> Result<ServiceId, Malformed> {
    use spec::service::*;
    Ok(ServiceId {
        protocol: Protocol(attributes.require(PROTOCOL)?),
        address: address(attributes, ADDRESS)?,
        port: attributes.require(PORT)?,
    })
}

/// Reads an address of 4 or 16 bytes.
pub(crate) fn address(attributes: Attributes<'_>, attr: Attr<Binary>) -> Result<IpAddr, Malformed> {
    netlink_packet_core::parse_ip(attributes.require(attr)?)
        .map_err(|error| Malformed::Bytes(error.to_string()))
}

/// Returns the name of an enum's value, or its number if only a newer kernel has a name for it.
pub(crate) fn entry_name(names: &[&str], value: u8) -> String {
    match names.get(usize::from(value)) {
        Some(name) => (*name).to_string(),
        None => value.to_string(),
    }
}
