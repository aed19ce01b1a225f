// SPDX-License-Identifier: GPL-2.0

//! What identifies virtual services and destinations, and how they are written.
//!
//! ```text
//! service      tcp://192.0.2.10:80   udp://[2001:db8::10]:53   sctp://192.0.2.10:3868   tcp://*:80
//! destination  192.0.2.10:8001       [2001:db8::10]:8001-8004  :8001-8004
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A transport protocol, by its IPPROTO number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPPROTO_TCP
    pub const TCP: Self = Self(6);
    /// IPPROTO_UDP
    pub const UDP: Self = Self(17);
}

/// The protocols that have a name here. Source: the IANA registry of protocol numbers.
const PROTOCOLS: [(u8, &str); 3] = [(6, "tcp"), (17, "udp"), (132, "sctp")];

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOLS.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "protocol-{}", self.0),
        }
    }
}

impl FromStr for Protocol {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let found = PROTOCOLS.iter().find(|(_, name)| *name == text);
        found
            .map(|(number, _)| Self(*number))
            .ok_or_else(|| SyntaxError::Protocol(text.into()))
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What identifies a virtual service. The unspecified address is the wildcard:
/// any local address of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceId {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Virtual address.
    pub address: IpAddr,
    /// Virtual port, host byte order.
    pub port: u16,
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            address,
            port,
        } = *self;
        if address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            write!(f, "{protocol}://*:{port}")
        } else {
            write!(f, "{protocol}://{}", SocketAddr::new(address, port))
        }
    }
}

impl FromStr for ServiceId {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let (protocol, rest) = text.split_once("://").ok_or(SyntaxError::NoProtocol)?;
        let (host, port) = split_port(rest)?;
        Ok(Self {
            protocol: protocol.parse()?,
            address: parse_address(host)?,
            port: parse_port(port)?,
        })
    }
}

/// One destination, or one on each port of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationRange {
    /// Address; `None` is the service's own.
    pub address: Option<IpAddr>,
    /// First port, host byte order.
    pub first: u16,
    /// Last port, inclusive; `None` if there is one port only.
    pub last: Option<u16>,
}

impl DestinationRange {
    /// Returns `true` if an address and port are in this range of destinations of `service`.
    pub fn has(&self, service: &ServiceId, address: IpAddr, port: u16) -> bool {
        let ports = self.first..=self.last.unwrap_or(self.first);
        address == self.address.unwrap_or(service.address) && ports.contains(&port)
    }
}

impl fmt::Display for DestinationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => SocketAddr::new(address, self.first).fmt(f)?,
            None => write!(f, ":{}", self.first)?,
        }
        self.last.map_or(Ok(()), |last| write!(f, "-{last}"))
    }
}

impl FromStr for DestinationRange {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let (host, ports) = split_port(text)?;
        let (first, last) = match ports.split_once('-') {
            Some((first, last)) => (first, Some(parse_port(last)?)),
            None => (ports, None),
        };
        Ok(Self {
            address: match host {
                "" => None,
                host => Some(parse_address(host)?),
            },
            first: parse_port(first)?,
            last,
        })
    }
}

/// What is wrong with the text of a service or destination; each variant holds the part at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntaxError {
    /// The protocol is not a known one.
    Protocol(String),
    /// The `://` between protocol and address is missing.
    NoProtocol,
    /// The port is missing.
    NoPort(String),
    /// The IPv6 address is not in brackets.
    NoBrackets(String),
    /// The address is not one.
    Address(String),
    /// The port is not a number up to 65535.
    Port(String),
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(text) => {
                write!(f, "'{text}' is not a protocol: write tcp, udp or sctp")
            }
            Self::NoProtocol => f.write_str("write PROTOCOL://ADDRESS:PORT"),
            Self::NoPort(text) => write!(f, "'{text}' has no port: write ADDRESS:PORT"),
            Self::NoBrackets(text) => write!(
                f,
                "write an IPv6 address in brackets: [ADDRESS]:PORT, not '{text}'"
            ),
            Self::Address(text) => write!(
                f,
                "'{text}' is not an address: write an IPv4 address, an IPv6 address in brackets \
                 or *"
            ),
            Self::Port(text) => write!(f, "'{text}' is not a port: write a number up to 65535"),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// Splits `ADDRESS:PORT` at the colon that is not the address's own.
fn split_port(text: &str) -> Result<(&str, &str), SyntaxError> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| SyntaxError::NoPort(text.into()))?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(SyntaxError::NoBrackets(text.into()));
    }
    Ok((host, port))
}

/// Reads an IPv4 address, an IPv6 address in brackets, or `*`.
fn parse_address(text: &str) -> Result<IpAddr, SyntaxError> {
    if text == "*" {
        return Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner.parse().map(IpAddr::V6),
        None => text.parse().map(IpAddr::V4),
    };
    address.map_err(|_| SyntaxError::Address(text.into()))
}

/// Reads a port. Port 0 is accepted: the kernel refuses it.
fn parse_port(text: &str) -> Result<u16, SyntaxError> {
    let digits_only = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits_only)
        .ok_or_else(|| SyntaxError::Port(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn service(text: &str) -> ServiceId {
        text.parse().unwrap()
    }

    fn destination(text: &str) -> DestinationRange {
        text.parse().unwrap()
    }

    #[test]
    fn services_are_read() {
        let web = service("tcp://192.0.2.10:80");
        assert_eq!(web.protocol, Protocol(6));
        assert_eq!(web.address, "192.0.2.10".parse::<IpAddr>().unwrap());
        assert_eq!(web.port, 80);
        let dns = service("udp://[2001:db8::10]:53");
        assert_eq!(dns.protocol, Protocol(17));
        assert_eq!(dns.address, "2001:db8::10".parse::<IpAddr>().unwrap());
        let diameter = service("sctp://192.0.2.10:3868");
        assert_eq!((diameter.protocol, diameter.port), (Protocol(132), 3868));
        assert_eq!(service("tcp://*:80"), service("tcp://0.0.0.0:80"));
        assert!(service("tcp://[::]:80").address.is_unspecified());
        assert_eq!(service("tcp://192.0.2.10:0").port, 0);
    }

    #[test]
    fn destinations_are_read() {
        let range = destination(":8001-8004");
        assert_eq!(
            (range.address, range.first, range.last),
            (None, 8001, Some(8004))
        );
        let other = destination("192.0.2.11:9000");
        assert_eq!(other.address, Some("192.0.2.11".parse().unwrap()));
        assert_eq!(other.last, None);
        let v6 = destination("[2001:db8::1]:1-2");
        assert_eq!(v6.address, Some("2001:db8::1".parse().unwrap()));
        // Backwards or port 0: the syntax is right, the kernel refuses them.
        assert_eq!(destination(":9-8").last, Some(8));
        assert_eq!(destination(":0").first, 0);
    }

    #[test]
    fn nonsense_is_refused_with_a_way_out() {
        for (text, part) in [
            ("192.0.2.10:80", "PROTOCOL://ADDRESS:PORT"),
            ("dccp://192.0.2.10:80", "tcp, udp or sctp"),
            ("tcp://192.0.2.10", "no port"),
            ("tcp://2001:db8::10:80", "brackets"),
            ("tcp://[2001:db8::10]", "not an address"),
            ("tcp://[192.0.2.10]:80", "not an address"),
            ("tcp://example.org:80", "not an address"),
            ("tcp://:80", "not an address"),
            ("tcp://192.0.2.10:", "not a port"),
            ("tcp://192.0.2.10:+80", "not a port"),
            ("tcp://192.0.2.10:65536", "not a port"),
            ("tcp://192.0.2.10:80-81", "not a port"),
        ] {
            let error = text.parse::<ServiceId>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        for text in [
            "",
            "8001",
            ":",
            ":8001-",
            ":-8004",
            ":8001-8004-8005",
            ":x",
            "a:1",
        ] {
            assert!(text.parse::<DestinationRange>().is_err(), "{text}");
        }
    }

    prop_compose! {
        fn any_service()(
            number in prop::sample::select(PROTOCOLS.map(|(number, _)| number).to_vec()),
            address in any::<IpAddr>(),
            port in any::<u16>(),
        ) -> ServiceId {
            ServiceId { protocol: Protocol(number), address, port }
        }
    }

    prop_compose! {
        fn any_destination()(
            address in any::<Option<IpAddr>>(),
            first in any::<u16>(),
            last in any::<Option<u16>>(),
        ) -> DestinationRange {
            DestinationRange { address, first, last }
        }
    }

    proptest! {
        #[test]
        fn displayed_services_read_back(service in any_service()) {
            prop_assert_eq!(service.to_string().parse::<ServiceId>().unwrap(), service);
        }

        #[test]
        fn displayed_destinations_read_back(destination in any_destination()) {
            let text = destination.to_string();
            prop_assert_eq!(text.parse::<DestinationRange>().unwrap(), destination);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "((tcp|udp|sctp)://)?[\\[\\]0-9a-f:.*-]{0,20}") {
            if let Ok(service) = text.parse::<ServiceId>() {
                prop_assert_eq!(service.to_string().parse::<ServiceId>().unwrap(), service);
            }
            if let Ok(range) = text.parse::<DestinationRange>() {
                prop_assert_eq!(range.to_string().parse::<DestinationRange>().unwrap(), range);
            }
        }
    }
}
