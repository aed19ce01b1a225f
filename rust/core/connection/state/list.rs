// SPDX-License-Identifier: GPL-2.0

//! The states of connections: one list.

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $seconds:literal;)*) => {
        /// The state of a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum State {
            $($(#[$doc])* $name = $number,)*
        }

        impl State {
            /// Every state, in the order of its number.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$name),*];

            /// Returns the name that listings show.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Returns how long a connection lasts in this state without a packet, in seconds,
            /// where nothing else is set: the default of IPVS, and for UDP that was not answered
            /// that of connection tracking.
            pub const fn default_timeout(self) -> u32 {
                match self {
                    $(Self::$name => $seconds,)*
                }
            }
        }
    };
}

// The number, which userspace knows; the name; the default timeout in seconds.
states! {
    /// Nothing is known yet.
    None = 0, "NONE", 2;
    /// Both sides have answered each other.
    Established = 1, "ESTABLISHED", 900;
    /// The destination opens a connection itself.
    SynSent = 2, "SYN_SENT", 120;
    /// The client has sent SYN.
    SynReceived = 3, "SYN_RECV", 60;
    /// The destination has closed its side first.
    FinWait = 4, "FIN_WAIT", 120;
    /// Both sides have closed.
    TimeWait = 5, "TIME_WAIT", 120;
    /// The connection was reset, or has ended.
    Close = 6, "CLOSE", 10;
    /// The client has closed its side first.
    CloseWait = 7, "CLOSE_WAIT", 60;
    /// The acknowledgement of the last FIN is awaited.
    LastAck = 8, "LAST_ACK", 30;
    /// A listening end; no packet leads here.
    Listen = 9, "LISTEN", 120;
    /// SYN was answered, and the destination has not acknowledged anything yet; only the secure
    /// table leads here.
    SynAck = 10, "SYN_ACK", 120;
    /// UDP that the destination has answered. Nothing moves it any more.
    Udp = 11, "UDP", 300;
    /// The client has sent its first INIT.
    Init1 = 12, "INIT1", 4;
    /// The client has sent INIT again.
    Init = 13, "INIT", 61;
    /// The destination has answered INIT, with a cookie.
    CookieSent = 14, "COOKIE_SENT", 61;
    /// The client has sent the cookie back.
    CookieReplied = 15, "COOKIE_REPLIED", 61;
    /// The destination opens an association itself: it has sent INIT.
    CookieWait = 16, "COOKIE_WAIT", 61;
    /// The client has answered that, with a cookie.
    Cookie = 17, "COOKIE", 61;
    /// The destination has sent the cookie back.
    CookieEchoed = 18, "COOKIE_ECHOED", 61;
    /// The destination has sent SHUTDOWN.
    ShutdownSent = 19, "SHUTDOWN_SENT", 61;
    /// The client has sent SHUTDOWN.
    ShutdownReceived = 20, "SHUTDOWN_RECEIVED", 61;
    /// The destination has answered SHUTDOWN.
    ShutdownAckSent = 21, "SHUTDOWN_ACK_SENT", 61;
    /// The destination has answered the first INIT with ABORT.
    Rejected = 22, "REJECTED", 4;
    /// The association was aborted, or has ended.
    Closed = 23, "CLOSED", 61;
    /// UDP that the destination has not answered yet: the client's address may be false.
    UdpUnanswered = 24, "UDP_UNANSWERED", 30;
}

// State::from_bits() finds a state by its place in the list.
const _: () = {
    let mut rest = State::ALL.as_slice();
    let mut place = 0;
    while let [state, others @ ..] = rest {
        assert!(state.to_bits() == place, "a state's number is its place");
        place += 1;
        rest = others;
    }
};

impl State {
    /// Returns the state's number, as userspace and an entry have it.
    #[inline]
    pub const fn to_bits(self) -> u8 {
        self as u8
    }

    /// Returns the state of this number, if there is one.
    #[inline]
    pub fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.get(usize::from(bits)).copied()
    }

    /// Returns `true` if a connection in this state counts as active to schedulers and in listings.
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
            state => state.is_opening(),
        }
    }

    /// Returns `true` if an SCTP association is being set up.
    #[inline]
    pub(super) const fn is_opening(self) -> bool {
        matches!(
            self,
            Self::Init1
                | Self::Init
                | Self::CookieSent
                | Self::CookieReplied
                | Self::CookieWait
                | Self::Cookie
                | Self::CookieEchoed
        )
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

    /// Returns `true` if a TCP connection in this state has a socket at its host, without which it
    /// is over. A half-open one may have none: its host may have answered with a SYN cookie.
    #[inline]
    pub const fn has_socket(self) -> bool {
        matches!(
            self,
            Self::Established | Self::SynSent | Self::FinWait | Self::CloseWait | Self::LastAck
        )
    }

    /// Returns `true` if the connection has ended on both sides: its entry only waits for late
    /// packets and gives way to a new connection.
    #[inline]
    pub const fn is_finished(self) -> bool {
        matches!(
            self,
            Self::TimeWait | Self::Close | Self::Rejected | Self::Closed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn what_has_a_socket_is_open() {
        for state in State::ALL.into_iter().filter(|state| state.has_socket()) {
            assert!(!state.is_finished() && !state.is_half_open(), "{state:?}");
        }
        // Every state of TCP is one of these, or has not begun.
        let tcp = State::ALL.iter().take(usize::from(State::Udp.to_bits()));
        let rest = tcp.filter(|s| !s.has_socket() && !s.is_finished() && !s.is_half_open());
        assert_eq!(rest.collect::<Vec<_>>(), [&State::None, &State::Listen]);
    }

    #[test]
    fn numbers_and_names_are_distinct() {
        let names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
        for (index, state) in State::ALL.into_iter().enumerate() {
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
    fn active_states() {
        let active: Vec<State> = State::ALL.into_iter().filter(|s| s.is_active()).collect();
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
