// SPDX-License-Identifier: GPL-2.0

use proptest::{collection::vec, prelude::*, sample::Index};
use rlvs_core::{
    address::{Endpoint, Family, Ip, Protocol, V4, V6},
    packet::{
        self, checksum, icmp,
        rewrite::{self, IpSummed, Rewrite, TooShort, Which},
        Unhandled,
    },
};

use crate::{
    nat::{case, changed, from},
    support::{address, cases, one_zero, plain_sum, set, Field, Plan},
};

/// An ICMP error about a packet.
#[derive(Clone, Debug)]
struct ErrorPlan<A> {
    source: A,
    destination: A,
    kind: u8,
    rest: [u8; 5],
    /// The quoted packet's bytes, and what comes after them.
    quote: Vec<u8>,
    after: Vec<u8>,
    /// The checksum is left to the device.
    partial: bool,
}

impl<A: Ip> ErrorPlan<A> {
    fn build(&self) -> Vec<u8> {
        let mut message = vec![self.kind, self.rest[0], 0, 0];
        message.extend(&self.rest[1..]);
        message.extend(&self.quote);
        message.extend(&self.after);
        let ends = [self.source.octets(), self.destination.octets()].concat();
        let length = message.len() as u16;
        let (mut packet, pseudo) = match A::FAMILY {
            Family::V4 => {
                let mut header = vec![0x45, 0];
                header.extend((20 + length).to_be_bytes());
                header.extend([0, 0, 0, 0, 64, 1, 0, 0]);
                header.extend(&ends);
                let sum = plain_sum(&header);
                set(&mut header, 10, !sum);
                (header, vec![])
            }
            Family::V6 => {
                let mut header = vec![0x60, 0, 0, 0];
                header.extend(length.to_be_bytes());
                header.extend([58, 64]);
                header.extend(&ends);
                let tail = [&[0, 0][..], &length.to_be_bytes(), &[0, 0, 0, 58]].concat();
                (header, [ends, tail].concat())
            }
        };
        let value = if self.partial {
            plain_sum(&pseudo)
        } else {
            !plain_sum(&[pseudo, message.clone()].concat())
        };
        set(&mut message, 2, value);
        packet.extend(message);
        packet
    }
}

/// The kinds of message that quote a packet.
fn kinds(family: Family) -> &'static [u8] {
    match family {
        Family::V4 => &[3, 4, 5, 11, 12],
        Family::V6 => &[1, 2, 3, 4],
    }
}

type Case<A> = ((Plan<A>, Which, Endpoint<A>), ErrorPlan<A>, A);

/// A packet, what one end of it becomes, and an error about it: from the packet's receiver or
/// from a router, with at least eight bytes of the transport header quoted.
fn error_case<A: Ip>() -> impl Strategy<Value = Case<A>> {
    let error = (
        address::<A>(),
        any::<bool>(),
        any::<[u8; 5]>(),
        any::<Index>(),
        any::<bool>(),
    );
    let cut = (any::<Index>(), vec(any::<u8>(), 0..20), any::<bool>());
    (case::<A>(), error, cut).prop_map(|(mut case, error, (cut, after, whole))| {
        case.0.field = match (case.0.protocol, case.0.field) {
            // The quoted checksum is left as it is, here 0.
            (Protocol::Sctp, _) => Field::PseudoHeader,
            (_, Field::PseudoHeader) => Field::Checksum,
            (_, field) => field,
        };
        let (router, by_router, rest, kind, partial) = error;
        let (mut quote, l4_offset) = case.0.build();
        if !whole {
            let least = l4_offset + 8;
            quote.truncate(least + cut.index(quote.len() - least + 1));
            // Half of TCP's checksum is left as it is, which the packet built again would not be.
            if quote.len() == l4_offset + 17 {
                quote.pop();
            }
        }
        let plan = ErrorPlan {
            source: if by_router {
                router
            } else {
                case.0.destination.address
            },
            destination: case.0.source.address,
            kind: *kind.get(kinds(A::FAMILY)),
            rest,
            // After a quote that was cut, more would be taken for the rest of the packet.
            after: if whole { after } else { vec![] },
            quote,
            partial,
        };
        (case, plan, router)
    })
}

/// The error that the rewritten packet would have led to.
fn expected<A: Ip>(((plan, side, to), error, _): &Case<A>) -> ErrorPlan<A> {
    let mut expected = error.clone();
    let quoted = Plan {
        hidden: false,
        ..changed(plan, *side, *to)
    };
    let (quote, _) = quoted.build();
    expected.quote = quote[..error.quote.len()].to_vec();
    let old = from(plan, *side).address;
    let own = match side {
        Which::Source => &mut expected.destination,
        Which::Destination => &mut expected.source,
    };
    if *own == old {
        *own = to.address;
    }
    expected
}

fn rewrite_equals_building_again<A: Ip>(
    case: Case<A>,
    hardware: bool,
) -> Result<(), TestCaseError> {
    let wanted = expected(&case).build();
    let ((plan, side, to), error, _) = case;
    let mut bytes = error.build();
    prop_assert_eq!(packet::parse::<A>(&bytes[..]), Err(Unhandled::Icmp));
    let read = icmp::parse::<A>(&bytes[..]).expect("an error");
    prop_assert_eq!(
        (read.source, read.destination),
        (error.source, error.destination)
    );
    prop_assert_eq!(read.quoted.source, plan.source);
    prop_assert_eq!(read.quoted.destination, plan.destination);
    prop_assert_eq!(read.quoted.protocol, plan.protocol);

    let rewrite = Rewrite {
        side,
        from: from(&plan, side),
        to,
    };
    let sums = match (error.partial, hardware) {
        (true, _) => IpSummed::Partial,
        (false, true) => IpSummed::Complete,
        (false, false) => IpSummed::Other,
    };
    let len = rewrite::writable_len_of_error(&read);
    prop_assert!(len <= bytes.len());
    let untouched = bytes.clone();
    let short = rewrite::apply_to_error(&mut bytes[..len - 1], &read, sums, &rewrite);
    prop_assert_eq!(short, Err(TooShort));
    prop_assert_eq!(&bytes, &untouched);

    let delta = rewrite::apply_to_error(&mut bytes[..len], &read, sums, &rewrite).expect("room");
    let before = plain_sum(&untouched);
    prop_assert_eq!(
        one_zero(checksum::add(before, delta.0)),
        one_zero(plain_sum(&bytes))
    );
    // The message's own checksum may be either zero.
    let at = read.offset + 2;
    let checksum = |bytes: &[u8]| one_zero(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    prop_assert_eq!(checksum(&bytes), checksum(&wanted));
    bytes[at..at + 2].copy_from_slice(&wanted[at..at + 2]);
    prop_assert_eq!(bytes, wanted);
    Ok(())
}

/// Whatever the bytes are: what is accepted lies within them.
fn keeps_inside<A: Ip>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(error) = icmp::parse::<A>(bytes) {
        prop_assert!(error.quoted.offset + error.quoted.l4_offset + 8 <= bytes.len());
        prop_assert!(rewrite::writable_len_of_error(&error) <= bytes.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn ipv4_errors(case in error_case::<V4>(), hardware: bool) {
        rewrite_equals_building_again(case, hardware)?;
    }

    #[test]
    fn ipv6_errors(case in error_case::<V6>(), hardware: bool) {
        rewrite_equals_building_again(case, hardware)?;
    }

    #[test]
    fn any_bytes_are_survived(
        v4 in error_case::<V4>(),
        v6 in error_case::<V6>(),
        at: Index,
        value: u8,
        end: Index,
    ) {
        for (mut bytes, four) in [(v4.1.build(), true), (v6.1.build(), false)] {
            let index = at.index(bytes.len());
            bytes[index] = value;
            bytes.truncate(end.index(bytes.len() + 1));
            if four {
                keeps_inside::<V4>(&bytes)?;
            } else {
                keeps_inside::<V6>(&bytes)?;
            }
        }
    }
}
