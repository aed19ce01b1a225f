// SPDX-License-Identifier: GPL-2.0

//! The state of a connection, as its packets show it.
//!
//! The states, the way packets move them and the timeouts ([`super::timeout`]) are those that IPVS
//! has, so that what operators see and what they tune keeps its meaning. Only TCP's flags and the types of SCTP's
//! chunks are looked at, no verification tags; sequence numbers only of what would end a TCP
//! connection, see [`Window`].

pub use super::window::{Segment, Window};
pub use list::State;

use crate::{
    address::Protocol,
    connection::tuple::Side,
    packet::{sctp::Chunk, Signal},
};

pub(super) mod list;
mod sctp;
mod tcp;

/// Returns `true` if a packet that has no entry may open a connection: the first segment of a TCP
/// connection, any UDP datagram, and an SCTP INIT.
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

/// Returns `true` if a packet that has no entry may be of a connection whose entry is lost, or that
/// another director has had: the sysctls `sloppy_tcp` and `sloppy_sctp` let such packets open one.
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

/// Returns `true` if a packet would end a TCP connection or begin to: a reset or FIN. Its numbers
/// show whether it is one of that connection at all ([`Window::takes`]).
#[inline]
pub fn ends(signal: Signal) -> bool {
    match signal {
        Signal::Tcp(flags) => flags.ends(),
        Signal::Udp | Signal::Sctp(_) => false,
    }
}

/// Returns the state of a new connection, before its first packet moves it.
#[inline]
pub fn initial(protocol: Protocol) -> State {
    match protocol {
        Protocol::Tcp | Protocol::Sctp => State::None,
        Protocol::Udp => State::UdpUnanswered,
    }
}

/// Returns the state that a packet of `side` moves a connection to. Of UDP the first answer alone
/// does.
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
    /// Returns the state that a packet of `side` moves a connection to.
    #[inline]
    pub fn next(self, state: State, side: Side, signal: Signal) -> State {
        match (self, signal) {
            (Self::Secure, Signal::Tcp(flags)) => tcp::next_secure(state, side, flags),
            _ => next(state, side, signal),
        }
    }
}

/// Returns `true` if a packet of `side` may move a connection that is in `state`: nearly none does
/// while a connection is established. When not, neither does it for [`Rules::Secure`].
#[inline]
pub fn may_move(state: State, side: Side, signal: Signal) -> bool {
    match signal {
        Signal::Tcp(flags) => state != State::Established || flags.syn() || flags.ends(),
        Signal::Udp => side == Side::Reply && state == State::UdpUnanswered,
        Signal::Sctp(chunk) => state != State::Established || chunk != Chunk::Data,
    }
}

/// Returns `true` if a packet of the client that has an entry in `state` starts a new connection in
/// its place: the client has chosen the same port again, after both sides had closed.
#[inline]
pub fn reopens(state: State, signal: Signal) -> bool {
    opens(signal) && state.is_finished()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::TcpFlags;

    #[test]
    fn the_first_answer_moves_udp_and_nothing_else_does() {
        assert!(opens(Signal::Udp));
        let first = initial(Protocol::Udp);
        assert_eq!(first, State::UdpUnanswered);
        for state in State::ALL {
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
        for state in State::ALL {
            assert_eq!(state.is_finished(), over.contains(&state), "{state:?}");
            assert_eq!(reopens(state, first), over.contains(&state), "{state:?}");
            let init = Signal::Sctp(Chunk::Init);
            assert_eq!(reopens(state, init), over.contains(&state), "{state:?}");
            assert!(!reopens(state, Signal::Sctp(Chunk::Data)));
        }
    }
}
