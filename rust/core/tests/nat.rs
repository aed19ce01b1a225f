// SPDX-License-Identifier: GPL-2.0

use proptest::{prelude::*, sample::Index};
use rlvs_core::{
    address::{Endpoint, Ip, Protocol, V4, V6},
    packet::{
        self, checksum,
        rewrite::{self, IpSummed, Rewrite, TooShort, Which},
    },
};

use crate::support::{cases, endpoint, one_zero, plain_crc, plain_sum, plan, Field, Plan};

/// A packet, and what one end of it becomes: often with only the port or the address changed.
pub(crate) fn case<A: Ip>() -> impl Strategy<Value = (Plan<A>, Which, Endpoint<A>)> {
    (plan(), any::<bool>(), endpoint(), 0..4).prop_map(|(plan, source, mut to, keep)| {
        let (side, from) = if source {
            (Which::Source, plan.source)
        } else {
            (Which::Destination, plan.destination)
        };
        if keep & 1 != 0 {
            to.address = from.address;
        }
        if keep & 2 != 0 {
            to.port = from.port;
        }
        (plan, side, to)
    })
}

pub(crate) fn from<A: Ip>(plan: &Plan<A>, side: Which) -> Endpoint<A> {
    match side {
        Which::Source => plan.source,
        Which::Destination => plan.destination,
    }
}

pub(crate) fn changed<A: Ip>(plan: &Plan<A>, side: Which, to: Endpoint<A>) -> Plan<A> {
    let mut plan = plan.clone();
    plan.hidden |= from(&plan, side) != to;
    match side {
        Which::Source => plan.source = to,
        Which::Destination => plan.destination = to,
    }
    plan
}

fn rewrite_equals_building_again<A: Ip>(
    (plan, side, to): (Plan<A>, Which, Endpoint<A>),
    hardware: bool,
) -> Result<(), TestCaseError> {
    let (mut bytes, _) = plan.build();
    let (expected, _) = changed(&plan, side, to).build();
    let packet = packet::parse::<A>(&bytes[..]).expect("a whole packet");
    let rewrite = Rewrite {
        side,
        from: from(&plan, side),
        to,
    };
    let sums = match plan.field {
        Field::PseudoHeader => IpSummed::Partial,
        _ if hardware => IpSummed::Complete,
        _ => IpSummed::Other,
    };
    let before = plain_sum(&bytes);
    let len = rewrite::writable_len(&packet);
    prop_assert!(len <= bytes.len());

    let untouched = bytes.clone();
    let short = rewrite::apply(&mut bytes[..len - 1], &packet, sums, &rewrite);
    prop_assert_eq!(short, Err(TooShort));
    prop_assert_eq!(&bytes, &untouched);

    let delta = rewrite::apply(&mut bytes[..len], &packet, sums, &rewrite).expect("long enough");
    prop_assert_eq!(&bytes, &expected);
    let after = plain_sum(&bytes);
    prop_assert_eq!(one_zero(checksum::add(before, delta.0)), one_zero(after));
    if rewrite.from == to {
        prop_assert_eq!(delta.0, 0);
    }
    let sums_to_nothing = plan.field == Field::Checksum && plan.protocol != Protocol::Sctp;
    if sums_to_nothing && rewrite.from.address == to.address {
        // This is why a port can be rewritten without touching the device's sum.
        prop_assert_eq!(one_zero(delta.0), 0xffff);
    }
    Ok(())
}

/// What a receiver finds when it sums a segment with its pseudo-header: all ones if it is right.
fn residue<A: Ip>(plan: &Plan<A>, segment: &[u8]) -> u16 {
    let (source, destination) = (plan.source.address, plan.destination.address);
    let check = checksum::transport(source, destination, plan.protocol.number(), segment);
    one_zero(!check.expect("a short segment"))
}

fn wrong_checksum_stays_wrong<A: Ip>(
    (plan, side, to): (Plan<A>, Which, Endpoint<A>),
    damage: u16,
) -> Result<(), TestCaseError> {
    let plan = Plan {
        protocol: Protocol::Tcp,
        field: Field::Checksum,
        ..plan
    };
    let (mut bytes, l4_offset) = plan.build();
    let field = l4_offset + 16;
    let right = u16::from_be_bytes([bytes[field], bytes[field + 1]]);
    let wrong = right ^ damage;
    bytes[field..field + 2].copy_from_slice(&wrong.to_be_bytes());
    let before = residue(&plan, &bytes[l4_offset..]);
    let packet = packet::parse::<A>(&bytes[..]).expect("a whole packet");
    let rewrite = Rewrite {
        side,
        from: from(&plan, side),
        to,
    };
    rewrite::apply(&mut bytes, &packet, IpSummed::Other, &rewrite).expect("long enough");
    let plan = changed(&plan, side, to);
    prop_assert_eq!(residue(&plan, &bytes[l4_offset..]), before);
    prop_assert_eq!(before == 0xffff, one_zero(wrong) == one_zero(right));
    Ok(())
}

/// By how much the checksum of an SCTP packet is wrong.
fn wrong_by(segment: &[u8]) -> u32 {
    let field = u32::from_le_bytes(segment[8..12].try_into().expect("four bytes"));
    let zeroed = [&segment[..8], &[0; 4], &segment[12..]].concat();
    field ^ plain_crc(&zeroed)
}

fn wrong_crc_stays_wrong<A: Ip>(
    (plan, side, to): (Plan<A>, Which, Endpoint<A>),
    (place, damage): (Index, [u8; 4]),
) -> Result<(), TestCaseError> {
    let plan = Plan {
        protocol: Protocol::Sctp,
        field: Field::Checksum,
        ..plan
    };
    let (mut bytes, l4_offset) = plan.build();
    prop_assert_eq!(wrong_by(&bytes[l4_offset..]), 0);
    // In the checksum or in what a chunk carries, but not in what is read of the packet.
    let free = l4_offset + plan.headers_len();
    let at = place.index(bytes.len() - free + 1);
    let at = if at == 0 {
        l4_offset + 8
    } else {
        free + at - 1
    };
    for (byte, damage) in bytes[at..].iter_mut().zip(damage) {
        *byte ^= damage;
    }
    let before = wrong_by(&bytes[l4_offset..]);
    let packet = packet::parse::<A>(&bytes[..]).expect("a whole packet");
    let rewrite = Rewrite {
        side,
        from: from(&plan, side),
        to,
    };
    rewrite::apply(&mut bytes, &packet, IpSummed::Other, &rewrite).expect("long enough");
    prop_assert_eq!(wrong_by(&bytes[l4_offset..]), before);
    Ok(())
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn ipv4_rewrite_equals_building_again(case in case::<V4>(), hardware: bool) {
        rewrite_equals_building_again(case, hardware)?;
    }

    #[test]
    fn ipv6_rewrite_equals_building_again(case in case::<V6>(), hardware: bool) {
        rewrite_equals_building_again(case, hardware)?;
    }

    #[test]
    fn damage_is_not_repaired(v4 in case::<V4>(), v6 in case::<V6>(), damage: u16) {
        wrong_checksum_stays_wrong(v4, damage)?;
        wrong_checksum_stays_wrong(v6, damage)?;
    }

    #[test]
    fn sctp_damage_is_not_repaired(
        v4 in case::<V4>(), v6 in case::<V6>(), damage in (any::<Index>(), any::<[u8; 4]>()),
    ) {
        wrong_crc_stays_wrong(v4, damage)?;
        wrong_crc_stays_wrong(v6, damage)?;
    }

    #[test]
    fn an_unknown_length_is_no_hindrance_to_a_partial_checksum(
        (plan, side, to) in case::<V4>(), partial: bool,
    ) {
        let chunks = vec![(0, plan.payload.clone())];
        let plan =
            Plan { protocol: Protocol::Sctp, field: Field::PseudoHeader, chunks, ..plan };
        let (mut bytes, _) = plan.build();
        let untouched = bytes.clone();
        let (expected, _) = changed(&plan, side, to).build();
        let mut packet = packet::parse::<V4>(&bytes[..]).expect("a whole packet");
        packet.length = 0;
        let rewrite = Rewrite { side, from: from(&plan, side), to };
        let sums = if partial { IpSummed::Partial } else { IpSummed::Other };
        let done = rewrite::apply(&mut bytes, &packet, sums, &rewrite);
        if partial || rewrite.from == to {
            prop_assert!(done.is_ok());
            prop_assert_eq!(bytes, expected);
        } else {
            prop_assert_eq!(done, Err(TooShort));
            prop_assert_eq!(bytes, untouched);
        }
    }

    #[test]
    fn back_is_where_it_was((plan, side, to) in case::<V6>()) {
        let (mut bytes, _) = plan.build();
        // What was hidden stays hidden.
        let hidden = plan.hidden || from(&plan, side) != to;
        let (original, _) = Plan { hidden, ..plan.clone() }.build();
        let sums = match plan.field {
            Field::PseudoHeader => IpSummed::Partial,
            _ => IpSummed::Other,
        };
        for (from, to) in [(from(&plan, side), to), (to, from(&plan, side))] {
            let packet = packet::parse::<V6>(&bytes[..]).expect("a whole packet");
            let rewrite = Rewrite { side, from, to };
            rewrite::apply(&mut bytes, &packet, sums, &rewrite).expect("long enough");
        }
        prop_assert_eq!(bytes, original);
    }
}
