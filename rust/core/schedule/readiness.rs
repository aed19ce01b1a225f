// SPDX-License-Identifier: GPL-2.0

//! Whether a destination can take a connection, by the socket that would get its first packet.

/// How many places of a long queue are left free while another one has room; of a short one an
/// eighth. What a queue holds is known of a moment ago: another processor may give a place away at
/// the same time, packets that come in together are looked at before the first of them is queued,
/// and a handshake that ends is in neither count while it becomes a connection.
pub const LAST_PLACES: u32 = 16;

/// The socket that would get a new connection's first packet at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// It cannot be known, or does not matter to the packet.
    Unknown,
    /// There is none.
    NotListening,
    /// It drops the packet.
    Full,
    /// It has a queue.
    Queue {
        /// TCP: connections that wait to be accepted. UDP: bytes that wait to be read.
        queued: u32,
        /// TCP: handshakes under way, which will be queued.
        handshakes: u32,
        /// What may be queued at most; the kernel takes one more.
        limit: u32,
    },
}

impl Listening {
    /// Returns what waits there already; `None` where no socket listens.
    pub fn waiting(self) -> Option<u32> {
        match self {
            Self::Unknown => Some(0),
            Self::NotListening => None,
            Self::Full => Some(u32::MAX),
            Self::Queue {
                queued, handshakes, ..
            } => Some(queued.saturating_add(handshakes)),
        }
    }

    /// Returns whether a connection can go there.
    pub fn readiness(self) -> Readiness {
        match (self, self.waiting()) {
            (_, None) => Readiness::NotListening,
            (Self::Full, _) => Readiness::Busy(u32::MAX),
            (Self::Queue { limit, .. }, Some(waiting)) if waiting > limit => {
                Readiness::Busy(waiting.saturating_sub(limit))
            }
            (Self::Queue { limit, .. }, Some(waiting)) => {
                let places = (limit / 8).min(LAST_PLACES);
                match waiting.saturating_sub(limit.saturating_sub(places)) {
                    0 => Readiness::Ready,
                    taken => Readiness::NearlyFull(taken),
                }
            }
            _ => Readiness::Ready,
        }
    }
}

/// Whether a destination can take a new connection at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It can, but it has just started, and should not get its full share yet.
    Warming,
    /// It can, but so many of its queue's last places are taken.
    NearlyFull(u32),
    /// Its queue is too long by so much.
    Busy(u32),
    /// No socket listens.
    NotListening,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Busy, NearlyFull, NotListening, Ready};

    fn queue_of(limit: u32, queued: u32, handshakes: u32) -> Listening {
        Listening::Queue {
            queued,
            handshakes,
            limit,
        }
    }

    #[test]
    fn the_last_places_of_a_queue_are_left_free() {
        for (limit, most) in [(0, 0), (7, 7), (8, 7), (32, 28), (128, 112), (4096, 4080)] {
            assert_eq!(queue_of(limit, most, 0).readiness(), Ready, "{limit}");
            let next = queue_of(limit, most, 1).readiness();
            let full = limit == most;
            let expected = if full { Busy(1) } else { NearlyFull(1) };
            assert_eq!(next, expected, "{limit}");
            assert_eq!(queue_of(limit, limit, 1).readiness(), Busy(1), "{limit}");
        }
    }

    #[test]
    fn a_queue_that_its_handshakes_will_fill_is_busy() {
        let queue = |queued, handshakes| queue_of(4, queued, handshakes);
        assert_eq!(queue(4, 0).readiness(), Ready);
        assert_eq!(queue(5, 0).readiness(), Busy(1));
        assert_eq!(queue(2, 5).readiness(), Busy(3));
        assert_eq!(Listening::NotListening.readiness(), NotListening);
        assert_eq!(Listening::Full.readiness(), Busy(u32::MAX));
        assert_eq!(Listening::Unknown.readiness(), Ready);
        assert_eq!(queue(2, 5).waiting(), Some(7));
        assert_eq!(Listening::NotListening.waiting(), None);
    }
}
