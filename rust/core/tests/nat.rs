// SPDX-License-Identifier: GPL-2.0

use proptest::prelude::*;
use rlvs_core::{
    address::{Endpoint, Ip, Protocol, V4, V6},
    checksum,
    nat::{self, Rewrite, Sums, TooShort, Which},
    wire,
};

use crate::support::{cases, endpoint, one_zero, plain_sum, plan, Field, Plan};

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
    let packet = wire::parse::<A>(&bytes[..]).expect("a whole packet");
    let rewrite = Rewrite {
        side,
        from: from(&plan, side),
        to,
    };
    let sums = match plan.field {
        Field::PseudoHeader => Sums::Partial,
        _ if hardware => Sums::Complete,
        _ => Sums::Other,
    };
    let before = plain_sum(&bytes);
    let len = nat::writable_len(&packet);
    prop_assert!(len <= bytes.len());

    let untouched = bytes.clone();
    let short = nat::apply(&mut bytes[..len - 1], &packet, sums, &rewrite);
    prop_assert_eq!(short, Err(TooShort));
    prop_assert_eq!(&bytes, &untouched);

    let delta = nat::apply(&mut bytes[..len], &packet, sums, &rewrite).expect("long enough");
    prop_assert_eq!(&bytes, &expected);
    let after = plain_sum(&bytes);
    prop_assert_eq!(one_zero(checksum::add(before, delta.0)), one_zero(after));
    if rewrite.from == to {
        prop_assert_eq!(delta.0, 0);
    }
    if plan.field == Field::Checksum && rewrite.from.address == to.address {
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
    let packet = wire::parse::<A>(&bytes[..]).expect("a whole packet");
    let rewrite = Rewrite {
        side,
        from: from(&plan, side),
        to,
    };
    nat::apply(&mut bytes, &packet, Sums::Other, &rewrite).expect("long enough");
    let plan = changed(&plan, side, to);
    prop_assert_eq!(residue(&plan, &bytes[l4_offset..]), before);
    prop_assert_eq!(before == 0xffff, one_zero(wrong) == one_zero(right));
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
    fn back_is_where_it_was((plan, side, to) in case::<V6>()) {
        let (mut bytes, _) = plan.build();
        let original = bytes.clone();
        let sums = match plan.field {
            Field::PseudoHeader => Sums::Partial,
            _ => Sums::Other,
        };
        for (from, to) in [(from(&plan, side), to), (to, from(&plan, side))] {
            let packet = wire::parse::<V6>(&bytes[..]).expect("a whole packet");
            let rewrite = Rewrite { side, from, to };
            nat::apply(&mut bytes, &packet, sums, &rewrite).expect("long enough");
        }
        prop_assert_eq!(bytes, original);
    }
}
