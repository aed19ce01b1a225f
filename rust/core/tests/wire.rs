// SPDX-License-Identifier: GPL-2.0

use std::cell::Cell;

use proptest::{collection::vec, prelude::*, sample::Index};
use rlvs_core::{
    address::{Family, Ip, Protocol, V4, V6},
    connection::state,
    packet::{self, rewrite, sctp::Chunk, Bytes, Packet, Ports, Signal, Unhandled},
};

use crate::support::{cases, plan, Plan};

/// A packet that knows how far it was read, and that no read is refused and then repeated.
struct Watched<'a> {
    bytes: &'a [u8],
    end: Cell<usize>,
    refused: Cell<bool>,
}

impl<'a> Watched<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            end: Cell::new(0),
            refused: Cell::new(false),
        }
    }
}

impl Bytes for Watched<'_> {
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        assert!(!self.refused.get(), "read on after the packet's end");
        let inside = self.bytes.copy_to(offset, into);
        if inside {
            self.end.set(self.end.get().max(offset + into.len()));
        } else {
            self.refused.set(true);
        }
        inside
    }
}

fn headers_end<A: Ip>(packet: &Packet<A>) -> usize {
    packet.l4_offset
        + match packet.protocol {
            Protocol::Tcp => 20,
            Protocol::Udp => 8,
            Protocol::Sctp => 16,
        }
}

/// Whatever the bytes are: what is accepted lies within them and within the length they state.
fn keeps_inside<A: Ip>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let watched = Watched::new(bytes);
    match packet::parse::<A>(&watched) {
        Ok(packet) => {
            prop_assert!(!watched.refused.get());
            prop_assert!(headers_end(&packet) <= bytes.len());
            let writable = match packet.signal {
                // All of it; where the IP header does not state how long that is, the headers.
                Signal::Sctp(Chunk::Init | Chunk::InitAck) => {
                    headers_end(&packet).max(packet.length as usize)
                }
                _ => headers_end(&packet),
            };
            prop_assert!(rewrite::writable_len(&packet) <= writable);
            if packet.length != 0 {
                prop_assert!(headers_end(&packet) <= packet.length as usize);
            }
            let read = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            prop_assert_eq!(packet.source.port, read(packet.l4_offset));
            prop_assert_eq!(packet.destination.port, read(packet.l4_offset + 2));
        }
        Err(Unhandled::Truncated) => {}
        Err(_) => prop_assert!(!watched.refused.get()),
    }
    prop_assert!(watched.end.get() <= bytes.len());
    glance_agrees::<A>(bytes)
}

/// The ports that a glance finds in any bytes, the parser finds too, or refuses the packet.
fn glance_agrees<A: Ip>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let watched = Watched::new(bytes);
    let glance = packet::ports::<A>(&watched);
    prop_assert!(watched.end.get() <= bytes.len());
    let Some(ports) = glance else {
        return Ok(());
    };
    match packet::parse::<A>(bytes) {
        Ok(packet) => {
            prop_assert_eq!(ports.source, packet.source.port);
            prop_assert_eq!(ports.destination, packet.destination.port);
            prop_assert_eq!(packet::ends_tcp::<A>(bytes), state::ends(packet.signal));
        }
        Err(why) => prop_assert!(matches!(why, Unhandled::Truncated | Unhandled::Malformed)),
    }
    Ok(())
}

fn reads_what_was_built<A: Ip>(plan: Plan<A>) -> Result<(), TestCaseError> {
    let (bytes, l4_offset) = plan.build();
    let packet = Packet {
        protocol: plan.protocol,
        source: plan.source,
        destination: plan.destination,
        l4_offset,
        length: bytes.len() as u32,
        signal: plan.signal(),
    };
    prop_assert_eq!(packet::parse::<A>(&bytes[..]), Ok(packet));
    // A glance is enough for all but IPv6 extension headers.
    let plain = A::FAMILY == Family::V4 || l4_offset == 40;
    let ports = Ports {
        source: plan.source.port,
        destination: plan.destination.port,
    };
    prop_assert_eq!(packet::ports::<A>(&bytes[..]), plain.then_some(ports));
    let ends = plain && state::ends(packet.signal);
    prop_assert_eq!(packet::ends_tcp::<A>(&bytes[..]), ends);
    // The headers suffice, and less does not.
    let end = l4_offset + plan.headers_len();
    prop_assert_eq!(packet::parse::<A>(&bytes[..end]), Ok(packet));
    for end in 0..end {
        prop_assert_eq!(packet::parse::<A>(&bytes[..end]), Err(Unhandled::Truncated));
    }
    Ok(())
}

fn mutated<A: Ip>() -> impl Strategy<Value = Vec<u8>> {
    let edits = vec((any::<Index>(), any::<u8>()), 1..6);
    (plan::<A>(), edits, any::<Index>()).prop_map(|(plan, edits, end)| {
        let (mut bytes, l4_offset) = plan.build();
        for (at, value) in edits {
            // Where the headers are: a change of the payload is none.
            let headers = (l4_offset + 16).min(bytes.len());
            bytes[at.index(headers)] = value;
        }
        bytes.truncate(end.index(bytes.len() * 2) + 1);
        bytes
    })
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn reads_what_was_built_of_ipv4(plan in plan::<V4>()) {
        reads_what_was_built(plan)?;
    }

    #[test]
    fn reads_what_was_built_of_ipv6(plan in plan::<V6>()) {
        reads_what_was_built(plan)?;
    }

    #[test]
    fn mutated_packets_are_read_inside(v4 in mutated::<V4>(), v6 in mutated::<V6>()) {
        keeps_inside::<V4>(&v4)?;
        keeps_inside::<V6>(&v6)?;
    }

    #[test]
    fn random_bytes_are_read_inside(mut bytes in vec(any::<u8>(), 0..120)) {
        keeps_inside::<V4>(&bytes)?;
        keeps_inside::<V6>(&bytes)?;
        // The right version gets further in.
        if let Some(first) = bytes.first_mut() {
            *first = 0x45;
        }
        keeps_inside::<V4>(&bytes)?;
        if let Some(first) = bytes.first_mut() {
            *first = 0x60;
        }
        keeps_inside::<V6>(&bytes)?;
    }

    #[test]
    fn fragments_are_told(plan in plan::<V4>(), bits in 1u16..0x4000, dont: bool) {
        let (mut bytes, _) = plan.build();
        let word = bits | if dont { 0x4000 } else { 0 };
        bytes[6..8].copy_from_slice(&word.to_be_bytes());
        prop_assert_eq!(packet::parse::<V4>(&bytes[..]), Err(Unhandled::Fragment));
        prop_assert_eq!(packet::ports::<V4>(&bytes[..]), None);
    }
}
