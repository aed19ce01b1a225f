// SPDX-License-Identifier: GPL-2.0

//! How much of the connections that a namespace may have UDP may take.
//!
//! The source address of a single datagram may be false, and each makes a flow. So the flows that
//! were not answered, and all of UDP together, have a share each: whatever is sent by UDP, the rest
//! is left to other protocols, and flows that were answered have room beside those that were not.
//! A service that answers whatever it is sent answers false addresses as well, hence the second.

use crate::{
    address::Protocol,
    connection::{counts::at_least_zero, state::State, timeout::Timeouts, Tally, Word},
    defence,
};

/// What UDP has in a namespace. Other CPUs may be changing it.
pub struct Flows<W> {
    /// Guarded by: atomic; changed where the state of an entry moves.
    unanswered: W,
    /// Guarded by: atomic; changed where the state of an entry moves.
    answered: W,
    /// Guarded by: atomic; changed with the table of templates.
    templates: W,
}

impl<W: Word> Default for Flows<W> {
    fn default() -> Self {
        Self {
            unanswered: W::new(0),
            answered: W::new(0),
            templates: W::new(0),
        }
    }
}

impl<W: Word> Flows<W> {
    /// Flows that were not answered yet.
    pub fn unanswered(&self) -> u32 {
        at_least_zero(self.unanswered.load())
    }

    /// Flows and templates.
    pub fn all(&self) -> u32 {
        let answered = at_least_zero(self.answered.load());
        let templates = at_least_zero(self.templates.load());
        let flows = self.unanswered().saturating_add(answered);
        flows.saturating_add(templates)
    }

    /// Counts a template that came.
    pub fn template_made(&self) {
        self.templates.add(1);
    }

    /// Counts a template that went.
    pub fn template_gone(&self) {
        self.templates.add(u32::MAX);
    }

    /// Returns the count that a flow in this state is in; none for another protocol's.
    fn of(&self, state: State) -> Option<&W> {
        match state {
            State::UdpUnanswered => Some(&self.unanswered),
            State::Udp => Some(&self.answered),
            _ => None,
        }
    }
}

/// An entry is counted for UDP as well, if it is of UDP.
impl<T: Tally, W: Word> Tally for (T, &Flows<W>) {
    fn enter(&self, state: State) {
        self.0.enter(state);
        if let Some(count) = self.1.of(state) {
            count.add(1);
        }
    }

    fn change(&self, from: State, to: State) {
        self.0.change(from, to);
        if let Some(count) = self.1.of(from) {
            count.add(u32::MAX);
        }
        if let Some(count) = self.1.of(to) {
            count.add(1);
        }
    }

    fn leave(&self, state: State) {
        self.0.leave(state);
        if let Some(count) = self.1.of(state) {
            count.add(u32::MAX);
        }
    }
}

/// What UDP may have of the connections of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Flows that were not answered: half.
    pub unanswered: u32,
    /// Flows and templates: three quarters.
    pub all: u32,
    /// Flows that were not answered and that stay when other protocols' connections use up the
    /// rest: an eighth. So what floods the namespace with those does not end the flows that go one
    /// way.
    pub kept: u32,
}

impl Share {
    /// Computes the share of so many connections; what is left to others is rounded down.
    #[inline]
    pub const fn of(limit: u32) -> Self {
        Self {
            unanswered: limit.saturating_sub(limit / 2),
            all: limit.saturating_sub(limit / 4),
            kept: limit / 8,
        }
    }

    /// Returns `true` if a new connection of `protocol` is none of UDP, or UDP has not used up its
    /// share.
    #[inline]
    pub fn has_room<W: Word>(&self, protocol: Protocol, flows: &Flows<W>) -> bool {
        protocol != Protocol::Udp || flows.unanswered() < self.unanswered && flows.all() < self.all
    }

    /// Returns `true` if a flow that was not answered may go for a new connection of `protocol`.
    pub fn gives_way<W: Word>(&self, protocol: Protocol, flows: &Flows<W>) -> bool {
        let kept = match protocol {
            Protocol::Udp => 0,
            Protocol::Tcp | Protocol::Sctp => self.kept,
        };
        flows.unanswered() > kept
    }
}

/// Buckets of a table that are looked into for a flow that is to go, at most.
pub const BUCKETS: u32 = 16;

/// Looks for the flow that is to go for a new connection: of a few that were not answered the one
/// that has been silent for longest.
pub struct Search<T> {
    found: Option<(u32, T)>,
    candidates: u32,
    looks: u32,
}

impl<T> Default for Search<T> {
    fn default() -> Self {
        Self {
            found: None,
            candidates: 0,
            looks: 0,
        }
    }
}

impl<T> Search<T> {
    /// Entries that are looked at, at most. Where an eighth of the entries were not answered, all
    /// but one search of seventy find one.
    const LOOKS: u32 = 32;

    /// Flows that are chosen from, at most.
    const CANDIDATES: u32 = 4;

    /// Looks at an entry, which has been idle for so many seconds.
    pub fn look(&mut self, entry: T, state: State, idle: u32) {
        self.looks = self.looks.saturating_add(1);
        if state != State::UdpUnanswered {
            return;
        }
        self.candidates = self.candidates.saturating_add(1);
        if self
            .found
            .as_ref()
            .is_none_or(|(longest, _)| idle > *longest)
        {
            self.found = Some((idle, entry));
        }
    }

    /// Returns `true` if it has looked at enough.
    pub fn is_over(&self) -> bool {
        self.looks >= Self::LOOKS || self.candidates >= Self::CANDIDATES
    }

    /// Returns what it has found.
    pub fn found(self) -> Option<T> {
        self.found.map(|(_, entry)| entry)
    }
}

/// Returns the timeouts while the share of the flows that were not answered is being used up, or
/// the table: [`defence::shortened`] says `shortened` of the table.
pub fn shortened(
    usual: &Timeouts,
    shortened: Option<Timeouts>,
    unanswered: u32,
    limit: u32,
) -> Option<Timeouts> {
    let share = Share::of(limit).unanswered;
    let Some(by_share) = defence::shortened(usual, unanswered, share) else {
        return shortened;
    };
    let state = State::UdpUnanswered;
    let mut timeouts = shortened.unwrap_or(*usual);
    timeouts.set(state, timeouts.of(state).min(by_share.of(state)));
    Some(timeouts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        connection::{
            state::{self, Rules},
            tuple::Side,
            Counts, Lifecycle,
        },
        defence::SHORTEST,
        packet::Signal,
    };
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::vec::Vec;

    impl Word for AtomicU32 {
        fn new(value: u32) -> Self {
            AtomicU32::new(value)
        }

        fn load(&self) -> u32 {
            AtomicU32::load(self, Relaxed)
        }

        fn store(&self, value: u32) {
            AtomicU32::store(self, value, Relaxed);
        }

        fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
            AtomicU32::compare_exchange(self, old, new, Relaxed, Relaxed).map(|_| ())
        }

        fn add(&self, value: u32) {
            self.fetch_add(value, Relaxed);
        }
    }

    #[test]
    fn flows_are_counted_until_they_go() {
        let (flows, counts) = (Flows::<AtomicU32>::default(), Counts::<AtomicU32>::new(()));
        let tally = (&counts, None);
        let tally = (tally, &flows);
        let lives: Vec<Lifecycle<AtomicU32>> = (0..4)
            .map(|_| Lifecycle::new(state::initial(Protocol::Udp), 0))
            .collect();
        lives.iter().for_each(|life| life.begin(&tally));
        assert_eq!((flows.unanswered(), flows.all()), (4, 4));
        let answer = |life: &Lifecycle<AtomicU32>, side| {
            life.advance(&tally, |from| Rules::Usual.next(from, side, Signal::Udp))
        };
        answer(&lives[0], Side::Inbound);
        assert_eq!((flows.unanswered(), flows.all()), (4, 4));
        for _ in 0..2 {
            answer(&lives[0], Side::Reply);
            answer(&lives[1], Side::Reply);
        }
        assert_eq!((flows.unanswered(), flows.all()), (2, 4));
        flows.template_made();
        assert_eq!((flows.unanswered(), flows.all()), (2, 5));
        flows.template_gone();
        for life in [&lives[0], &lives[2]] {
            life.end(&tally);
            answer(life, Side::Reply);
        }
        assert_eq!((flows.unanswered(), flows.all()), (1, 2));
        lives[1].end(&tally);
        lives[3].end(&tally);
        assert_eq!((flows.unanswered(), flows.all()), (0, 0));
        assert!(counts.is_drained());
    }

    #[test]
    fn other_protocols_are_not_counted() {
        let (flows, counts) = (Flows::<AtomicU32>::default(), Counts::<AtomicU32>::new(()));
        let tally = (&counts, None);
        let tally = (tally, &flows);
        for state in State::ALL {
            tally.enter(state);
            let is_udp = matches!(state, State::Udp | State::UdpUnanswered);
            assert_eq!(flows.all(), u32::from(is_udp), "{state:?}");
            tally.leave(state);
            assert_eq!(flows.all(), 0);
        }
        tally.change(State::None, State::Established);
        assert_eq!(flows.all(), 0);
    }

    #[test]
    fn others_keep_a_quarter_and_answered_flows_as_much() {
        for (limit, unanswered, all, kept) in [
            (0, 0, 0, 0),
            (1, 1, 1, 0),
            (2, 1, 2, 0),
            (3, 2, 3, 0),
            (4, 2, 3, 0),
            (8, 4, 6, 1),
            (1000, 500, 750, 125),
            (u32::MAX, 1 << 31, 3 << 30, u32::MAX / 8),
        ] {
            let share = Share {
                unanswered,
                all,
                kept,
            };
            assert_eq!(Share::of(limit), share, "{limit}");
        }
    }

    #[test]
    fn the_shares_bind_udp_alone() {
        let share = Share::of(8);
        let flows = Flows::<AtomicU32>::default();
        let has_room = |protocol| share.has_room(protocol, &flows);
        for _ in 0..4 {
            assert!(has_room(Protocol::Udp));
            flows.unanswered.add(1);
        }
        assert!(!has_room(Protocol::Udp) && has_room(Protocol::Tcp) && has_room(Protocol::Sctp));
        flows.unanswered.add(u32::MAX);
        assert!(has_room(Protocol::Udp));
        flows.answered.add(2);
        assert!(has_room(Protocol::Udp));
        flows.template_made();
        assert!(!has_room(Protocol::Udp) && has_room(Protocol::Tcp));
    }

    #[test]
    fn others_push_no_more_than_what_is_not_kept() {
        let share = Share::of(16);
        let flows = Flows::<AtomicU32>::default();
        let gives = |protocol| share.gives_way(protocol, &flows);
        assert!(!gives(Protocol::Udp));
        for unanswered in 1..4 {
            flows.unanswered.add(1);
            assert!(gives(Protocol::Udp));
            assert_eq!(gives(Protocol::Tcp), unanswered > 2);
            assert_eq!(gives(Protocol::Sctp), unanswered > 2);
        }
    }

    #[test]
    fn a_search_ends_and_finds_the_longest_silent() {
        let unanswered = State::UdpUnanswered;
        let mut search = Search::default();
        for (entry, state, idle) in [
            (1, State::Udp, 200),
            (2, unanswered, 3),
            (3, unanswered, 5),
            (4, State::SynReceived, 50),
            (5, unanswered, 5),
        ] {
            assert!(!search.is_over());
            search.look(entry, state, idle);
        }
        assert!(!search.is_over());
        search.look(6, unanswered, 0);
        assert!(search.is_over());
        assert_eq!(search.found(), Some(3));

        let mut nothing = Search::default();
        let mut looks = 0;
        while !nothing.is_over() {
            nothing.look((), State::Established, 900);
            looks += 1;
        }
        assert_eq!((looks, nothing.found()), (32, None));
    }

    #[test]
    fn flows_without_an_answer_get_less_time_as_their_share_is_used_up() {
        let usual = Timeouts::default();
        assert_eq!(shortened(&usual, None, 375, 1000), None);
        let table = defence::shortened(&usual, 990, 1000);
        assert_eq!(shortened(&usual, table, 375, 1000), table);
        for (unanswered, seconds) in [(376, 29), (437, 15), (500, SHORTEST), (u32::MAX, SHORTEST)] {
            let alone = shortened(&usual, None, unanswered, 1000).unwrap();
            for state in State::ALL {
                let wanted = match state {
                    State::UdpUnanswered => seconds,
                    other => usual.of(other),
                };
                assert_eq!(alone.of(state), wanted, "{state:?} {unanswered}");
            }
            let both = shortened(&usual, table, unanswered, 1000).unwrap();
            assert_eq!(both, table.unwrap());
        }
    }
}
