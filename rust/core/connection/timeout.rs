// SPDX-License-Identifier: GPL-2.0

//! How long a connection lasts without a packet: the timeouts of the states, and those that an
//! operator can set, for a network namespace and for one service.
//!
//! The latter are those that IPVS lets one set for the whole namespace; for a service it has none.

use super::state::list::State;
use crate::{address::Protocol, refusal::Refusal};

/// How long a connection lasts in each state without a packet, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts([u32; State::ALL.len()]);

impl Default for Timeouts {
    fn default() -> Self {
        Self(State::ALL.map(State::default_timeout))
    }
}

impl Timeouts {
    /// Returns the timeout of a state, in seconds.
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

/// A timeout that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunable {
    /// An established TCP connection.
    Tcp = 0,
    /// A TCP connection in FIN_WAIT.
    TcpFin = 1,
    /// A UDP flow.
    Udp = 2,
}

impl Tunable {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::TcpFin, Self::Udp];

    /// The longest that can be set, in seconds: what is left of a clock of 32 bits, half of which is
    /// for times that lie ahead ([`idle`]).
    pub const MOST: u32 = u32::MAX / 2;

    /// Returns the state that this is the timeout of.
    pub const fn state(self) -> State {
        match self {
            Self::Tcp => State::Established,
            Self::TcpFin => State::FinWait,
            Self::Udp => State::Udp,
        }
    }

    /// Returns the one that holds for a connection in `state`, if its timeout can be set at all.
    /// That of an established SCTP association cannot.
    #[inline]
    pub const fn of(protocol: Protocol, state: State) -> Option<Self> {
        match (protocol, state) {
            (Protocol::Tcp, State::Established) => Some(Self::Tcp),
            (Protocol::Tcp, State::FinWait) => Some(Self::TcpFin),
            (Protocol::Udp, State::Udp) => Some(Self::Udp),
            _ => None,
        }
    }

    /// Checks what a request sets: seconds, or 0 to set nothing any more.
    ///
    /// # Errors
    ///
    /// [`Refusal::TimeoutRange`].
    pub const fn check(seconds: u32) -> Result<u32, Refusal> {
        if seconds > Self::MOST {
            return Err(Refusal::TimeoutRange);
        }
        Ok(seconds)
    }
}

/// Returns the timeout of a connection, in seconds. `service` and `namespace` return what was set
/// there, 0 for nothing: the service's goes first, then the namespace's, then the default. That of
/// a UDP flow which was not answered cannot be set, but is no longer than that of one which was.
#[inline]
pub fn effective(
    protocol: Protocol,
    state: State,
    defaults: &Timeouts,
    service: impl FnOnce(Tunable) -> u32,
    namespace: impl FnOnce(Tunable) -> u32,
) -> u32 {
    let (usual, most) = match state {
        State::UdpUnanswered => (State::Udp, defaults.of(state)),
        _ => (state, u32::MAX),
    };
    let set = Tunable::of(protocol, usual).and_then(|tunable| {
        let of_service = Some(service(tunable)).filter(|seconds| *seconds != 0);
        of_service.or_else(|| Some(namespace(tunable)).filter(|seconds| *seconds != 0))
    });
    set.unwrap_or_else(|| defaults.of(usual)).min(most)
}

/// Returns how many seconds a connection with this timeout has left without another packet; 0 when
/// its time is over.
///
/// `last_seen` and `now` are seconds of one clock, which may wrap around. A `last_seen` of up to
/// 2^31 seconds after `now` counts as now: another CPU has read the clock later.
#[inline]
pub fn remaining(timeout: u32, last_seen: u32, now: u32) -> u32 {
    timeout.saturating_sub(idle(last_seen, now))
}

/// Returns how many seconds a connection has been without a packet; for the times see
/// [`remaining`].
#[inline]
pub fn idle(last_seen: u32, now: u32) -> u32 {
    let age = now.wrapping_sub(last_seen);
    if age > u32::MAX / 2 {
        0
    } else {
        age
    }
}

/// Returns `true` if a connection's time without a packet is over; see [`remaining`].
///
/// As both times are whole seconds, this can be up to a second early.
#[inline]
pub fn expired(timeout: u32, last_seen: u32, now: u32) -> bool {
    remaining(timeout, last_seen, now) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(protocol: Protocol, state: State, service: [u32; 3], namespace: [u32; 3]) -> u32 {
        let defaults = Timeouts::default();
        let of = |set: [u32; 3]| move |tunable: Tunable| set[tunable as usize];
        effective(protocol, state, &defaults, of(service), of(namespace))
    }

    #[test]
    fn the_service_goes_before_the_namespace_and_that_before_the_default() {
        for (tunable, protocol, default) in [
            (Tunable::Tcp, Protocol::Tcp, 900),
            (Tunable::TcpFin, Protocol::Tcp, 120),
            (Tunable::Udp, Protocol::Udp, 300),
        ] {
            let mut set = [0; 3];
            assert_eq!(timeout(protocol, tunable.state(), set, set), default);
            set[tunable as usize] = 7;
            assert_eq!(timeout(protocol, tunable.state(), [0; 3], set), 7);
            assert_eq!(timeout(protocol, tunable.state(), set, [9; 3]), 7);
            set = [5; 3];
            set[tunable as usize] = 0;
            assert_eq!(timeout(protocol, tunable.state(), set, set), default);
        }
    }

    #[test]
    fn no_other_state_is_touched() {
        let defaults = Timeouts::default();
        for state in State::ALL {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                let got = timeout(protocol, state, [1; 3], [1; 3]);
                let of = match state {
                    State::UdpUnanswered => State::Udp,
                    _ => state,
                };
                let set = Tunable::of(protocol, of).is_some();
                assert_eq!(got, if set { 1 } else { defaults.of(state) }, "{state:?}");
            }
            assert_eq!(Tunable::of(Protocol::Sctp, state), None);
        }
    }

    #[test]
    fn a_flow_that_was_not_answered_has_at_most_30_s() {
        for (service, namespace, wanted) in [
            (0, 0, 30),
            (0, 31, 30),
            (0, 29, 29),
            (5, 0, 5),
            (5, 2, 5),
            (400, 2, 30),
            (Tunable::MOST, 0, 30),
        ] {
            let (service, namespace) = ([0, 0, service], [0, 0, namespace]);
            let of = |state| timeout(Protocol::Udp, state, service, namespace);
            assert_eq!(
                of(State::UdpUnanswered),
                wanted,
                "{service:?} {namespace:?}"
            );
            assert!(of(State::Udp) >= wanted);
        }
    }

    #[test]
    fn numbers_and_range() {
        for (index, tunable) in Tunable::ALL.into_iter().enumerate() {
            assert_eq!(tunable as usize, index);
        }
        assert_eq!(Tunable::check(0), Ok(0));
        assert_eq!(Tunable::check(Tunable::MOST), Ok(0x7fff_ffff));
        assert_eq!(
            Tunable::check(Tunable::MOST + 1),
            Err(Refusal::TimeoutRange)
        );
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
}
