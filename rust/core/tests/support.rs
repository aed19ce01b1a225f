// SPDX-License-Identifier: GPL-2.0

//! Random packets, and checksums of them that share no code with what is tested.

use crc::{Crc, CRC_32_ISCSI};
use proptest::{collection::vec, prelude::*, sample::select};
use rlvs_core::{
    address::{Endpoint, Family, Ip, Protocol},
    packet::{sctp::Chunk, Signal, TcpFlags},
};

/// How often a property is tried; a costly one asks for one part in `cost` of it.
pub(crate) fn cases(cost: u32) -> ProptestConfig {
    let full = std::env::var_os("FULL").is_some_and(|value| value == "1");
    let cases = if full { 1_000_000 } else { 10_000 };
    ProptestConfig {
        cases: cases / cost,
        failure_persistence: None,
        max_global_rejects: u32::MAX,
        max_local_rejects: u32::MAX,
        ..ProptestConfig::default()
    }
}

/// Any address of a family.
pub(crate) fn address<A: Ip>() -> impl Strategy<Value = A> {
    let len = match A::FAMILY {
        Family::V4 => 4,
        Family::V6 => 16,
    };
    // Bytes of all zeros and all ones are where one's complement has its corners.
    let byte = prop_oneof![2 => any::<u8>(), 1 => Just(0), 1 => Just(0xff)];
    vec(byte, len).prop_map(|octets| A::from_octets(&octets).expect("the family's length"))
}

/// Any port, 0 included.
pub(crate) fn port() -> impl Strategy<Value = u16> {
    prop_oneof![6 => any::<u16>(), 1 => Just(0), 1 => Just(0xffff)]
}

pub(crate) fn endpoint<A: Ip>() -> impl Strategy<Value = Endpoint<A>> {
    (address(), port()).prop_map(|(address, port)| Endpoint { address, port })
}

pub(crate) fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ]
}

/// What the field of the transport checksum is to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field {
    /// The checksum.
    Checksum,
    /// The sum of the pseudo-header; of SCTP, which has none, 0.
    PseudoHeader,
    /// Nothing: a UDP packet without a checksum.
    Zero,
}

/// A packet, before it is bytes.
#[derive(Clone, Debug)]
pub(crate) struct Plan<A> {
    pub(crate) protocol: Protocol,
    pub(crate) source: Endpoint<A>,
    pub(crate) destination: Endpoint<A>,
    pub(crate) flags: u8,
    /// What is between the IP header's fixed part and the transport header: options of IPv4, or
    /// the bodies of IPv6 extension headers with their kinds.
    pub(crate) options: Vec<u8>,
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
    /// Options of TCP.
    pub(crate) tcp_options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    /// Chunks of SCTP: their types and values.
    pub(crate) chunks: Vec<(u8, Vec<u8>)>,
    /// Parameters of an INIT or INIT ACK, and whether the addresses among them are hidden.
    pub(crate) parameters: Vec<(u16, Vec<u8>)>,
    pub(crate) hidden: bool,
    pub(crate) field: Field,
}

fn words(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<[u8; 4]>(), 0..=max).prop_map(|words| words.concat())
}

/// An extension header's kind and what follows its first two bytes.
fn extension() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let body = |units| vec(any::<u8>(), units * 8 + 6);
    prop_oneof![
        (Just(0), (0usize..3).prop_flat_map(body)),
        (Just(60), (0usize..3).prop_flat_map(body)),
        // A routing header that has been followed to its end: no segments left.
        (
            Just(43),
            (0usize..3).prop_flat_map(body).prop_map(|mut body| {
                body[1] = 0;
                body
            })
        ),
        // A fragment header of a packet that is whole; its reserved bits may be anything.
        (Just(44), (0u8..4, any::<[u8; 4]>()))
            .prop_map(|(kind, (reserved, id))| (kind, [&[0, reserved << 1][..], &id].concat())),
    ]
}

/// The chunks of an SCTP packet: one that is alone, or control chunks and perhaps data.
fn chunks() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let control = select(&[3u8, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 0xc1][..]);
    let data = select(&[0u8, 64][..]);
    let value = || vec(any::<u8>(), 0..40);
    let several = (
        vec((control, value()), 1..12),
        vec((data, value()), 0..3),
        any::<bool>(),
    )
        .prop_map(|(control, data, both)| match both {
            false if !data.is_empty() => data,
            _ => [control, data].concat(),
        });
    let alone = (select(&[1u8, 2][..]), vec(any::<u8>(), 16));
    prop_oneof![
        2 => several,
        2 => alone.prop_map(|chunk| vec![chunk]),
        1 => value().prop_map(|value| vec![(14, value)]),
    ]
}

/// Parameters of an INIT: addresses, and others that must be left alone.
fn parameters() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let one = prop_oneof![
        (Just(5), vec(any::<u8>(), 4)),
        (Just(6), vec(any::<u8>(), 16)),
        (
            select(&[7u16, 9, 11, 12, 0x8000, 0x8005, 0xc000][..]),
            vec(any::<u8>(), 0..20)
        ),
    ];
    vec(one, 0..8)
}

/// Any packet of a family.
pub(crate) fn plan<A: Ip>() -> impl Strategy<Value = Plan<A>> {
    let field = prop_oneof![3 => Just(Field::Checksum), 2 => Just(Field::PseudoHeader),
        1 => Just(Field::Zero)];
    (
        (protocol(), endpoint(), endpoint(), any::<u8>(), field),
        (words(10), vec(extension(), 0..4), words(10)),
        prop_oneof![vec(any::<u8>(), 0..64), vec(Just(0), 0..3)],
        (chunks(), parameters()),
    )
        .prop_map(
            |(head, (options, extensions, tcp_options), payload, sctp)| {
                let (chunks, parameters) = sctp;
                let (protocol, source, destination, flags, field) = head;
                let field = match (field, protocol) {
                    (Field::Zero, Protocol::Tcp | Protocol::Sctp) => Field::Checksum,
                    (field, _) => field,
                };
                Plan {
                    protocol,
                    source,
                    destination,
                    flags,
                    options,
                    extensions,
                    tcp_options,
                    payload,
                    chunks,
                    parameters,
                    hidden: false,
                    field,
                }
            },
        )
}

/// The one's complement sum, by RFC 1071's text: add the words as wide numbers, fold at the end.
pub(crate) fn plain_sum(bytes: &[u8]) -> u16 {
    let mut total: u64 = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// CRC32c, by the crate `crc`.
pub(crate) fn plain_crc(bytes: &[u8]) -> u32 {
    Crc::<u32>::new(&CRC_32_ISCSI).checksum(bytes)
}

/// One of the two zeros for both.
pub(crate) fn one_zero(sum: u16) -> u16 {
    if sum == 0 {
        0xffff
    } else {
        sum
    }
}

pub(crate) fn set(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Appends a chunk or a parameter, whose head is its type and flags, with its length and padding.
fn append(to: &mut Vec<u8>, head: [u8; 2], value: &[u8]) {
    to.extend(head);
    to.extend((4 + value.len() as u16).to_be_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

impl<A: Ip> Plan<A> {
    /// What the packet shows of its connection's state.
    pub(crate) fn signal(&self) -> Signal {
        match self.protocol {
            Protocol::Tcp => Signal::Tcp(TcpFlags(self.flags)),
            Protocol::Udp => Signal::Udp,
            Protocol::Sctp => Signal::Sctp(self.chunk()),
        }
    }

    /// The types of the chunks that count: data is the last one, and the ninth does not.
    fn counted(&self) -> Vec<u8> {
        let types: Vec<u8> = self.chunks.iter().map(|(kind, _)| *kind).take(8).collect();
        match types.iter().position(|kind| [0, 6, 64].contains(kind)) {
            Some(last) => types[..=last].to_vec(),
            None => types,
        }
    }

    fn chunk(&self) -> Chunk {
        let types = self.counted();
        if types.contains(&6) {
            return Chunk::Abort;
        }
        let mut kinds = types.into_iter().map(Chunk::of_type);
        kinds
            .find(|chunk| *chunk != Chunk::Data)
            .unwrap_or(Chunk::Data)
    }

    /// How far the transport header is read, from its start.
    pub(crate) fn headers_len(&self) -> usize {
        match self.protocol {
            Protocol::Tcp => 20,
            Protocol::Udp => 8,
            Protocol::Sctp => {
                let before = &self.chunks[..self.counted().len() - 1];
                let len = |(_, value): &(u8, Vec<u8>)| (4 + value.len()).next_multiple_of(4);
                12 + before.iter().map(len).sum::<usize>() + 4
            }
        }
    }

    fn association(&self) -> Vec<u8> {
        let mut chunks = Vec::new();
        for (kind, value) in &self.chunks {
            let mut value = value.clone();
            if matches!(kind, 1 | 2) {
                for (kind, content) in &self.parameters {
                    let kind = match kind {
                        5 | 6 if self.hidden => 0x8005,
                        kind => *kind,
                    };
                    append(&mut value, kind.to_be_bytes(), content);
                }
            }
            append(&mut chunks, [*kind, 0x5a], &value);
        }
        chunks
    }

    fn transport(&self) -> Vec<u8> {
        let mut segment = [
            self.source.port.to_be_bytes(),
            self.destination.port.to_be_bytes(),
        ]
        .concat();
        let field = match self.protocol {
            Protocol::Tcp => {
                segment.extend([1, 2, 3, 4, 5, 6, 7, 8]);
                segment.push((5 + self.tcp_options.len() as u8 / 4) << 4);
                segment.push(self.flags);
                segment.extend([0x72, 0x10, 0, 0, 0, 9]);
                segment.extend(&self.tcp_options);
                16
            }
            Protocol::Udp => {
                let len = 8 + self.payload.len() as u16;
                segment.extend(len.to_be_bytes());
                segment.extend([0, 0]);
                6
            }
            Protocol::Sctp => {
                segment.extend([9, 8, 7, 6, 0, 0, 0, 0]);
                segment.extend(self.association());
                if self.field == Field::Checksum {
                    let crc = plain_crc(&segment).to_le_bytes();
                    segment[8..12].copy_from_slice(&crc);
                }
                return segment;
            }
        };
        segment.extend(&self.payload);

        let mut pseudo = self.source.address.octets().to_vec();
        pseudo.extend(self.destination.address.octets());
        pseudo.extend((segment.len() as u32).to_be_bytes());
        pseudo.extend([0, 0, 0, self.protocol.number()]);
        let value = match self.field {
            Field::Zero => 0,
            Field::PseudoHeader => plain_sum(&pseudo),
            Field::Checksum => {
                pseudo.extend(&segment);
                match (!plain_sum(&pseudo), self.protocol) {
                    (0, Protocol::Udp) => 0xffff,
                    (value, _) => value,
                }
            }
        };
        set(&mut segment, field, value);
        segment
    }

    fn ipv4(&self, segment: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let mut header = vec![0x40 | (header_len / 4) as u8, 0x1e];
        header.extend(((header_len + segment.len()) as u16).to_be_bytes());
        // Don't fragment.
        header.extend([0xab, 0xcd, 0x40, 0, 64, self.protocol.number(), 0, 0]);
        header.extend(self.source.address.octets());
        header.extend(self.destination.address.octets());
        header.extend(&self.options);
        let sum = plain_sum(&header);
        set(&mut header, 10, !sum);
        header
    }

    fn ipv6(&self, segment: &[u8]) -> Vec<u8> {
        let mut kinds: Vec<u8> = self.extensions.iter().map(|(kind, _)| *kind).collect();
        kinds.push(self.protocol.number());
        let mut chain = Vec::new();
        for ((kind, body), next) in self.extensions.iter().zip(&kinds[1..]) {
            // The fragment header has no length; the others count 8 bytes beyond the first 8.
            let units = if *kind == 44 { 0 } else { (body.len() - 6) / 8 };
            chain.extend([*next, units as u8]);
            chain.extend(body);
        }
        let mut header = vec![0x60, 1, 2, 3];
        header.extend(((chain.len() + segment.len()) as u16).to_be_bytes());
        header.extend([kinds[0], 64]);
        header.extend(self.source.address.octets());
        header.extend(self.destination.address.octets());
        header.extend(chain);
        header
    }

    /// The packet's bytes, and where its transport header starts.
    pub(crate) fn build(&self) -> (Vec<u8>, usize) {
        let segment = self.transport();
        let mut packet = match A::FAMILY {
            Family::V4 => self.ipv4(&segment),
            Family::V6 => self.ipv6(&segment),
        };
        let l4_offset = packet.len();
        packet.extend(segment);
        (packet, l4_offset)
    }
}
