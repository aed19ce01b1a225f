// SPDX-License-Identifier: GPL-2.0

use proptest::{collection::vec, prelude::*, sample::Index};
use rlvs_core::{
    address::{Protocol, V4, V6},
    packet::{
        checksum,
        crc32c::{self, Difference},
    },
};

use crate::support::{cases, one_zero, plain_crc, plain_sum, plan, Field, Plan};

fn transport_is_right<A: rlvs_core::address::Ip>(plan: Plan<A>) -> Result<(), TestCaseError> {
    let protocol = match plan.protocol {
        Protocol::Sctp => Protocol::Tcp,
        protocol => protocol,
    };
    let plan = Plan {
        protocol,
        field: Field::Checksum,
        ..plan
    };
    let (packet, l4_offset) = plan.build();
    let (source, destination) = (plan.source.address, plan.destination.address);
    let mut segment = packet[l4_offset..].to_vec();
    let number = plan.protocol.number();
    let check = checksum::transport(source, destination, number, &segment);
    prop_assert_eq!(check, Some(0));

    let at = if number == 6 { 16 } else { 6 };
    let sent = u16::from_be_bytes([segment[at], segment[at + 1]]);
    segment[at..at + 2].fill(0);
    let check = checksum::transport(source, destination, number, &segment);
    prop_assert_eq!(check.map(one_zero), Some(one_zero(sent)));
    Ok(())
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn sum_is_that_of_rfc_1071(bytes in vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(checksum::sum(&bytes), plain_sum(&bytes));
    }

    #[test]
    fn sub_undoes_add(a: u16, b: u16) {
        prop_assert_eq!(one_zero(checksum::sub(checksum::add(a, b), b)), one_zero(a));
    }

    #[test]
    fn update_is_the_same_as_computing_again(
        mut bytes in vec(any::<u8>(), 20..60),
        at in 0usize..8,
        to in prop_oneof![vec(any::<u8>(), 2), vec(any::<u8>(), 4), vec(any::<u8>(), 12)],
    ) {
        // Data of nothing but zeros has no place for the rule that a sum is never 0.
        bytes[0] |= 1;
        let at = 2 + at;
        let at = at & !1;
        let old = !plain_sum(&bytes);
        let from = bytes[at..at + to.len()].to_vec();
        bytes[at..at + to.len()].copy_from_slice(&to);
        let new = !plain_sum(&bytes);
        prop_assert_eq!(checksum::update_bytes(old, &from, &to), new);
        if let (&[a, b], &[c, d]) = (&from[..], &to[..]) {
            let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            prop_assert_eq!(checksum::update_word(old, from, to), new);
        }
    }

    #[test]
    fn crc_is_that_of_another_implementation(bytes in vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(crc32c::checksum(&bytes), plain_crc(&bytes));
    }

    #[test]
    fn crc_is_updated_for_any_words_in_data_of_any_length(
        mut bytes in prop_oneof![vec(any::<u8>(), 2..200), vec(any::<u8>(), 65000..65536)],
        changes in vec((any::<Index>(), any::<u16>()), 1..5),
    ) {
        let old = plain_crc(&bytes);
        let place = |(at, _): &(Index, u16)| at.index(bytes.len() - 1);
        let mut places: Vec<usize> = changes.iter().map(place).collect();
        places.sort_unstable();
        let mut difference = Difference::default();
        for (at, (_, to)) in places.into_iter().zip(changes) {
            let from = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&to.to_be_bytes());
            difference.word(at as u16, from, to);
        }
        prop_assert_eq!(old ^ difference.at_end(bytes.len() as u16), plain_crc(&bytes));
    }

    #[test]
    fn transport_checksums_are_right(v4 in plan::<V4>(), v6 in plan::<V6>()) {
        transport_is_right(v4)?;
        transport_is_right(v6)?;
    }
}
