// SPDX-License-Identifier: GPL-2.0

//! Packets to be read and rewritten.

use rlvs_core::{
    address::{Endpoint, Family, Ip, Protocol},
    packet::rewrite::{Rewrite, Which},
};

const PAYLOAD: usize = 64;

/// A client's packet to a service, and what becomes of it.
pub(crate) struct Sample<A> {
    bytes: Vec<u8>,
    service: Endpoint<A>,
    destination: Endpoint<A>,
}

impl<A: Ip> Sample<A> {
    /// With any checksums: they are updated, not computed.
    pub(crate) fn new(protocol: Protocol) -> Self {
        let service = end(10, 80);
        let mut bytes = headers(protocol, end::<A>(100, 50000), service);
        bytes.extend([b'x'; PAYLOAD]);
        let length = u16::try_from(bytes.len()).expect("it is short");
        let (at, length) = match A::FAMILY {
            Family::V4 => (2, length),
            Family::V6 => (4, length - 40),
        };
        bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
        Self {
            bytes,
            service,
            destination: end(10, 8001),
        }
    }

    /// The packet, from its IP header on.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From the service's end to the destination's.
    pub(crate) fn rewrite(&self, side: Which) -> Rewrite<A> {
        Rewrite {
            side,
            from: self.service,
            to: self.destination,
        }
    }

    /// The other way.
    pub(crate) fn back(&self, side: Which) -> Rewrite<A> {
        Rewrite {
            side,
            from: self.destination,
            to: self.service,
        }
    }
}

/// An end in the ranges for documentation: 192.0.2.0/24 or 2001:db8::/64.
fn end<A: Ip>(host: u8, port: u16) -> Endpoint<A> {
    let octets = match A::FAMILY {
        Family::V4 => vec![192, 0, 2, host],
        Family::V6 => vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host],
    };
    Endpoint {
        address: A::from_octets(&octets).expect("the family's length"),
        port,
    }
}

/// The IP header, without its length, and the transport header.
fn headers<A: Ip>(protocol: Protocol, from: Endpoint<A>, to: Endpoint<A>) -> Vec<u8> {
    let mut bytes = match A::FAMILY {
        Family::V4 => vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol.number(), 0, 1],
        Family::V6 => vec![0x60, 0, 0, 0, 0, 0, protocol.number(), 64],
    };
    for end in [from, to] {
        bytes.extend(end.address.octets());
    }
    bytes.extend(from.port.to_be_bytes());
    bytes.extend(to.port.to_be_bytes());
    match protocol {
        Protocol::Tcp => {
            bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10]);
            bytes.extend([0xff, 0xff, 0x12, 0x34, 0, 0]);
        }
        Protocol::Udp => {
            let length = u16::try_from(8 + PAYLOAD).expect("it is short");
            bytes.extend(length.to_be_bytes());
            bytes.extend([0x12, 0x34]);
        }
        Protocol::Sctp => unimplemented!("its checksum costs by length"),
    }
    bytes
}
