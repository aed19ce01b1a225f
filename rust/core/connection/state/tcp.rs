// SPDX-License-Identifier: GPL-2.0

//! The states of a TCP connection.
//!
//! The tables are those of IPVS, except for its rows for forwarding methods whose answers do not
//! pass the director. Whether a reset or FIN counts at all is decided before
//! ([`crate::connection::window::Window`]).

use super::list::State;
use crate::{connection::tuple::Side, packet::TcpFlags};

/// What a segment means for the state: the first of these flags that is set.
#[derive(Clone, Copy)]
enum Event {
    Rst,
    Syn,
    Fin,
    Ack,
}

impl Event {
    #[inline]
    fn new(flags: TcpFlags) -> Option<Self> {
        if flags.rst() {
            Some(Self::Rst)
        } else if flags.syn() {
            Some(Self::Syn)
        } else if flags.fin() {
            Some(Self::Fin)
        } else if flags.ack() {
            Some(Self::Ack)
        } else {
            None
        }
    }
}

/// Returns the state that a segment of `side` moves a connection to; with none of the four flags,
/// none.
#[inline]
pub(super) fn next(state: State, side: Side, flags: TcpFlags) -> State {
    match (Event::new(flags), side) {
        (None, _) => state,
        (Some(event), Side::Inbound) => inbound(state, event),
        (Some(event), Side::Reply) => reply(state, event),
    }
}

/// Returns the state that a segment of `side` moves a connection to by the table of `secure_tcp`:
/// an answered SYN is SYN_ACK, and that remains until the destination acknowledges something or
/// either side resets.
#[inline]
pub(super) fn next_secure(state: State, side: Side, flags: TcpFlags) -> State {
    use State::*;
    match (Event::new(flags), side, state) {
        (Some(Event::Syn | Event::Fin | Event::Ack), Side::Inbound, SynAck) => SynAck,
        (Some(Event::Ack), Side::Inbound, SynReceived) => SynReceived,
        (Some(Event::Rst), Side::Inbound, SynAck) => Close,
        (Some(Event::Syn), Side::Reply, SynReceived | SynAck) => SynAck,
        _ => next(state, side, flags),
    }
}

fn inbound(state: State, event: Event) -> State {
    use State::*;
    match (event, state) {
        (Event::Syn, Established | SynSent) => Established,
        (Event::Syn, _) => SynReceived,

        (Event::Fin, None | Close) => Close,
        (Event::Fin, Established | CloseWait) => CloseWait,
        (Event::Fin, SynReceived | FinWait | TimeWait | SynAck) => TimeWait,

        (Event::Ack, None | Established | SynReceived | SynAck) => Established,
        (Event::Ack, Close | LastAck) => Close,

        (Event::Rst, SynReceived | SynAck) => SynReceived,
        (Event::Rst, LastAck | Listen) => state,
        (Event::Rst, _) => Close,

        (Event::Fin | Event::Ack, _) => state,
    }
}

fn reply(state: State, event: Event) -> State {
    use State::*;
    match (event, state) {
        (Event::Syn, Established) => Established,
        (Event::Syn, SynReceived | SynAck) => SynReceived,
        (Event::Syn, Listen) => Listen,
        (Event::Syn, _) => SynSent,

        (Event::Fin, Established | FinWait) => FinWait,
        (Event::Fin, None | SynReceived | TimeWait | CloseWait | SynAck) => TimeWait,

        (Event::Ack, None | Established | SynReceived | Listen | SynAck) => Established,

        (Event::Rst, SynSent | TimeWait) => state,
        (Event::Rst, _) => Close,

        (Event::Fin | Event::Ack, _) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::Protocol,
        connection::state::{self, Rules},
        packet::Signal,
    };

    /// The states of the columns below.
    const COLUMNS: &str = "NO ES SS SR FW TW CL CW LA LI SA";

    /// The table of IPVS: for each flag, what each state becomes.
    const INBOUND: [(u8, &str); 4] = [
        (TcpFlags::SYN, "SR ES ES SR SR SR SR SR SR SR SR"),
        (TcpFlags::FIN, "CL CW SS TW TW TW CL CW LA LI TW"),
        (TcpFlags::ACK, "ES ES SS ES FW TW CL CW CL LI ES"),
        (TcpFlags::RST, "CL CL CL SR CL CL CL CL LA LI SR"),
    ];
    const REPLY: [(u8, &str); 4] = [
        (TcpFlags::SYN, "SS ES SS SR SS SS SS SS SS LI SR"),
        (TcpFlags::FIN, "TW FW SS TW FW TW CL TW LA LI TW"),
        (TcpFlags::ACK, "ES ES SS ES FW TW CL CW LA ES ES"),
        (TcpFlags::RST, "CL CL SS CL CL TW CL CL CL CL CL"),
    ];

    /// The table of `secure_tcp`.
    const SECURE_INBOUND: [(u8, &str); 4] = [
        (TcpFlags::SYN, "SR ES ES SR SR SR SR SR SR SR SA"),
        (TcpFlags::FIN, "CL CW SS TW TW TW CL CW LA LI SA"),
        (TcpFlags::ACK, "ES ES SS SR FW TW CL CW CL LI SA"),
        (TcpFlags::RST, "CL CL CL SR CL CL CL CL LA LI CL"),
    ];
    const SECURE_REPLY: [(u8, &str); 4] = [
        (TcpFlags::SYN, "SS ES SS SA SS SS SS SS SS LI SA"),
        (TcpFlags::FIN, "TW FW SS TW FW TW CL TW LA LI TW"),
        (TcpFlags::ACK, "ES ES SS ES FW TW CL CW LA ES ES"),
        (TcpFlags::RST, "CL CL SS CL CL TW CL CL CL CL CL"),
    ];

    fn state(text: &str) -> State {
        let index = COLUMNS.split(' ').position(|column| column == text);
        State::ALL[index.unwrap()]
    }

    #[test]
    fn moves_are_those_of_ipvs() {
        for (rules, side, rows) in [
            (Rules::Usual, Side::Inbound, INBOUND),
            (Rules::Usual, Side::Reply, REPLY),
            (Rules::Secure, Side::Inbound, SECURE_INBOUND),
            (Rules::Secure, Side::Reply, SECURE_REPLY),
        ] {
            for (flag, row) in rows {
                assert_eq!(row.split(' ').count(), 11);
                for (from, to) in COLUMNS.split(' ').zip(row.split(' ')) {
                    assert_eq!(
                        rules.next(state(from), side, Signal::Tcp(TcpFlags(flag))),
                        state(to),
                        "{rules:?} {side:?} {flag:#x} {from}"
                    );
                }
            }
        }
    }

    #[test]
    fn of_several_flags_the_gravest_counts() {
        let order = [TcpFlags::RST, TcpFlags::SYN, TcpFlags::FIN, TcpFlags::ACK];
        for from in State::ALL {
            for side in [Side::Inbound, Side::Reply] {
                for (index, first) in order.into_iter().enumerate() {
                    let all = order[index..].iter().fold(0, |all, flag| all | flag);
                    let alone = next(from, side, TcpFlags(first));
                    assert_eq!(next(from, side, TcpFlags(all)), alone);
                }
            }
        }
    }

    #[test]
    fn life_of_a_connection() {
        let (syn, fin, ack) = (TcpFlags::SYN, TcpFlags::FIN, TcpFlags::ACK);
        let mut at = state::initial(Protocol::Tcp);
        for (side, flags, expected) in [
            (Side::Inbound, syn, State::SynReceived),
            (Side::Reply, syn | ack, State::SynReceived),
            (Side::Inbound, ack, State::Established),
            (Side::Reply, ack, State::Established),
            (Side::Reply, fin | ack, State::FinWait),
            (Side::Inbound, ack, State::FinWait),
            (Side::Inbound, fin | ack, State::TimeWait),
            (Side::Reply, ack, State::TimeWait),
        ] {
            at = next(at, side, TcpFlags(flags));
            assert_eq!(at, expected);
        }
    }

    #[test]
    fn only_a_first_segment_opens() {
        for flags in 0..=255 {
            let signal = Signal::Tcp(TcpFlags(flags));
            let first = flags & 0x17 == TcpFlags::SYN;
            assert_eq!(state::opens(signal), first, "{flags:#x}");
            for state in State::ALL {
                assert_eq!(state::reopens(state, signal), first && state.is_finished());
            }
        }
    }
}
