// SPDX-License-Identifier: GPL-2.0

//! How a service schedules, and how a request changes that.

use super::{flags::Flags, kind::Kind, mh::TableSize, slow_start::SlowStart};
use crate::{
    persistence::{self, Persistence},
    refusal::Refusal,
};

/// How a service schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The scheduler.
    pub kind: Kind,
    /// Its flags, and others of the service.
    pub flags: Flags,
    /// The size of the table of [`Kind::Mh`]; the others do not look at it.
    pub table: TableSize,
    /// How long the scheduler is not asked again for a client.
    pub persistence: Persistence,
    /// How long a destination whose process has just started gets less than its share.
    pub slow_start: SlowStart,
}

impl Settings {
    /// Returns `true` if the scheduler, which looks at a constant number of destinations, may pick
    /// none of more than [`crate::heard::MANY`] although one takes new connections. For the others
    /// none is the last word: that a client has no destination, or that all are full.
    pub const fn may_give_up(&self) -> bool {
        match self.kind {
            Kind::Dh | Kind::Ovf => false,
            Kind::Sh | Kind::Mh => self.flags.has(Flags::FALLBACK),
            _ => true,
        }
    }

    /// Creates a scheduler without flags, of a service that is not persistent.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            flags: Flags::NONE,
            table: TableSize::Ipvs,
            persistence: Persistence::OFF,
            slow_start: SlowStart::OFF,
        }
    }
}

/// What a request says of how a service schedules; what it leaves out stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// The scheduler.
    pub kind: Option<Kind>,
    /// Flags as bits, and which of them count.
    pub flags: Option<(u32, u32)>,
    /// The number of slots.
    pub table: Option<u32>,
    /// The persistence.
    pub persistence: persistence::Change,
    /// The seconds of slow start.
    pub slow_start: Option<u32>,
}

impl Settings {
    /// Returns these settings with the change. Another scheduler comes without flags of its own and
    /// with the usual table.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownFlag`], [`Refusal::FlagOfOtherScheduler`], [`Refusal::TableSize`],
    /// [`Refusal::NoTable`], [`Refusal::NotPersistent`], [`Refusal::OnePacketPersistent`] or
    /// [`Refusal::SlowStartRange`].
    pub fn changed(self, change: &Change) -> Result<Self, Refusal> {
        let mut settings = match change.kind {
            Some(kind) if kind != self.kind => Self {
                flags: self.flags.without_scheduler(),
                persistence: self.persistence,
                slow_start: self.slow_start,
                ..Self::new(kind)
            },
            _ => self,
        };
        if let Some((flags, mask)) = change.flags {
            let flags = Flags::from_bits(flags)?;
            settings.flags = settings.flags.changed(flags, mask);
        }
        settings.flags.check(settings.kind)?;
        settings.persistence = settings.persistence.changed(&change.persistence)?;
        if let Some(seconds) = change.slow_start {
            settings.slow_start = SlowStart::new(seconds)?;
        }
        if settings.flags.has(Flags::ONE_PACKET) && settings.persistence.seconds() != 0 {
            return Err(Refusal::OnePacketPersistent);
        }
        if let Some(slots) = change.table {
            settings.table = TableSize::from_slots(slots)?;
            if settings.kind != Kind::Mh {
                return Err(Refusal::NoTable);
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_change_as_a_request_says() {
        let flags = |bits, mask| Change {
            flags: Some((bits, mask)),
            ..Change::default()
        };
        let kind = |kind| Change {
            kind: Some(kind),
            ..Change::default()
        };
        let table = |slots| Change {
            table: Some(slots),
            ..Change::default()
        };
        let wlc = Settings::new(Kind::Wlc);
        assert_eq!(wlc.changed(&Change::default()), Ok(wlc));
        let refused = |change| wlc.changed(&change).unwrap_err();
        assert_eq!(
            refused(flags(0x10, u32::MAX)),
            Refusal::FlagOfOtherScheduler
        );
        assert_eq!(refused(flags(1, 1)), Refusal::UnknownFlag);
        assert_eq!(refused(table(65537)), Refusal::NoTable);
        assert_eq!(refused(table(4094)), Refusal::TableSize);

        let mh = wlc.changed(&kind(Kind::Mh)).unwrap();
        let large = mh.changed(&table(65537)).unwrap();
        assert_eq!(large.table, TableSize::Large);
        let both = large.changed(&flags(0x18, u32::MAX)).unwrap();
        assert_eq!((both.flags.bits(), both.table), (0x18, TableSize::Large));
        let one = both.changed(&flags(0, 0x08)).unwrap();
        assert_eq!(one.flags, Flags::PORT);
        // The same scheduler again changes nothing, another one drops what was the old one's.
        assert_eq!(both.changed(&kind(Kind::Mh)), Ok(both));
        assert_eq!(both.changed(&kind(Kind::Rr)), Ok(Settings::new(Kind::Rr)));
        assert_eq!(both.changed(&kind(Kind::Sh)), Ok(Settings::new(Kind::Sh)));
    }
}
