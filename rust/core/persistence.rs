// SPDX-License-Identifier: GPL-2.0

//! Persistence: for a while the connections of a client go where its first one went.
//!
//! A service that is persistent keeps a template for each client, or for each network of clients:
//! the destination that the next connection is given to, without the scheduler. The meaning is that
//! of IPVS but for the end of a template. There a template whose time is over while it has
//! connections, be they only waiting for late packets, is given a minute more, and again. Here its
//! end depends on nothing but the time since the last connection was opened, unless one is open
//! still.

use crate::{
    address::{Family, Ip},
    connection::{
        timeout::{self, Tunable},
        Counts, Word,
    },
    refusal::Refusal,
};

/// Seconds that a template of which nothing is known has without a connection: one is inserted just
/// after its template.
const UNPROVEN: u32 = 2;

/// Whether a service is persistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// 0 when it is not.
    seconds: u32,
    /// 0 for the whole address.
    prefix: u8,
}

impl Persistence {
    /// It is not.
    pub const OFF: Self = Self {
        seconds: 0,
        prefix: 0,
    };

    /// Returns how long a template leads new connections, in seconds; 0 when there are none.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// Returns how many leading bits of a client's address select its template.
    pub const fn prefix(self, family: Family) -> u8 {
        match self.prefix {
            0 => address_bits(family),
            prefix => prefix,
        }
    }

    /// This with the change. A service that is no longer persistent forgets the prefix.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPersistent`].
    pub const fn changed(self, change: &Change) -> Result<Self, Refusal> {
        let seconds = match change.seconds {
            Some(seconds) => seconds,
            None => self.seconds,
        };
        match (seconds, change.prefix) {
            (0, Some(_)) => Err(Refusal::NotPersistent),
            (0, None) => Ok(Self::OFF),
            (seconds, Some(prefix)) => Ok(Self { seconds, prefix }),
            (seconds, None) => Ok(Self {
                seconds,
                prefix: self.prefix,
            }),
        }
    }
}

/// What a request says of a service's persistence; what it leaves out stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    seconds: Option<u32>,
    prefix: Option<u8>,
}

impl Change {
    /// Checks what a request says of a service of this address family.
    ///
    /// # Errors
    ///
    /// [`Refusal::PersistenceRange`] or [`Refusal::PrefixLength`].
    pub const fn new(
        seconds: Option<u32>,
        prefix: Option<u8>,
        family: Family,
    ) -> Result<Self, Refusal> {
        if let Some(seconds) = seconds {
            if seconds > Tunable::MOST {
                return Err(Refusal::PersistenceRange);
            }
        }
        if let Some(prefix) = prefix {
            if prefix == 0 || prefix > address_bits(family) {
                return Err(Refusal::PrefixLength);
            }
        }
        Ok(Self { seconds, prefix })
    }
}

/// Returns how many bits an address has.
const fn address_bits(family: Family) -> u8 {
    match family {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

/// Returns the network of an address: its leading `prefix` bits.
#[inline]
pub fn network<A: Ip>(address: A, prefix: u8) -> A {
    let mut octets = [0; 16];
    let given = address.octets();
    let mut left = prefix;
    for (octet, given) in octets.iter_mut().zip(given) {
        let host_bits = u8::MAX.checked_shr(u32::from(left)).unwrap_or(0);
        *octet = given & !host_bits;
        left = left.saturating_sub(8);
    }
    let network = octets.get(..given.len()).and_then(A::from_octets);
    network.unwrap_or(address)
}

/// What ties a template and the connections that it led together. It outlives the template if it
/// must.
pub struct TemplateRef<W> {
    /// Of those connections.
    counts: Counts<W>,
    /// When the last one was opened, in seconds since boot.
    /// Guarded by: atomic; any packet, the last writer wins.
    opened: W,
    /// Not 0 once one of them was more than a packet with a source address that may be false.
    /// Guarded by: atomic; set once, by any packet.
    proven: W,
}

impl<W: Word> TemplateRef<W> {
    /// Creates the reference to a template that is made at `now`, in seconds since boot.
    pub fn new(now: u32) -> Self {
        Self {
            counts: Counts::new(()),
            opened: W::new(now),
            proven: W::new(0),
        }
    }

    /// Returns the counts of these connections.
    pub fn counts(&self) -> &Counts<W> {
        &self.counts
    }

    /// Notes that a connection was opened at `now`, in seconds since boot.
    pub fn open(&self, now: u32) {
        self.opened.store(now);
    }

    /// Notes that a connection was established.
    #[inline]
    pub fn prove(&self) {
        // A store dirties the cache line for the other CPUs.
        if self.proven.load() == 0 {
            self.proven.store(1);
        }
    }

    /// Returns `true` if a client has shown that the address is its own.
    pub fn is_proven(&self) -> bool {
        self.proven.load() != 0
    }

    /// Returns `true` if the template leads no connection any more: `seconds` have passed since the
    /// last one was opened, and none is active; of times see [`timeout::remaining`]. One that a
    /// flood of false source addresses has made goes with the flood's entries.
    pub fn is_over(&self, seconds: u32, now: u32) -> bool {
        if seconds == 0 {
            return true;
        }
        let opened = self.opened.load();
        if self.proven.load() == 0 {
            return self.counts.is_drained() && timeout::expired(UNPROVEN, opened, now);
        }
        self.counts.active() == 0 && timeout::expired(seconds, opened, now)
    }

    /// Seconds until the template is over, if no connection is opened nor active then.
    pub fn remaining(&self, seconds: u32, now: u32) -> u32 {
        timeout::remaining(seconds, self.opened.load(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::{V4, V6},
        connection::{state::State, Tally},
    };
    use core::cell::Cell;

    struct Plain(Cell<u32>);

    impl Word for Plain {
        fn new(value: u32) -> Self {
            Self(Cell::new(value))
        }

        fn load(&self) -> u32 {
            self.0.get()
        }

        fn store(&self, value: u32) {
            self.0.set(value);
        }

        fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
            if self.load() != old {
                return Err(self.load());
            }
            self.store(new);
            Ok(())
        }

        fn add(&self, value: u32) {
            self.store(self.load().wrapping_add(value));
        }
    }

    #[test]
    fn a_network_is_what_the_leading_bits_tell() {
        let address = V4([203, 0, 113, 255]);
        for (prefix, network4) in [
            (1, [128, 0, 0, 0]),
            (8, [203, 0, 0, 0]),
            (25, [203, 0, 113, 128]),
            (31, [203, 0, 113, 254]),
            (32, [203, 0, 113, 255]),
        ] {
            assert_eq!(network(address, prefix), V4(network4), "/{prefix}");
        }
        let ones = V6([255; 16]);
        for prefix in 1..=128 {
            let expected = u128::MAX << (128 - u32::from(prefix));
            assert_eq!(network(ones, prefix), V6(expected.to_be_bytes()));
        }
    }

    #[test]
    fn a_prefix_needs_persistence() {
        let change = |seconds, prefix| Change::new(seconds, prefix, Family::V4).unwrap();
        let off = Persistence::OFF;
        assert_eq!(
            off.changed(&change(None, Some(24))),
            Err(Refusal::NotPersistent)
        );
        let on = off.changed(&change(Some(300), Some(24))).unwrap();
        assert_eq!((on.seconds(), on.prefix(Family::V4)), (300, 24));
        let longer = on.changed(&change(Some(400), None)).unwrap();
        assert_eq!((longer.seconds(), longer.prefix(Family::V4)), (400, 24));
        assert_eq!(
            on.changed(&change(Some(0), Some(24))),
            Err(Refusal::NotPersistent)
        );
        assert_eq!(on.changed(&change(Some(0), None)), Ok(off));
        let whole = off.changed(&change(Some(1), None)).unwrap();
        assert_eq!(whole.prefix(Family::V4), 32);
        assert_eq!(whole.prefix(Family::V6), 128);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (family, bits) in [(Family::V4, 32), (Family::V6, 128)] {
            for prefix in [0, bits + 1, 255] {
                let refused = Change::new(None, Some(prefix), family).unwrap_err();
                assert_eq!(refused, Refusal::PrefixLength);
            }
            assert!(Change::new(None, Some(bits), family).is_ok());
        }
        let change = |seconds| Change::new(Some(seconds), None, Family::V4);
        assert_eq!(change(1 << 31).unwrap_err(), Refusal::PersistenceRange);
        assert!(change((1 << 31) - 1).is_ok());
    }

    #[test]
    fn the_time_counts_from_the_last_connection() {
        let template_ref = TemplateRef::<Plain>::new(100);
        template_ref.prove();
        assert!(!template_ref.is_over(10, 109));
        assert!(template_ref.is_over(10, 110));
        template_ref.open(105);
        assert!(!template_ref.is_over(10, 114));
        assert_eq!(template_ref.remaining(10, 113), 2);
        assert!(template_ref.is_over(10, 115));
        assert!(
            template_ref.is_over(0, 105),
            "the service is no longer persistent"
        );
    }

    #[test]
    fn an_open_connection_holds_it_and_a_closing_one_does_not() {
        let template_ref = TemplateRef::<Plain>::new(0);
        template_ref.prove();
        template_ref.counts().enter(State::Established);
        assert!(!template_ref.is_over(10, 1000));
        template_ref
            .counts()
            .change(State::Established, State::FinWait);
        assert!(template_ref.is_over(10, 1000));
        assert!(!template_ref.is_over(10, 9));
    }

    #[test]
    fn a_flood_s_goes_with_its_entries() {
        let template_ref = TemplateRef::<Plain>::new(0);
        assert!(
            !template_ref.is_over(300, 1),
            "its connection is not there yet"
        );
        template_ref.counts().enter(State::SynReceived);
        assert!(!template_ref.is_over(300, 1000));
        template_ref.counts().leave(State::SynReceived);
        assert!(template_ref.is_over(300, 60));
    }
}
