// SPDX-License-Identifier: GPL-2.0

//! Whether a TCP segment belongs to a connection that the host has, by its sequence numbers.
//!
//! An entry remembers none. Where the destination's process is on this host its socket does, and is
//! asked for the few segments that matter: those that would end a connection, and those in
//! mid-stream that have no entry. An attacker that does not see the connection has to guess two
//! numbers, as for an attack on the socket itself (RFC 5961).

use crate::packet::{Bytes, TcpFlags};

/// How far a connection has come, seen from this host. The names are those of RFC 9293 section
/// 3.3.1. Another CPU may be changing the socket: what was read may be some segments old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// RCV.NXT: the next sequence number that is expected of the client.
    pub receive_next: u32,
    /// How many bytes from there on the client was ever allowed to send.
    pub receive_window: u32,
    /// How many bytes before it the client may send again, as it has not seen them acknowledged.
    pub receive_past: u32,
    /// SND.UNA: the oldest sequence number that the client has not acknowledged.
    pub send_unacknowledged: u32,
    /// SND.NXT, or what follows all that the process has given to be sent: a client may answer what
    /// has left before SND.NXT says so.
    pub send_next: u32,
    /// How many bytes before SND.UNA an acknowledgement may be that was overtaken by others.
    pub send_past: u32,
}

/// The numbers of a client's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// SEG.SEQ.
    pub sequence: u32,
    /// SEG.ACK, if the flag ACK says that it counts.
    pub acknowledgement: Option<u32>,
    /// The flag RST.
    pub reset: bool,
}

impl Segment {
    /// Reads the numbers from the TCP header at `offset`, which has these flags. None when the
    /// packet ends before.
    #[inline]
    pub fn read(bytes: &(impl Bytes + ?Sized), offset: usize, flags: TcpFlags) -> Option<Self> {
        let mut numbers = [0; 8];
        // Behind the two ports.
        if !bytes.copy_to(offset.checked_add(4)?, &mut numbers) {
            return None;
        }
        let [a, b, c, d, e, f, g, h] = numbers;
        Some(Self {
            sequence: u32::from_be_bytes([a, b, c, d]),
            acknowledgement: flags.ack().then_some(u32::from_be_bytes([e, f, g, h])),
            reset: flags.rst(),
        })
    }
}

impl Window {
    /// Returns `true` if the segment may be one of this connection.
    ///
    /// Of a reset the sequence number alone counts, as for the socket, and nothing before RCV.NXT
    /// is taken. Otherwise the acknowledgement has to be one of what was sent, and the sequence
    /// number may also be one that was received before.
    pub fn takes(&self, segment: &Segment) -> bool {
        let ahead = segment.sequence.wrapping_sub(self.receive_next);
        if segment.reset {
            return ahead <= self.receive_window;
        }
        let sequence = ahead <= self.receive_window || ahead.wrapping_neg() <= self.receive_past;
        sequence && segment.acknowledgement.is_none_or(|ack| self.has_sent(ack))
    }

    /// Returns `true` if a segment of this host's that begins with this number is on its way, or
    /// may be: the client has not acknowledged all of it. An ICMP error is about such a one (RFC
    /// 5927 section 4.1).
    pub fn is_in_flight(&self, sequence: u32) -> bool {
        let flying = self.send_next.wrapping_sub(self.send_unacknowledged);
        sequence.wrapping_sub(self.send_unacknowledged) <= flying
    }

    /// Returns `true` if the client can have seen everything before this number, and not long ago.
    fn has_sent(&self, number: u32) -> bool {
        let flying = self.send_next.wrapping_sub(self.send_unacknowledged);
        self.send_next.wrapping_sub(number) <= flying.saturating_add(self.send_past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Around the point at which the numbers wrap.
    const START: u32 = u32::MAX - 50;

    const WINDOW: Window = Window {
        receive_next: START,
        receive_window: 1000,
        receive_past: 500,
        send_unacknowledged: START,
        send_next: START.wrapping_add(300),
        send_past: 200,
    };

    fn segment(sequence: i32, acknowledgement: Option<i32>, reset: bool) -> Segment {
        let at = |number: i32| START.wrapping_add_signed(number);
        Segment {
            sequence: at(sequence),
            acknowledgement: acknowledgement.map(at),
            reset,
        }
    }

    #[test]
    fn sequence_numbers_around_the_next() {
        for (sequence, usual, reset) in [
            (0, true, true),
            (1000, true, true),
            (1001, false, false),
            (-1, true, false),
            (-500, true, false),
            (-501, false, false),
            (i32::MAX, false, false),
            (i32::MIN, false, false),
        ] {
            assert_eq!(
                WINDOW.takes(&segment(sequence, Some(0), false)),
                usual,
                "{sequence}"
            );
            assert_eq!(
                WINDOW.takes(&segment(sequence, None, false)),
                usual,
                "{sequence}"
            );
            assert_eq!(
                WINDOW.takes(&segment(sequence, None, true)),
                reset,
                "{sequence}"
            );
        }
    }

    #[test]
    fn acknowledgements_of_what_was_sent() {
        for (acknowledgement, taken) in [
            (0, true),
            (300, true),
            (301, false),
            (-200, true),
            (-201, false),
            (i32::MAX, false),
            (i32::MIN, false),
        ] {
            let ack = Some(acknowledgement);
            assert_eq!(
                WINDOW.takes(&segment(0, ack, false)),
                taken,
                "{acknowledgement}"
            );
            // The socket looks at the sequence number of a reset only.
            assert!(WINDOW.takes(&segment(0, ack, true)));
        }
    }

    #[test]
    fn segments_in_flight() {
        for (sequence, flying) in [
            (0, true),
            (300, true),
            (301, false),
            (-1, false),
            (i32::MAX, false),
            (i32::MIN, false),
        ] {
            let sequence = START.wrapping_add_signed(sequence);
            assert_eq!(WINDOW.is_in_flight(sequence), flying, "{sequence}");
        }
    }

    #[test]
    fn a_closed_window_takes_the_next_number() {
        let closed = Window {
            receive_window: 0,
            receive_past: 0,
            ..WINDOW
        };
        assert!(closed.takes(&segment(0, Some(0), false)));
        assert!(closed.takes(&segment(0, None, true)));
        assert!(!closed.takes(&segment(1, Some(0), false)));
        assert!(!closed.takes(&segment(-1, Some(0), false)));
        assert!(!closed.takes(&segment(1, None, true)));
    }

    #[test]
    fn numbers_are_read_behind_the_ports() {
        let bytes = [9, 9, 0, 80, 0x1f, 0x90, 1, 2, 3, 4, 5, 6, 7, 8];
        let read = |flags| Segment::read(&bytes[..], 2, TcpFlags(flags)).unwrap();
        let all = read(TcpFlags::ACK | TcpFlags::RST);
        assert_eq!(all.sequence, 0x0102_0304);
        assert_eq!(all.acknowledgement, Some(0x0506_0708));
        assert!(all.reset);
        let fin = read(TcpFlags::FIN);
        assert_eq!(fin.acknowledgement, None);
        assert!(!fin.reset);
        assert_eq!(Segment::read(&bytes[..13], 2, TcpFlags(0)), None);
        assert_eq!(Segment::read(&bytes[..], usize::MAX, TcpFlags(0)), None);
    }
}
