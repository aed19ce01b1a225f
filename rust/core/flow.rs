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
