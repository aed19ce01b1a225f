// SPDX-License-Identifier: GPL-2.0

//! The states of an SCTP association: RFC 9260 section 4, seen from the destination, and a few more
//! for the way in which it is being set up.
//!
//! The client sets up in the way Init1 (Init when it has to repeat its INIT), CookieSent,
//! CookieReplied, Established; the destination, if it does, in the way CookieWait, Cookie,
//! CookieEchoed, Established.

use super::list::State;
use crate::{connection::tuple::Side, packet::sctp::Chunk};

/// Returns the state that a packet of `side` moves an association to.
#[inline]
pub(super) fn next(state: State, side: Side, chunk: Chunk) -> State {
    match side {
        Side::Inbound => inbound(state, chunk),
        Side::Reply => reply(state, chunk),
    }
}

fn inbound(state: State, chunk: Chunk) -> State {
    use State::*;
    match (chunk, state) {
        (Chunk::Data | Chunk::CookieAck, None) => Established,

        (Chunk::Init, None) => Init1,
        (Chunk::Init, Init1 | Rejected | Closed) => Init,

        (Chunk::InitAck, None | Init1 | Init) => CookieWait,
        (Chunk::InitAck, CookieWait) => Cookie,

        (Chunk::CookieEcho, None | CookieSent) => CookieReplied,
        (Chunk::CookieEcho, Init1) => Init,

        (Chunk::CookieAck, CookieEchoed) => Established,

        (Chunk::Shutdown, None | Established) => ShutdownReceived,

        (Chunk::ShutdownAck, Init1) => Init,
        (Chunk::ShutdownAck, None | ShutdownSent | ShutdownAckSent) => Closed,

        (Chunk::ShutdownComplete, None | Init1 | Init | ShutdownAckSent) => Closed,

        (Chunk::Error, None | CookieEchoed) => Closed,

        (Chunk::Abort, CookieWait) => Rejected,
        (Chunk::Abort, _) => Closed,

        _ => state,
    }
}

fn reply(state: State, chunk: Chunk) -> State {
    use State::*;
    match (chunk, state) {
        (Chunk::Data, None) => Established,

        (Chunk::Init, Established) => Established,
        (Chunk::Init, _) => CookieWait,

        (Chunk::InitAck, None | Init1 | Init) => CookieSent,

        (Chunk::CookieEcho, None) => CookieEchoed,
        (Chunk::CookieEcho, opening) if opening.is_opening() => CookieEchoed,

        (Chunk::CookieAck, None) => Established,
        (Chunk::CookieAck, opening) if opening.is_opening() => Established,

        (Chunk::Shutdown, None | Established) => ShutdownSent,
        (Chunk::Shutdown, opening) if opening.is_opening() => ShutdownSent,

        (Chunk::ShutdownAck, None | Init1 | Init | CookieSent | CookieReplied) => ShutdownAckSent,
        (Chunk::ShutdownAck, ShutdownSent | ShutdownReceived) => ShutdownAckSent,

        (Chunk::ShutdownComplete, None) => Closed,

        (Chunk::Error, None | Init1 | Init | CookieSent | CookieReplied) => Closed,

        (Chunk::Abort, Init1) => Rejected,
        (Chunk::Abort, _) => Closed,

        _ => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::Protocol,
        connection::state::{self, State},
        packet::Signal,
    };

    /// The states of the columns below.
    const COLUMNS: [(&str, State); 14] = [
        ("NO", State::None),
        ("I1", State::Init1),
        ("IN", State::Init),
        ("CS", State::CookieSent),
        ("CR", State::CookieReplied),
        ("CW", State::CookieWait),
        ("CO", State::Cookie),
        ("CE", State::CookieEchoed),
        ("ES", State::Established),
        ("SS", State::ShutdownSent),
        ("SR", State::ShutdownReceived),
        ("SA", State::ShutdownAckSent),
        ("RJ", State::Rejected),
        ("CL", State::Closed),
    ];

    /// What IPVS does: for each chunk, what each state becomes.
    const INBOUND: [(Chunk, &str); 10] = [
        (Chunk::Data, "ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
        (Chunk::Init, "I1 IN IN CS CR CW CO CE ES SS SR SA IN IN"),
        (Chunk::InitAck, "CW CW CW CS CR CO CO CE ES SS SR SA RJ CL"),
        (
            Chunk::CookieEcho,
            "CR IN IN CR CR CW CO CE ES SS SR SA RJ CL",
        ),
        (
            Chunk::CookieAck,
            "ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL",
        ),
        (Chunk::Shutdown, "SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL"),
        (
            Chunk::ShutdownAck,
            "CL IN IN CS CR CW CO CE ES CL SR CL RJ CL",
        ),
        (
            Chunk::ShutdownComplete,
            "CL CL CL CS CR CW CO CE ES SS SR CL RJ CL",
        ),
        (Chunk::Error, "CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL"),
        (Chunk::Abort, "CL CL CL CL CL RJ CL CL CL CL CL CL CL CL"),
    ];
    const REPLY: [(Chunk, &str); 10] = [
        (Chunk::Data, "ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
        (Chunk::Init, "CW CW CW CW CW CW CW CW ES CW CW CW CW CW"),
        (Chunk::InitAck, "CS CS CS CS CR CW CO CE ES SS SR SA RJ CL"),
        (
            Chunk::CookieEcho,
            "CE CE CE CE CE CE CE CE ES SS SR SA RJ CL",
        ),
        (
            Chunk::CookieAck,
            "ES ES ES ES ES ES ES ES ES SS SR SA RJ CL",
        ),
        (Chunk::Shutdown, "SS SS SS SS SS SS SS SS SS SS SR SA RJ CL"),
        (
            Chunk::ShutdownAck,
            "SA SA SA SA SA CW CO CE ES SA SA SA RJ CL",
        ),
        (
            Chunk::ShutdownComplete,
            "CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL",
        ),
        (Chunk::Error, "CL CL CL CL CL CW CO CE ES SS SR SA RJ CL"),
        (Chunk::Abort, "CL RJ CL CL CL CL CL CL CL CL CL CL CL CL"),
    ];

    #[test]
    fn moves_are_those_of_ipvs() {
        let named = |name| COLUMNS.iter().find(|column| column.0 == name).unwrap().1;
        for (side, rows) in [(Side::Inbound, INBOUND), (Side::Reply, REPLY)] {
            for (chunk, row) in rows {
                assert_eq!(row.split(' ').count(), COLUMNS.len());
                for ((_, from), to) in COLUMNS.into_iter().zip(row.split(' ')) {
                    let to = named(to);
                    assert_eq!(next(from, side, chunk), to, "{side:?} {chunk:?} {from:?}");
                }
            }
        }
    }

    /// Where an association of the client is after these packets.
    fn life(packets: &[(Side, Chunk, State)]) {
        let mut at = state::initial(Protocol::Sctp);
        at = state::next(at, Side::Inbound, Signal::Sctp(Chunk::Init));
        assert_eq!(at, State::Init1);
        for (side, chunk, expected) in packets {
            at = state::next(at, *side, Signal::Sctp(*chunk));
            assert_eq!(at, *expected, "{side:?} {chunk:?}");
        }
    }

    #[test]
    fn lives_of_an_association() {
        let setup = [
            (Side::Reply, Chunk::InitAck, State::CookieSent),
            (Side::Inbound, Chunk::CookieEcho, State::CookieReplied),
            (Side::Reply, Chunk::CookieAck, State::Established),
            (Side::Inbound, Chunk::Data, State::Established),
        ];
        let client_ends = [
            (Side::Inbound, Chunk::Shutdown, State::ShutdownReceived),
            (Side::Reply, Chunk::ShutdownAck, State::ShutdownAckSent),
            (Side::Inbound, Chunk::ShutdownComplete, State::Closed),
        ];
        let destination_ends = [
            (Side::Reply, Chunk::Shutdown, State::ShutdownSent),
            (Side::Inbound, Chunk::ShutdownAck, State::Closed),
            (Side::Reply, Chunk::ShutdownComplete, State::Closed),
        ];
        life(&[&setup[..], &client_ends].concat());
        life(&[&setup[..], &destination_ends].concat());
        life(&[&setup[..], &[(Side::Reply, Chunk::Abort, State::Closed)]].concat());
        life(&[
            (Side::Inbound, Chunk::Init, State::Init),
            (Side::Reply, Chunk::InitAck, State::CookieSent),
        ]);
        life(&[(Side::Reply, Chunk::Abort, State::Rejected)]);
    }

    #[test]
    fn only_an_init_opens() {
        for number in 0..=255 {
            let signal = Signal::Sctp(Chunk::of_type(number));
            assert_eq!(state::opens(signal), number == 1, "{number}");
            for state in State::ALL {
                let reopens = state::reopens(state, signal);
                assert_eq!(reopens, number == 1 && state.is_finished());
            }
        }
    }
}
