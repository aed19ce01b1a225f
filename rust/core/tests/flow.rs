// SPDX-License-Identifier: GPL-2.0

use proptest::{prelude::*, sample::select};
use rlvs_core::{
    flow::{self, State, Timeouts, STATES},
    tuple::Side,
    wire::TcpFlags,
};

use crate::support::cases;

fn state() -> impl Strategy<Value = State> {
    select(&STATES[..])
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn only_four_flags_count(state in state(), reply: bool, flags: u8, others: u8) {
        let side = if reply { Side::Reply } else { Side::Inbound };
        let four = TcpFlags::FIN | TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK;
        let a = flow::next(state, side, TcpFlags(flags & four));
        let b = flow::next(state, side, TcpFlags(flags & four | others & !four));
        prop_assert_eq!(a, b);
        prop_assert_eq!(flow::next(state, side, TcpFlags(others & !four)), state);
    }

    #[test]
    fn expiry_survives_the_clock_wrapping(
        state in state(), start: u32, idle in 0u32..2000, early in 1u32..100,
    ) {
        let timeouts = Timeouts::default();
        let timeout = timeouts.of(state);
        let now = start.wrapping_add(idle);
        prop_assert_eq!(flow::expired(state, start, now, &timeouts), idle >= timeout);
        prop_assert_eq!(
            flow::remaining(state, start, now, &timeouts),
            timeout.saturating_sub(idle)
        );
        // Another CPU was ahead when it wrote the time: no reason to expire anything.
        let ahead = now.wrapping_add(early);
        prop_assert!(!flow::expired(state, ahead, now, &timeouts));
        prop_assert_eq!(flow::remaining(state, ahead, now, &timeouts), timeout);
    }

    #[test]
    fn bits_are_the_states(bits: u8) {
        prop_assert_eq!(State::from_bits(bits).map(State::to_bits), (bits < 12).then_some(bits));
    }
}
