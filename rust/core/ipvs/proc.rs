// SPDX-License-Identifier: GPL-2.0

//! The lines of `/proc/net/ip_vs*`, to the space as IPVS writes them: programs cut them by column.

use core::fmt;

use crate::{
    address::{Address, Endpoint, Ip, Protocol},
    connection::state::State,
    estimate::Volume,
    key::{DestinationKey, ServiceKey},
};

/// What stands above the services, for the size of the connection table.
pub struct ServicesHeader(pub u32);

impl fmt::Display for ServicesHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "IP Virtual Server version 1.2.1 (size={})", self.0)?;
        f.write_str("Prot LocalAddress:Port Scheduler Flags\n")?;
        f.write_str("  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n")
    }
}

/// A service.
pub struct ServiceLine<'a> {
    /// What it is called.
    pub key: &'a ServiceKey,
    /// The scheduler's name.
    pub scheduler: &'a str,
    /// Whether it schedules each packet by itself.
    pub one_packet: bool,
    /// How long it is persistent, if it is.
    pub persistent: Option<Persistent>,
}

/// How long a service is persistent, and for which networks.
pub struct Persistent {
    /// In the kernel's ticks: that is what IPVS shows.
    pub ticks: u32,
    /// The netmask as netlink has it: IPVS takes its bytes for network order even where a prefix
    /// length is in that of the host.
    pub netmask: [u8; 4],
}

impl fmt::Display for ServiceLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        write!(f, "{}  ", protocol_name(key.protocol))?;
        write!(
            f,
            "{} {} ",
            Bracketed(key.address, key.port),
            self.scheduler
        )?;
        if let Address::V4(_) = key.address {
            f.write_str(if self.one_packet { "ops  " } else { " " })?;
        }
        match &self.persistent {
            Some(persistent) => {
                let netmask = u32::from_be_bytes(persistent.netmask);
                writeln!(f, "persistent {} {netmask:08X}", persistent.ticks)
            }
            None => f.write_str("\n"),
        }
    }
}

/// A service's destination.
pub struct DestinationLine<'a> {
    /// What it is called.
    pub key: &'a DestinationKey,
    /// The name of its forwarding method.
    pub forward: &'a str,
    /// Its weight.
    pub weight: u16,
    /// Its active connections.
    pub active: u32,
    /// Its other ones.
    pub inactive: u32,
}

impl fmt::Display for DestinationLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  -> {}", Bracketed(self.key.address, self.key.port))?;
        write!(f, "      {:<7} {:<6}", self.forward, self.weight)?;
        writeln!(f, " {:<10} {:<10}", self.active, self.inactive)
    }
}

/// What stands above the connections.
pub const CONNECTIONS_HEADER: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

/// What stands above them in the file that shows where each comes from.
pub const SYNC_HEADER: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n";

/// A connection or a template.
pub struct ConnectionLine<A> {
    /// The protocol.
    pub protocol: Protocol,
    /// The client's end; of a template, the network's address and no port.
    pub client: Endpoint<A>,
    /// What the client has sent to.
    pub service: Endpoint<A>,
    /// What it is served by.
    pub destination: Endpoint<A>,
    /// The name of the state.
    pub state: &'static str,
    /// Whether the line shows where the connection comes from: always this host.
    pub origin: bool,
    /// Seconds left without a packet.
    pub expires: u32,
}

impl<A: Ip> fmt::Display for ConnectionLine<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<3}", protocol_name(self.protocol))?;
        for end in [&self.client, &self.service, &self.destination] {
            write!(f, " {} {:04X}", Digits(end.address.to_address()), end.port)?;
        }
        write!(f, " {:<11}", self.state)?;
        if self.origin {
            write!(f, " {:<6}", "LOCAL")?;
        }
        writeln!(f, " {:>7}", self.expires)
    }
}

/// Returns the name that IPVS has for a connection's state.
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::SynAck => "SYNACK",
        State::CookieSent => "C-SENT",
        State::CookieReplied => "C-REPLIED",
        State::CookieWait => "C-WAIT",
        State::CookieEchoed => "C-ECHOED",
        State::ShutdownSent => "S-SENT",
        State::ShutdownReceived => "S-RECEIVED",
        State::ShutdownAckSent => "S-ACK-SENT",
        // Every flow has this name there.
        State::UdpUnanswered => State::Udp.name(),
        other => other.name(),
    }
}

/// Returns the name that IPVS has for a template's state: whether a client has shown that its
/// address is its own.
pub const fn template_state_name(proven: bool) -> &'static str {
    if proven {
        "ASSURED"
    } else {
        "NONE"
    }
}

/// What stands above the totals.
pub const TOTALS_HEADER: [&str; 2] = [
    "   Total Incoming Outgoing         Incoming         Outgoing\n",
    "   Conns  Packets  Packets            Bytes            Bytes\n",
];

/// What stands above the rates.
pub const RATES_HEADER: &str = " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n";

/// What stands above the rows of CPUs.
pub const CPUS_HEADER: [&str; 2] = [
    "       Total Incoming Outgoing         Incoming         Outgoing\n",
    "CPU    Conns  Packets  Packets            Bytes            Bytes\n",
];

/// What stands above the rates that follow the rows of CPUs.
pub const CPUS_RATES_HEADER: &str =
    "     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n";

/// What was carried, or what is in a second.
pub struct Row(pub Volume);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = &self.0;
        write!(f, "{:>8X} {:>8X} ", of.connections, of.in_packets)?;
        write!(f, "{:>8X} {:>16X} ", of.out_packets, of.in_bytes)?;
        writeln!(f, "{:>16X}", of.out_bytes)
    }
}

/// Returns a protocol as IPVS calls it.
const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// An address in hexadecimal digits, all of them.
struct Digits(Address);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::V4(octets) => write!(f, "{:08X}", u32::from_be_bytes(octets)),
            Address::V6(octets) => {
                for (place, octet) in octets.iter().enumerate() {
                    if place != 0 && place % 2 == 0 {
                        f.write_str(":")?;
                    }
                    write!(f, "{octet:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// An address and a port, with brackets around an address that has colons.
struct Bracketed(Address, u16);

impl fmt::Display for Bracketed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::V4(_) => write!(f, "{}:{:04X}", Digits(self.0), self.1),
            Address::V6(_) => write!(f, "[{}]:{:04X}", Digits(self.0), self.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{V4, V6};
    use std::string::{String, ToString};

    const FOUR: Address = Address::V4([198, 51, 100, 10]);
    const SIX: Address = Address::V6([0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]);

    fn service(address: Address, one_packet: bool, persistent: Option<Persistent>) -> String {
        let key = ServiceKey {
            protocol: Protocol::Udp,
            address,
            port: 80,
        };
        let line = ServiceLine {
            key: &key,
            scheduler: "rr",
            one_packet,
            persistent,
        };
        line.to_string()
    }

    fn persistent(netmask: [u8; 4]) -> Option<Persistent> {
        Some(Persistent {
            ticks: 36000,
            netmask,
        })
    }

    #[test]
    fn services() {
        assert_eq!(service(FOUR, false, None), "UDP  C633640A:0050 rr  \n");
        assert_eq!(service(FOUR, true, None), "UDP  C633640A:0050 rr ops  \n");
        assert_eq!(
            service(FOUR, false, persistent([255, 255, 255, 0])),
            "UDP  C633640A:0050 rr  persistent 36000 FFFFFF00\n"
        );
        let six = "UDP  [2001:0db8:0001:0000:0000:0000:0000:0010]:0050 rr ";
        assert_eq!(service(SIX, true, None), format(six, "\n"));
        let shown = format(six, "persistent 36000 40000000\n");
        assert_eq!(service(SIX, false, persistent([64, 0, 0, 0])), shown);
    }

    fn format(start: &str, end: &str) -> String {
        let mut text = String::from(start);
        text.push_str(end);
        text
    }

    #[test]
    fn destinations() {
        let key = DestinationKey {
            address: FOUR,
            port: 8001,
        };
        let line = DestinationLine {
            key: &key,
            forward: "Masq",
            weight: 1,
            active: 2,
            inactive: 3,
        };
        assert_eq!(
            line.to_string(),
            "  -> C633640A:1F41      Masq    1      2          3         \n"
        );
    }

    fn connection<A: Ip>(address: A, origin: bool) -> String {
        let line = ConnectionLine {
            protocol: Protocol::Tcp,
            client: Endpoint {
                address,
                port: 40000,
            },
            service: Endpoint { address, port: 80 },
            destination: Endpoint {
                address,
                port: 8001,
            },
            state: state_name(State::Established),
            origin,
            expires: 899,
        };
        line.to_string()
    }

    #[test]
    fn connections() {
        let four = V4([198, 51, 100, 10]);
        assert_eq!(
            connection(four, false),
            "TCP C633640A 9C40 C633640A 0050 C633640A 1F41 ESTABLISHED     899\n"
        );
        assert_eq!(
            connection(four, true),
            "TCP C633640A 9C40 C633640A 0050 C633640A 1F41 ESTABLISHED LOCAL      899\n"
        );
        let text = connection(V6([1; 16]), false);
        assert!(text.starts_with("TCP 0101:0101:0101:0101:0101:0101:0101:0101 9C40 0101:"));
    }

    #[test]
    fn states_fit_their_column() {
        for state in crate::connection::state::State::ALL {
            assert!(state_name(state).len() <= 11);
        }
        assert_eq!(state_name(State::UdpUnanswered), "UDP");
    }

    #[test]
    fn rows() {
        assert_eq!(
            Row(Volume {
                connections: 0,
                in_packets: 1,
                out_packets: 255,
                in_bytes: 0x1_0000_0000,
                out_bytes: 10,
            })
            .to_string(),
            "       0        1       FF        100000000                A\n"
        );
    }
}
