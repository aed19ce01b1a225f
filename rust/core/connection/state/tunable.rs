// SPDX-License-Identifier: GPL-2.0

//! The timeouts that an operator can set: for a network namespace, and for one service.
//!
//! They are those that IPVS lets one set for the whole namespace; for a service it has none.

use super::{State, Timeouts};
use crate::{address::Protocol, refusal::Refusal};

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
    /// for times that lie ahead ([`super::idle`]).
    pub const MOST: u32 = u32::MAX / 2;

    /// The state that it is the timeout of.
    pub const fn state(self) -> State {
        match self {
            Self::Tcp => State::Established,
            Self::TcpFin => State::FinWait,
            Self::Udp => State::Udp,
        }
    }

    /// The one that holds for a connection in `state`, if its timeout can be set at all. That of an
    /// established SCTP association cannot.
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

/// The timeout of a connection, in seconds. `service` and `namespace` tell what was set there, 0 for
/// nothing: the service's goes first, then the namespace's, then the default. That of a UDP flow
/// which was not answered cannot be set, but is no longer than that of one which was.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::state::STATES;

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
        for state in STATES {
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
}
