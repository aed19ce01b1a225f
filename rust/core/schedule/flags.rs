// SPDX-License-Identifier: GPL-2.0

//! The flags of a service.

use super::kind::Kind;
use crate::refusal::Refusal;

/// Flags of a service, as a set of bits. Those that IPVS has too have its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `ops`: each packet is scheduled by itself and makes no entry (`IP_VS_SVC_F_ONEPACKET`). For
    /// UDP only; see [`crate::config::backends`].
    pub const ONE_PACKET: Self = Self(1 << 2);
    /// `sh-fallback`, `mh-fallback`: a client whose destination takes no new connections goes to
    /// another one (`IP_VS_SVC_F_SCHED1`).
    pub const FALLBACK: Self = Self(1 << 3);
    /// `sh-port`, `mh-port`: the client's port counts as well as its address
    /// (`IP_VS_SVC_F_SCHED2`).
    pub const PORT: Self = Self(1 << 4);
    /// A packet of the service in mid-stream may open an entry, whatever the sysctls `sloppy_tcp` and
    /// `sloppy_sctp` say. IPVS has no such flag: the number is above all of its own.
    pub const SLOPPY: Self = Self(1 << 16);
    /// Connections that are steered are not recorded, so that their number is unknown:
    /// [`crate::config::check_uncounted`]. IPVS has no such flag either.
    pub const UNCOUNTED: Self = Self(1 << 17);

    /// The flags that belong to schedulers; which ones depends on the scheduler.
    const SCHEDULERS: Self = Self(Self::FALLBACK.0 | Self::PORT.0);
    /// Every flag there is.
    const ALL: Self =
        Self(Self::SCHEDULERS.0 | Self::ONE_PACKET.0 | Self::SLOPPY.0 | Self::UNCOUNTED.0);

    /// Returns the flags of these bits.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownFlag`] for a bit that is no flag's.
    pub const fn from_bits(bits: u32) -> Result<Self, Refusal> {
        if bits & !Self::ALL.0 == 0 {
            Ok(Self(bits))
        } else {
            Err(Refusal::UnknownFlag)
        }
    }

    /// Returns the flags as bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns `true` if all of `flags` are set.
    #[inline]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Returns these flags, with those whose bits are in `mask` as in `new`.
    pub const fn changed(self, new: Self, mask: u32) -> Self {
        Self((self.0 & !mask) | (new.0 & mask))
    }

    /// Returns these flags without those of schedulers: what stays when a service gets another one.
    pub const fn without_scheduler(self) -> Self {
        Self(self.0 & !Self::SCHEDULERS.0)
    }

    /// Whether a service with this scheduler can have the flags.
    ///
    /// # Errors
    ///
    /// [`Refusal::FlagOfOtherScheduler`].
    pub const fn check(self, kind: Kind) -> Result<(), Refusal> {
        let of_scheduler = match kind {
            Kind::Sh | Kind::Mh => Self::SCHEDULERS.0,
            _ => 0,
        };
        if self.0 & Self::SCHEDULERS.0 & !of_scheduler == 0 {
            Ok(())
        } else {
            Err(Refusal::FlagOfOtherScheduler)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_ipvs() {
        assert_eq!(Flags::ONE_PACKET.bits(), 0x04);
        assert_eq!(Flags::FALLBACK.bits(), 0x08);
        assert_eq!(Flags::PORT.bits(), 0x10);
    }

    #[test]
    fn unknown_bits_are_refused() {
        for bit in 0..32 {
            let known = [2, 3, 4, 16, 17].contains(&bit);
            let flags = Flags::from_bits(1 << bit);
            assert_eq!(flags.is_ok(), known, "bit {bit}");
            assert!(known || flags == Err(Refusal::UnknownFlag));
        }
    }

    #[test]
    fn flags_belong_to_a_scheduler() {
        for kind in Kind::ALL {
            let hashes_clients = matches!(kind, Kind::Sh | Kind::Mh);
            assert_eq!(Flags::NONE.check(*kind), Ok(()));
            assert_eq!(Flags::SLOPPY.check(*kind), Ok(()));
            assert_eq!(Flags::ONE_PACKET.check(*kind), Ok(()));
            assert_eq!(Flags::UNCOUNTED.check(*kind), Ok(()));
            for flags in [Flags::PORT, Flags::FALLBACK, Flags::ALL] {
                assert_eq!(flags.check(*kind).is_ok(), hashes_clients, "{kind:?}");
            }
        }
    }

    #[test]
    fn a_mask_protects_what_it_leaves_out() {
        let both = Flags::SCHEDULERS;
        assert_eq!(
            both.changed(Flags::NONE, Flags::PORT.bits()),
            Flags::FALLBACK
        );
        assert_eq!(Flags::NONE.changed(both, Flags::PORT.bits()), Flags::PORT);
        assert_eq!(both.changed(Flags::NONE, u32::MAX), Flags::NONE);
        assert_eq!(both.without_scheduler(), Flags::NONE);
        let others = Flags(Flags::SLOPPY.0 | Flags::ONE_PACKET.0 | Flags::UNCOUNTED.0);
        assert_eq!(Flags::ALL.without_scheduler(), others);
        assert!(both.has(Flags::PORT) && !Flags::PORT.has(both));
    }
}
