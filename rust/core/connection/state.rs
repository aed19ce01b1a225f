// SPDX-License-Identifier: GPL-2.0

//! The state of a connection, as its packets show it, and how long it lasts without any.
//!
//! The states, the way packets move them and the timeouts are those that IPVS has, so that what
//! operators see and what they tune keeps its meaning. Only TCP's flags and the types of SCTP's
//! chunks are looked at, no verification tags; sequence numbers only of what would end a TCP
//! connection, see [`Window`].

pub use crate::connection::window::{Segment, Window};
pub use tunable::{effective, Tunable};

use crate::{
    address::Protocol,
    connection::tuple::Side,
    packet::{sctp::Chunk, Signal},
};

mod sctp;
mod tcp;
mod tunable;

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
    /// SYN was answered, and the destination has not acknowledged anything yet; only the secure
    /// table leads here.
    SynAck = 10,
    /// UDP that the destination has answered. Nothing moves it any more.
    Udp = 11,
    /// The client has sent its first INIT.
    Init1 = 12,
    /// The client has sent INIT again.
    Init = 13,
    /// The destination has answered INIT, with a cookie.
    CookieSent = 14,
    /// The client has sent the cookie back.
    CookieReplied = 15,
    /// The destination opens an association itself: it has sent INIT.
    CookieWait = 16,
    /// The client has answered that, with a cookie.
    Cookie = 17,
    /// The destination has sent the cookie back.
    CookieEchoed = 18,
    /// The destination has sent SHUTDOWN.
    ShutdownSent = 19,
    /// The client has sent SHUTDOWN.
    ShutdownReceived = 20,
    /// The destination has answered SHUTDOWN.
    ShutdownAckSent = 21,
    /// The destination has answered the first INIT with ABORT.
    Rejected = 22,
    /// The association was aborted, or has ended.
    Closed = 23,
    /// UDP that the destination has not answered yet: the client's address may be false.
    UdpUnanswered = 24,
}

/// Every state, in the order of its number.
pub const STATES: [State; 25] = [
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
    State::Init1,
    State::Init,
    State::CookieSent,
    State::CookieReplied,
    State::CookieWait,
    State::Cookie,
    State::CookieEchoed,
    State::ShutdownSent,
    State::ShutdownReceived,
    State::ShutdownAckSent,
    State::Rejected,
    State::Closed,
    State::UdpUnanswered,
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
            Self::Init1 => "INIT1",
            Self::Init => "INIT",
            Self::CookieSent => "COOKIE_SENT",
            Self::CookieReplied => "COOKIE_REPLIED",
            Self::CookieWait => "COOKIE_WAIT",
            Self::Cookie => "COOKIE",
            Self::CookieEchoed => "COOKIE_ECHOED",
            Self::ShutdownSent => "SHUTDOWN_SENT",
            Self::ShutdownReceived => "SHUTDOWN_RECEIVED",
            Self::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            Self::Rejected => "REJECTED",
            Self::Closed => "CLOSED",
            Self::UdpUnanswered => "UDP_UNANSWERED",
        }
    }

    /// Whether a connection in this state counts as active to schedulers and in listings.
    ///
    /// Unlike in IPVS a UDP flow does: otherwise a scheduler that looks at connections would be
    /// blind for UDP. So does an SCTP association that is being set up, as a TCP connection does.
    #[inline]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Established
            | Self::SynSent
            | Self::SynReceived
            | Self::SynAck
            | Self::Udp
            | Self::UdpUnanswered => true,
            state => sctp::is_opening(state),
        }
    }

    /// Returns `true` if nothing has shown yet that the client's address is its own, as it may be
    /// false.
    ///
    /// Unlike in IPVS an association whose INIT was answered is half-open: the client has not shown
    /// that it got the cookie. So is a UDP flow that was not answered, though one that goes one way
    /// never is.
    #[inline]
    pub const fn is_half_open(self) -> bool {
        matches!(
            self,
            Self::SynReceived
                | Self::SynAck
                | Self::Init1
                | Self::Init
                | Self::CookieSent
                | Self::UdpUnanswered
        )
    }

    /// Whether a TCP connection in this state has a socket at its host, without which it is over. A
    /// half-open one may have none: its host may have answered with a SYN cookie.
    #[inline]
    pub const fn has_socket(self) -> bool {
        matches!(
            self,
            Self::Established | Self::SynSent | Self::FinWait | Self::CloseWait | Self::LastAck
        )
    }

    /// Whether the connection has ended on both sides: its entry only waits for late packets and
    /// gives way to a new connection.
    #[inline]
    pub const fn is_finished(self) -> bool {
        matches!(
            self,
            Self::TimeWait | Self::Close | Self::Rejected | Self::Closed
        )
    }
}

/// How long a connection lasts in each state without a packet, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts([u32; STATES.len()]);

impl Default for Timeouts {
    /// The defaults of IPVS, and for UDP that was not answered that of connection tracking.
    fn default() -> Self {
        Self([
            2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120, 300, //
            4, 61, 61, 61, 61, 61, 61, 61, 61, 61, 4, 61, 30,
        ])
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

/// Whether a packet that has no entry may open a connection: the first segment of a TCP connection,
/// any UDP datagram, and an SCTP INIT.
///
/// All else is left to the host, which knows what to do with it.
#[inline]
pub fn opens(signal: Signal) -> bool {
    match signal {
        Signal::Tcp(flags) => flags.opens(),
        Signal::Udp => true,
        Signal::Sctp(chunk) => chunk == Chunk::Init,
    }
}

/// Whether a packet that has no entry may be of a connection whose entry is lost, or that another
/// director has had: the sysctls `sloppy_tcp` and `sloppy_sctp` let such packets open one.
///
/// As in IPVS that is any segment but a reset, and any SCTP packet but an ABORT.
#[inline]
pub fn continues(signal: Signal) -> bool {
    match signal {
        Signal::Tcp(flags) => !flags.rst(),
        Signal::Udp => true,
        Signal::Sctp(chunk) => chunk != Chunk::Abort,
    }
}

/// Whether a packet would end a TCP connection or begin to: a reset or FIN. Its numbers show
/// whether it is one of that connection at all ([`Window::takes`]).
#[inline]
pub fn ends(signal: Signal) -> bool {
    match signal {
        Signal::Tcp(flags) => flags.ends(),
        Signal::Udp | Signal::Sctp(_) => false,
    }
}

/// The state of a new connection, before its first packet moves it.
#[inline]
pub fn initial(protocol: Protocol) -> State {
    match protocol {
        Protocol::Tcp | Protocol::Sctp => State::None,
        Protocol::Udp => State::UdpUnanswered,
    }
}

/// The state that a packet of `side` moves a connection to. Of UDP the first answer alone does.
#[inline]
pub fn next(state: State, side: Side, signal: Signal) -> State {
    match signal {
        Signal::Tcp(flags) => tcp::next(state, side, flags),
        Signal::Udp if may_move(state, side, signal) => State::Udp,
        Signal::Udp => state,
        Signal::Sctp(chunk) => sctp::next(state, side, chunk),
    }
}

/// Which table of TCP's states holds: that of IPVS, or the one of its defence `secure_tcp`, by
/// which a connection is not established before the destination has acknowledged something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The client's acknowledgement establishes a connection, or what looks like one.
    Usual,
    /// It does not.
    Secure,
}

impl Rules {
    /// The state that a packet of `side` moves a connection to.
    #[inline]
    pub fn next(self, state: State, side: Side, signal: Signal) -> State {
        match (self, signal) {
            (Self::Secure, Signal::Tcp(flags)) => tcp::next_secure(state, side, flags),
            _ => next(state, side, signal),
        }
    }
}

/// Whether a packet of `side` may move a connection that is in `state`: nearly none does while a
/// connection is established. When not, neither does it for [`Rules::Secure`].
#[inline]
pub fn may_move(state: State, side: Side, signal: Signal) -> bool {
    match signal {
        Signal::Tcp(flags) => state != State::Established || flags.syn() || flags.ends(),
        Signal::Udp => side == Side::Reply && state == State::UdpUnanswered,
        Signal::Sctp(chunk) => state != State::Established || chunk != Chunk::Data,
    }
}

/// Whether a packet of the client that has an entry in `state` starts a new connection in its
/// place: the client has chosen the same port again, after both sides had closed.
#[inline]
pub fn reopens(state: State, signal: Signal) -> bool {
    opens(signal) && state.is_finished()
}

/// How many seconds a connection with this timeout has left without another packet; 0 when its time
/// is over.
///
/// `last_seen` and `now` are seconds of one clock, which may wrap around. A `last_seen` of up to
/// 2^31 seconds after `now` counts as now: another CPU has read the clock later.
#[inline]
pub fn remaining(timeout: u32, last_seen: u32, now: u32) -> u32 {
    timeout.saturating_sub(idle(last_seen, now))
}

/// How many seconds a connection has been without a packet; for the times see [`remaining`].
#[inline]
pub fn idle(last_seen: u32, now: u32) -> u32 {
    let age = now.wrapping_sub(last_seen);
    if age > u32::MAX / 2 {
        0
    } else {
        age
    }
}

/// Whether a connection's time without a packet is over; see [`remaining`].
///
/// As both times are whole seconds, this can be up to a second early.
#[inline]
pub fn expired(timeout: u32, last_seen: u32, now: u32) -> bool {
    remaining(timeout, last_seen, now) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::TcpFlags;
    use std::vec::Vec;

    #[test]
    fn the_first_answer_moves_udp_and_nothing_else_does() {
        assert!(opens(Signal::Udp));
        let first = initial(Protocol::Udp);
        assert_eq!(first, State::UdpUnanswered);
        for state in STATES {
            for side in [Side::Inbound, Side::Reply] {
                let is_answered = state == first && side == Side::Reply;
                let wanted = if is_answered { State::Udp } else { state };
                assert_eq!(next(state, side, Signal::Udp), wanted, "{state:?} {side:?}");
                assert_eq!(may_move(state, side, Signal::Udp), is_answered);
            }
        }
        for state in [State::Udp, first] {
            assert!(!reopens(state, Signal::Udp) && state.is_active() && !state.has_socket());
        }
    }

    #[test]
    fn what_has_a_socket_is_open() {
        for state in STATES.into_iter().filter(|state| state.has_socket()) {
            assert!(!state.is_finished() && !state.is_half_open(), "{state:?}");
        }
        // Every state of TCP is one of these, or has not begun.
        let tcp = STATES.iter().take(usize::from(State::Udp.to_bits()));
        let rest = tcp.filter(|s| !s.has_socket() && !s.is_finished() && !s.is_half_open());
        assert_eq!(rest.collect::<Vec<_>>(), [&State::None, &State::Listen]);
    }

    #[test]
    fn whatever_opens_also_continues() {
        for number in 0..=255 {
            let tcp = Signal::Tcp(TcpFlags(number));
            let sctp = Signal::Sctp(Chunk::of_type(number));
            assert_eq!(continues(tcp), number & TcpFlags::RST == 0);
            assert_eq!(continues(sctp), number != 6);
            assert!(!opens(tcp) || continues(tcp));
            assert!(!opens(sctp) || continues(sctp));
            assert_eq!(ends(tcp), number & (TcpFlags::RST | TcpFlags::FIN) != 0);
            assert!(!ends(sctp));
        }
        assert!(continues(Signal::Udp) && !ends(Signal::Udp));
    }

    #[test]
    fn finished_states() {
        let over = [
            State::TimeWait,
            State::Close,
            State::Rejected,
            State::Closed,
        ];
        let first = Signal::Tcp(TcpFlags(TcpFlags::SYN));
        for state in STATES {
            assert_eq!(state.is_finished(), over.contains(&state), "{state:?}");
            assert_eq!(reopens(state, first), over.contains(&state), "{state:?}");
            let init = Signal::Sctp(Chunk::Init);
            assert_eq!(reopens(state, init), over.contains(&state), "{state:?}");
            assert!(!reopens(state, Signal::Sctp(Chunk::Data)));
        }
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
        assert_eq!(State::from_bits(25), None);
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
            (State::Init1, 4),
            (State::Init, 61),
            (State::CookieSent, 61),
            (State::CookieReplied, 61),
            (State::CookieWait, 61),
            (State::Cookie, 61),
            (State::CookieEchoed, 61),
            (State::ShutdownSent, 61),
            (State::ShutdownReceived, 61),
            (State::ShutdownAckSent, 61),
            (State::Rejected, 4),
            (State::Closed, 61),
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
            State::Init1,
            State::Init,
            State::CookieSent,
            State::CookieReplied,
            State::CookieWait,
            State::Cookie,
            State::CookieEchoed,
            State::UdpUnanswered,
        ];
        assert_eq!(active, expected);
    }
}
