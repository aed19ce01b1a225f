// SPDX-License-Identifier: GPL-2.0

use proptest::prelude::*;
use rlvs_core::{
    address::{Ip, V4, V6},
    connection::tuple::{Side, Tuple},
};

use crate::support::{cases, endpoint, protocol};

fn tuple<A: Ip>() -> impl Strategy<Value = Tuple<A>> {
    (any::<bool>(), protocol(), endpoint(), endpoint()).prop_map(
        |(inbound, protocol, source, destination)| {
            if inbound {
                Tuple::inbound(protocol, source, destination)
            } else {
                Tuple::reply(protocol, source, destination)
            }
        },
    )
}

/// Words that lead back to the key are the words of no other key.
fn returns<A: Ip>(key: Tuple<A>) -> Result<(), TestCaseError> {
    let same = Tuple::<A>::from_words(key.as_words());
    prop_assert_eq!(same, key);
    prop_assert_eq!(same.side(), key.side());
    prop_assert_eq!(same.protocol(), key.protocol());
    prop_assert_eq!(same.source(), key.source());
    prop_assert_eq!(same.destination(), key.destination());
    Ok(())
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn words_lead_back_to_the_key(v4 in tuple::<V4>(), v6 in tuple::<V6>()) {
        returns(v4)?;
        returns(v6)?;
    }

    #[test]
    fn keys_that_differ_have_words_that_differ(a in tuple::<V4>(), b in tuple::<V4>(), mix: u8) {
        // Random keys hardly ever are alike: take most of the parts of `b` from `a`.
        let source = if mix & 1 == 0 { a.source() } else { b.source() };
        let destination = if mix & 2 == 0 { a.destination() } else { b.destination() };
        let protocol = if mix & 4 == 0 { a.protocol() } else { b.protocol() };
        let key = match if mix & 8 == 0 { a.side() } else { b.side() } {
            Side::Inbound => Tuple::inbound(protocol, source, destination),
            Side::Reply => Tuple::reply(protocol, source, destination),
        };
        prop_assert_eq!(key == a, key.as_words() == a.as_words());
    }

    #[test]
    fn highest_bits_are_free(v4 in tuple::<V4>(), v6 in tuple::<V6>(), mark: u32) {
        let mark = u64::from(mark >> 3) << 35;
        let [both, last] = v4.as_words();
        prop_assert_eq!(last >> 35, 0);
        prop_assert_eq!(Tuple::from_words([both, last | mark]), v4);
        let [a, b, c, d, last] = v6.as_words();
        prop_assert_eq!(last >> 35, 0);
        prop_assert_eq!(Tuple::from_words([a, b, c, d, last | mark]), v6);
    }
}
