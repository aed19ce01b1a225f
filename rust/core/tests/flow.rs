// SPDX-License-Identifier: GPL-2.0

use proptest::{prelude::*, sample::select};
use rlvs_core::{
    connection::{
        state::{self, Rules, State},
        timeout::{self, Timeouts},
        tuple::Side,
    },
    packet::{sctp::Chunk, Signal, TcpFlags},
};

use crate::support::cases;

fn state() -> impl Strategy<Value = State> {
    select(&State::ALL[..])
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![
        any::<u8>().prop_map(|flags| Signal::Tcp(TcpFlags(flags))),
        Just(Signal::Udp),
        any::<u8>().prop_map(|kind| Signal::Sctp(Chunk::of_type(kind % 16))),
    ]
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn only_four_flags_count(state in state(), reply: bool, flags: u8, others: u8) {
        let side = if reply { Side::Reply } else { Side::Inbound };
        let four = TcpFlags::FIN | TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK;
        let next = |flags| state::next(state, side, Signal::Tcp(TcpFlags(flags)));
        prop_assert_eq!(next(flags & four), next(flags & four | others & !four));
        prop_assert_eq!(next(others & !four), state);
    }

    #[test]
    fn what_may_not_move_does_not(
        state in state(), reply: bool, secure: bool, signal in signal(),
    ) {
        let side = if reply { Side::Reply } else { Side::Inbound };
        let rules = if secure { Rules::Secure } else { Rules::Usual };
        if rules.next(state, side, signal) != state {
            prop_assert!(state::may_move(state, side, signal));
        }
    }

    #[test]
    fn expiry_survives_the_clock_wrapping(
        state in state(), start: u32, idle in 0u32..2000, early in 1u32..100,
    ) {
        let timeout = Timeouts::default().of(state);
        let now = start.wrapping_add(idle);
        prop_assert_eq!(timeout::expired(timeout, start, now), idle >= timeout);
        prop_assert_eq!(
            timeout::remaining(timeout, start, now),
            timeout.saturating_sub(idle)
        );
        // Another CPU was ahead when it wrote the time: no reason to expire anything.
        let ahead = now.wrapping_add(early);
        prop_assert!(!timeout::expired(timeout, ahead, now));
        prop_assert_eq!(timeout::remaining(timeout, ahead, now), timeout);
    }

    #[test]
    fn bits_are_the_states(bits: u8) {
        prop_assert_eq!(State::from_bits(bits).map(State::to_bits), (bits < 25).then_some(bits));
    }
}
