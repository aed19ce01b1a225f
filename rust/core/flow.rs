// SPDX-License-Identifier: GPL-2.0

//! The state of a connection, as its packets show it, and how long it lasts without any.
//!
//! The states, the way packets move them and the timeouts are those that IPVS has, so that what
//! operators see and what they tune keeps its meaning. Only flags are looked at, no sequence
//! numbers.

use crate::{
    address::{Ip, Protocol},
    tuple::Side,
    wire::{Packet, TcpFlags},
};

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing is known yet.
    None = 0,
    /// Both sides have answered each other.
    Established = 1,
    /// The destination opens a connection itself.
    SynSent = 2,
    /// The client has sent SYN.
    SynReceived = 3,
    /// The destination has closed its side first.
    FinWait = 4,
    /// Both sides have closed.
    TimeWait = 5,
    /// The connection was reset, or has ended.
    Close = 6,
    /// The client has closed its side first.
    CloseWait = 7,
    /// The acknowledgement of the last FIN is awaited.
    LastAck = 8,
    /// A listening end; no packet leads here.
    Listen = 9,
    /// SYN was answered, and the answer not yet acknowledged; no packet leads here.
    SynAck = 10,
    /// UDP, which has no states.
    Udp = 11,
}

/// Every state, in the order of its number.
pub const STATES: [State; 12] = [
    State::None,
    State::Established,
    State::SynSent,
    State::SynReceived,
    State::FinWait,
    State::TimeWait,
    State::Close,
    State::CloseWait,
    State::LastAck,
    State::Listen,
    State::SynAck,
    State::Udp,
];

impl State {
    /// The state's number, as userspace and an entry have it.
    #[inline]
    pub const fn to_bits(self) -> u8 {
        self as u8
    }

    /// The state of this number, if there is one.
    #[inline]
    pub fn from_bits(bits: u8) -> Option<Self> {
        STATES.get(usize::from(bits)).copied()
    }

    /// The name that listings show.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::SynAck => "SYN_ACK",
            Self::Udp => "UDP",
        }
    }

    /// Whether a connection in this state counts as active to schedulers and in listings.
    ///
    /// Unlike in IPVS a UDP flow does: otherwise a scheduler that looks at connections would be
    /// blind for UDP.
    #[inline]
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Established | Self::SynSent | Self::SynReceived | Self::SynAck | Self::Udp
        )
    }

    /// Whether the connection has ended on both sides: its entry only waits for late packets and
    /// gives way to a new connection.
    #[inline]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::TimeWait | Self::Close)
    }
}

/// How long a connection lasts in each state without a packet, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts([u32; STATES.len()]);

impl Default for Timeouts {
    /// The defaults of IPVS.
    fn default() -> Self {
        Self([2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120, 300])
    }
}

impl Timeouts {
    /// The timeout of a state, in seconds.
    #[inline]
    pub fn of(&self, state: State) -> u32 {
        self.0
            .get(usize::from(state.to_bits()))
            .copied()
            .unwrap_or(0)
    }

    /// Sets the timeout of a state, in seconds.
    pub fn set(&mut self, state: State, seconds: u32) {
        if let Some(timeout) = self.0.get_mut(usize::from(state.to_bits())) {
            *timeout = seconds;
        }
    }
}

/// Whether a packet that has no entry may open a connection: any of UDP, and the first segment of
/// a TCP connection.
///
/// Any other TCP segment is left to the host, which knows what to do with it.
#[inline]
pub fn opens<A: Ip>(packet: &Packet<A>) -> bool {
    match packet.protocol {
        Protocol::Tcp => packet.flags.opens(),
        Protocol::Udp => true,
    }
}

/// The state of a new connection, after its first packet, which is from the client.
#[inline]
pub fn initial(protocol: Protocol, flags: TcpFlags) -> State {
    match protocol {
        Protocol::Tcp => next(State::None, Side::Inbound, flags),
        Protocol::Udp => State::Udp,
    }
}

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

/// The state that a packet of `side` moves a connection to.
///
/// A segment with none of the four flags moves nothing, and neither does UDP.
#[inline]
pub fn next(state: State, side: Side, flags: TcpFlags) -> State {
    let Some(event) = Event::new(flags) else {
        return state;
    };
    let next = match side {
        Side::Inbound => inbound(state, event),
        Side::Reply => reply(state, event),
    };
    match state {
        State::Udp => State::Udp,
        _ => next,
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

/// Whether a packet of the client that has an entry in `state` starts a new connection in its
/// place: the client has chosen the same port again, after both sides had closed.
#[inline]
pub fn reopens(state: State, flags: TcpFlags) -> bool {
    state.is_finished() && flags.opens()
}

/// How many seconds a connection has left without another packet; 0 when its time is over.
///
/// `last_seen` and `now` are seconds of one clock, which may wrap around. A `last_seen` of up to
/// 2^31 seconds after `now` counts as now: another CPU has read the clock later.
#[inline]
pub fn remaining(state: State, last_seen: u32, now: u32, timeouts: &Timeouts) -> u32 {
    let age = now.wrapping_sub(last_seen);
    let age = if age > u32::MAX / 2 { 0 } else { age };
    timeouts.of(state).saturating_sub(age)
}

/// Whether a connection's time without a packet is over; see [`remaining`].
///
/// As both times are whole seconds, this can be up to a second early.
#[inline]
pub fn expired(state: State, last_seen: u32, now: u32, timeouts: &Timeouts) -> bool {
    remaining(state, last_seen, now, timeouts) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Endpoint, V4};
    use std::vec::Vec;

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

    fn state(text: &str) -> State {
        let index = COLUMNS.split(' ').position(|column| column == text);
        STATES[index.unwrap()]
    }

    #[test]
    fn moves_are_those_of_ipvs() {
        for (side, rows) in [(Side::Inbound, INBOUND), (Side::Reply, REPLY)] {
            for (flag, row) in rows {
                assert_eq!(row.split(' ').count(), 11);
                for (from, to) in COLUMNS.split(' ').zip(row.split(' ')) {
                    assert_eq!(
                        next(state(from), side, TcpFlags(flag)),
                        state(to),
                        "{side:?} {flag:#x} {from}"
                    );
                }
                assert_eq!(next(State::Udp, side, TcpFlags(flag)), State::Udp);
            }
        }
    }

    #[test]
    fn of_several_flags_the_gravest_counts() {
        let order = [TcpFlags::RST, TcpFlags::SYN, TcpFlags::FIN, TcpFlags::ACK];
        for from in STATES {
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
        let mut at = initial(Protocol::Tcp, TcpFlags(syn));
        assert_eq!(at, State::SynReceived);
        for (side, flags, expected) in [
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
        let end = Endpoint {
            address: V4([0; 4]),
            port: 1,
        };
        for flags in 0..=255 {
            let mut packet = Packet {
                protocol: Protocol::Tcp,
                source: end,
                destination: end,
                l4_offset: 20,
                length: 40,
                flags: TcpFlags(flags),
            };
            let first = flags & 0x17 == TcpFlags::SYN;
            assert_eq!(opens(&packet), first, "{flags:#x}");
            for state in STATES {
                let over = matches!(state, State::TimeWait | State::Close);
                assert_eq!(reopens(state, packet.flags), first && over);
            }
            packet.protocol = Protocol::Udp;
            assert!(opens(&packet));
        }
        assert_eq!(initial(Protocol::Udp, TcpFlags(0)), State::Udp);
    }

    #[test]
    fn numbers_and_names_are_distinct() {
        let names: Vec<&str> = STATES.iter().map(|state| state.name()).collect();
        for (index, state) in STATES.into_iter().enumerate() {
            assert_eq!(usize::from(state.to_bits()), index);
            assert_eq!(State::from_bits(state.to_bits()), Some(state));
            assert_eq!(
                names.iter().filter(|name| **name == state.name()).count(),
                1
            );
        }
        assert_eq!(State::from_bits(12), None);
    }

    #[test]
    fn timeouts_are_those_of_ipvs() {
        let mut timeouts = Timeouts::default();
        for (state, seconds) in [
            (State::None, 2),
            (State::Established, 900),
            (State::SynSent, 120),
            (State::SynReceived, 60),
            (State::FinWait, 120),
            (State::TimeWait, 120),
            (State::Close, 10),
            (State::CloseWait, 60),
            (State::LastAck, 30),
            (State::Listen, 120),
            (State::SynAck, 120),
            (State::Udp, 300),
        ] {
            assert_eq!(timeouts.of(state), seconds, "{state:?}");
        }
        timeouts.set(State::Udp, 7);
        assert_eq!(timeouts.of(State::Udp), 7);
        assert_eq!(timeouts.of(State::SynAck), 120);
    }

    #[test]
    fn active_states() {
        let active: Vec<State> = STATES.into_iter().filter(|s| s.is_active()).collect();
        let expected = [
            State::Established,
            State::SynSent,
            State::SynReceived,
            State::SynAck,
            State::Udp,
        ];
        assert_eq!(active, expected);
    }
}
