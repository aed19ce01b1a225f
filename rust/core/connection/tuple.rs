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
//! end ([`Tuple::spread`]), keyed as well: of a service on the wildcard address the client chooses that
//! end, among all addresses that are routed to the host.

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

/// Returns the protocol as a key has it, in two bits.
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

/// A table's secret for [`Tuple::spread`]: random numbers.
pub type Secret = [u64; 7];

/// One of the two keys of a connection entry: a packet's addresses, ports and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple<A: Ip> {
    side: Side,
    protocol: Protocol,
    source: Endpoint<A>,
    destination: Endpoint<A>,
}

impl<A: Ip> Tuple<A> {
    /// Returns the key of the packets from `client` to the virtual service `service`.
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

    /// Returns the key of the packets from `destination` to `client`.
    #[inline]
    pub fn reply(protocol: Protocol, destination: Endpoint<A>, client: Endpoint<A>) -> Self {
        Self {
            side: Side::Reply,
            protocol,
            source: destination,
            destination: client,
        }
    }

    /// Returns the side this is the key of.
    #[inline]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Returns the protocol.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns where the packets come from.
    #[inline]
    pub fn source(&self) -> Endpoint<A> {
        self.source
    }

    /// Returns where the packets go.
    #[inline]
    pub fn destination(&self) -> Endpoint<A> {
        self.destination
    }

    /// Returns the key as the table has it. Different keys have different words.
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

    /// Returns the client's end and the other one.
    #[inline]
    fn ends(&self) -> (Endpoint<A>, Endpoint<A>) {
        match self.side {
            Side::Inbound => (self.source, self.destination),
            Side::Reply => (self.destination, self.source),
        }
    }

    /// Returns the client's end and the protocol.
    #[inline]
    pub fn client_words(&self) -> A::EndWords {
        let (client, _) = self.ends();
        let protocol = protocol_bits(self.protocol);
        client
            .address
            .pack_end(u32::from(client.port) | protocol << u16::BITS)
    }

    /// Returns what the other end adds to the hash, of which the highest 28 bits count, by a
    /// table's secret numbers.
    ///
    /// The hash MULTILINEAR-HM: the sum of one secret number and, for each pair of the end's 32-bit
    /// parts, the product of the two, to each of which a secret number of its own is added, modulo
    /// 2^64. Any two ends have the same 28 bits for one in 2^28 of all secrets, so that without the
    /// secret no ends can be chosen that collide more often than random ones: the upper 33 bits of such
    /// a sum are strongly universal for random numbers of 64 bits (O. Kaser, D. Lemire, "Strongly
    /// universal string hashing is fast", The Computer Journal 57(11), 2014). It is no pseudorandom
    /// function: hashes would disclose the numbers. Nothing shows any hash, and the client's part is
    /// added to each.
    ///
    /// The multiplications do not wait for one another.
    #[inline]
    pub fn spread(&self, secret: &Secret) -> u64 {
        let (_, other) = self.ends();
        let words = other.address.pack_end(u32::from(other.port));
        let [sum, numbers @ ..] = *secret;
        let [a, b, c, d, e, f] = numbers;
        let pairs = [(a, b), (c, d), (e, f)];
        let parts = pairs.into_iter().zip(words.as_ref());
        parts.fold(sum, |sum, ((low, high), word)| {
            let low = low.wrapping_add(word & u64::from(u32::MAX));
            let high = high.wrapping_add(word >> u32::BITS);
            sum.wrapping_add(low.wrapping_mul(high))
        })
    }

    /// Returns the key whose words these are.
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
    use std::vec::Vec;

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
        assert_eq!(back.spread(&secret(1)), to.spread(&secret(1)));
        let one = 0x0101_0101_0101_0101;
        let to = Tuple::inbound(Protocol::Udp, CLIENT6, SERVICE6);
        let back = Tuple::reply(Protocol::Udp, SERVICE6, CLIENT6);
        assert_eq!(to.client_words(), [one, one, 0x0001_0002]);
        assert_eq!(back.client_words(), to.client_words());
        assert_eq!(back.spread(&secret(1)), to.spread(&secret(1)));
    }

    /// Numbers as random as tests can do with: SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast
    /// splittable pseudorandom number generators", OOPSLA 2014).
    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn secret(mut seed: u64) -> Secret {
        core::array::from_fn(|_| random(&mut seed))
    }

    /// How many have the same 28 highest bits as another one.
    fn repeated(spreads: impl Iterator<Item = u64>) -> usize {
        let mut hashes: Vec<_> = spreads.map(|spread| spread >> 36).collect();
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        all - hashes.len()
    }

    /// How many ends have the same 28 highest bits of their spread as another one.
    fn collisions<A: Ip>(client: Endpoint<A>, others: impl Iterator<Item = Endpoint<A>>) -> usize {
        let secret = secret(u64::from(client.port));
        repeated(others.map(|other| {
            let to = Tuple::inbound(Protocol::Tcp, client, other);
            to.spread(&secret)
        }))
    }

    /// A hash whose factor is known, as the other end was once mixed in: multiplicative hashing (D.
    /// Knuth, The Art of Computer Programming, volume 3, 6.4) by the kernel's `GOLDEN_RATIO_64`.
    mod unkeyed {
        const FACTOR: u64 = 0x61c8_8646_80b5_83eb;

        pub(crate) fn spread(words: [u64; 3]) -> u64 {
            words.iter().fold(0, |hash: u64, word| {
                (hash.rotate_left(32) ^ word).wrapping_mul(FACTOR)
            })
        }

        /// The middle one of three words whose spread is `wanted`.
        pub(crate) fn inverse(first: u64, last: u64, wanted: u64) -> u64 {
            // Newton's iteration: each step doubles the bits that are right.
            let mut inverse = FACTOR;
            for _ in 0..6 {
                let error = 2_u64.wrapping_sub(FACTOR.wrapping_mul(inverse));
                inverse = inverse.wrapping_mul(error);
            }
            let before_last = (wanted.wrapping_mul(inverse) ^ last).rotate_left(32);
            let after_first = first.wrapping_mul(FACTOR).rotate_left(32);
            before_last.wrapping_mul(inverse) ^ after_first
        }
    }

    /// A client that has a routed prefix of 64 bits to choose from makes any number of ends that
    /// collide in a hash whose factor it knows. With a secret they are as good as any others.
    #[test]
    fn crafted_ends_do_not_collide() {
        const PREFIX: u64 = 0x2001_0db8_0002_0000;
        let mut seed = 3;
        let ends: Vec<Endpoint<V6>> = (0..3000)
            .map(|_| {
                let wanted = 5 << 36 | random(&mut seed) >> 28;
                let low = unkeyed::inverse(PREFIX, 80, wanted);
                let (address, _, _) = V6::unpack([PREFIX, low, 0, 0, 0]);
                Endpoint { address, port: 80 }
            })
            .collect();
        let words = |end: &Endpoint<V6>| end.address.pack_end(u32::from(end.port));
        let spreads = ends.iter().map(|end| unkeyed::spread(words(end)));
        assert_eq!(repeated(spreads), 2999);
        // A secret for each port. Of random hashes one in 60 such crowds has a pair.
        let found = |port| collisions(Endpoint { port, ..CLIENT6 }, ends.iter().copied());
        let found: usize = (0..100).map(found).sum();
        assert!(found < 8, "{found}");
    }

    /// Two ends that differ in one bit, whichever, share 28 bits for hardly any secret.
    #[test]
    fn each_bit_counts_for_each_secret() {
        let base = Tuple::inbound(Protocol::Udp, CLIENT6, SERVICE6);
        for bit in 0..144 {
            let mut end = SERVICE6;
            match bit {
                0..128 => end.address.0[bit / 8] ^= 1 << (bit % 8),
                _ => end.port ^= 1 << (bit - 128),
            }
            let other = Tuple::inbound(Protocol::Udp, CLIENT6, end);
            for seed in 0..200 {
                let secret = secret(seed);
                let (one, two) = (base.spread(&secret), other.spread(&secret));
                assert_ne!(one >> 36, two >> 36, "bit {bit}, secret {seed}");
            }
        }
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
