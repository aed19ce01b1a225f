// SPDX-License-Identifier: GPL-2.0

//! The keys of a connection entry.
//!
//! A nat connection is found in two ways: by what the client sends (client to virtual service) and
//! by what the destination's process sends (destination to client). Both keys are in one table,
//! so each carries its [`Side`].
//!
//! The table hashes and compares a key as `u64` words: 2 of them for IPv4, 5 for IPv6, without any
//! bit that depends on padding or on the byte order of the machine. The source address comes
//! first, then the destination address, each in network byte order, then one word with both ports,
//! protocol and side. The 29 highest bits of that last word are 0: they are free for the table's
//! own use, and [`Tuple::from_words`] ignores them.
//!
//! Its hash is made of two parts: a keyed hash of the client's end ([`Tuple::client_words`]), which
//! both keys of a connection have, so that it is taken once for both; and a cheap one of the other
//! end ([`Tuple::spread`]), which only the operator can choose.

use crate::address::{Endpoint, Ip, Protocol};

/// Which packets of a connection a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// From the client to the virtual service.
    Inbound,
    /// From the destination to the client.
    Reply,
}

const DESTINATION_PORT_SHIFT: u32 = 16;
const PROTOCOL_SHIFT: u32 = 32;
const SIDE_SHIFT: u32 = 34;

/// The protocol as a key has it, in two bits.
const fn protocol_bits(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    }
}

const fn protocol_of(bits: u64) -> Protocol {
    match bits & 3 {
        1 => Protocol::Udp,
        2 => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}

/// One of the two keys of a connection entry: a packet's addresses, ports and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple<A: Ip> {
    side: Side,
    protocol: Protocol,
    source: Endpoint<A>,
    destination: Endpoint<A>,
}

impl<A: Ip> Tuple<A> {
    /// The key of the packets from `client` to the virtual service `service`.
    ///
    /// For a service on the wildcard address, `service` has the address that the client used.
    #[inline]
    pub fn inbound(protocol: Protocol, client: Endpoint<A>, service: Endpoint<A>) -> Self {
        Self {
            side: Side::Inbound,
            protocol,
            source: client,
            destination: service,
        }
    }

    /// The key of the packets from `destination` to `client`.
    #[inline]
    pub fn reply(protocol: Protocol, destination: Endpoint<A>, client: Endpoint<A>) -> Self {
        Self {
            side: Side::Reply,
            protocol,
            source: destination,
            destination: client,
        }
    }

    /// The side this is the key of.
    #[inline]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The protocol.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where the packets come from.
    #[inline]
    pub fn source(&self) -> Endpoint<A> {
        self.source
    }

    /// Where the packets go.
    #[inline]
    pub fn destination(&self) -> Endpoint<A> {
        self.destination
    }

    /// The key as the table has it. Different keys have different words.
    #[inline]
    pub fn as_words(&self) -> A::Words {
        let side: u64 = match self.side {
            Side::Inbound => 0,
            Side::Reply => 1,
        };
        let last = u64::from(self.source.port)
            | u64::from(self.destination.port) << DESTINATION_PORT_SHIFT
            | u64::from(protocol_bits(self.protocol)) << PROTOCOL_SHIFT
            | side << SIDE_SHIFT;
        A::pack(self.source.address, self.destination.address, last)
    }

    /// The client's end and the other one.
    #[inline]
    fn ends(&self) -> (Endpoint<A>, Endpoint<A>) {
        match self.side {
            Side::Inbound => (self.source, self.destination),
            Side::Reply => (self.destination, self.source),
        }
    }

    /// The client's end and the protocol.
    #[inline]
    pub fn client_words(&self) -> A::EndWords {
        let (client, _) = self.ends();
        let protocol = protocol_bits(self.protocol);
        client
            .address
            .pack_end(u32::from(client.port) | protocol << u16::BITS)
    }

    /// What the other end adds to the hash: each of its bits changes the highest bits of this.
    ///
    /// Multiplicative hashing: D. Knuth, The Art of Computer Programming, volume 3, 6.4; the factor
    /// is the kernel's `GOLDEN_RATIO_64`.
    #[inline]
    pub fn spread(&self) -> u64 {
        const FACTOR: u64 = 0x61c8_8646_80b5_83eb;
        let (_, other) = self.ends();
        let words = other.address.pack_end(u32::from(other.port));
        words.as_ref().iter().fold(0, |hash: u64, word| {
            (hash.rotate_left(32) ^ word).wrapping_mul(FACTOR)
        })
    }

    /// The key whose words these are.
    ///
    /// The words must come from [`Tuple::as_words`]; others give some key, but not one that has
    /// these words.
    #[inline]
    pub fn from_words(words: A::Words) -> Self {
        let (source, destination, last) = A::unpack(words);
        let [.., d1, d0, s1, s0] = last.to_be_bytes();
        Self {
            side: if last >> SIDE_SHIFT & 1 == 0 {
                Side::Inbound
            } else {
                Side::Reply
            },
            protocol: protocol_of(last >> PROTOCOL_SHIFT),
            source: Endpoint {
                address: source,
                port: u16::from_be_bytes([s1, s0]),
            },
            destination: Endpoint {
                address: destination,
                port: u16::from_be_bytes([d1, d0]),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{V4, V6};

    const CLIENT: Endpoint<V4> = Endpoint {
        address: V4([198, 51, 100, 7]),
        port: 0x1234,
    };
    const SERVICE: Endpoint<V4> = Endpoint {
        address: V4([192, 0, 2, 10]),
        port: 80,
    };
    const CLIENT6: Endpoint<V6> = Endpoint {
        address: V6([1; 16]),
        port: 2,
    };
    const SERVICE6: Endpoint<V6> = Endpoint {
        address: V6([3; 16]),
        port: 4,
    };

    #[test]
    fn words_are_as_the_documentation_says() {
        let key = Tuple::inbound(Protocol::Tcp, CLIENT, SERVICE);
        assert_eq!(
            key.as_words(),
            [0xc633_6407_c000_020a, 0x0000_0000_0050_1234]
        );
        let key = Tuple::reply(Protocol::Udp, SERVICE, CLIENT);
        assert_eq!(
            key.as_words(),
            [0xc000_020a_c633_6407, 0x0000_0005_1234_0050]
        );
        let (one, three) = (0x0101_0101_0101_0101, 0x0303_0303_0303_0303);
        assert_eq!(
            Tuple::inbound(Protocol::Udp, CLIENT6, SERVICE6).as_words(),
            [one, one, three, three, 0x0000_0001_0004_0002]
        );
    }

    #[test]
    fn both_keys_of_a_connection_have_the_clients_words() {
        let to = Tuple::inbound(Protocol::Sctp, CLIENT, SERVICE);
        let back = Tuple::reply(Protocol::Sctp, SERVICE, CLIENT);
        assert_eq!(to.client_words(), [0x0002_1234_c633_6407]);
        assert_eq!(back.client_words(), to.client_words());
        assert_eq!(back.spread(), to.spread());
        let one = 0x0101_0101_0101_0101;
        let to = Tuple::inbound(Protocol::Udp, CLIENT6, SERVICE6);
        let back = Tuple::reply(Protocol::Udp, SERVICE6, CLIENT6);
        assert_eq!(to.client_words(), [one, one, 0x0001_0002]);
        assert_eq!(back.client_words(), to.client_words());
        assert_eq!(back.spread(), to.spread());
    }

    /// How many pairs of ends have the same 28 highest bits of their spread.
    fn collisions<A: Ip>(client: Endpoint<A>, others: impl Iterator<Item = Endpoint<A>>) -> usize {
        let spread = |other| Tuple::inbound(Protocol::Tcp, client, other).spread() >> 36;
        let mut hashes: std::vec::Vec<_> = others.map(spread).collect();
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        all - hashes.len()
    }

    #[test]
    fn ends_in_a_row_have_different_hashes() {
        let v4 = |n: u16| {
            let [high, low] = n.to_be_bytes();
            Endpoint {
                address: V4([10, high, low, 1]),
                port: 80,
            }
        };
        assert!(collisions(CLIENT, (0..=u16::MAX).map(v4)) < 30);
        let ports = |port| Endpoint { port, ..SERVICE };
        assert_eq!(collisions(CLIENT, (0..=u16::MAX).map(ports)), 0);
        let v6 = |place: usize, n: u16| {
            let mut address = [0x20; 16];
            let [high, low] = n.to_be_bytes();
            address[place] = high;
            address[place + 1] = low;
            Endpoint {
                address: V6(address),
                port: 80,
            }
        };
        for place in (0..16).step_by(2) {
            // Of random ones 8 in 65536 would have the hash of another.
            let found = collisions(v6(0, 7), (0..=u16::MAX).map(|n| v6(place, n)));
            assert!(found < 30, "{found} at {place}");
        }
        let ports = |port| Endpoint { port, ..v6(0, 7) };
        assert!(collisions(v6(0, 7), (0..=u16::MAX).map(ports)) < 30);
    }

    #[test]
    fn the_two_keys_of_a_connection_to_its_own_client_differ() {
        // A destination's process may connect to the service from the port it serves on.
        let inbound = Tuple::inbound(Protocol::Tcp, CLIENT, SERVICE);
        let reply = Tuple::reply(Protocol::Tcp, CLIENT, SERVICE);
        assert_ne!(inbound, reply);
        assert_ne!(inbound.as_words(), reply.as_words());
    }
}
