// SPDX-License-Identifier: GPL-2.0

//! Services, as the family IPVS has them.

use super::{address, family, number16, number32, padded, string};
use crate::{
    address::{Address, Family},
    key::ServiceKey,
    persistence::{self, Persistence},
    refusal::Refusal,
    schedule::{self, flags::Flags, Kind, Settings},
};

/// `IP_VS_SVC_F_PERSISTENT`
const PERSISTENT: u32 = 1;
/// `IP_VS_SVC_F_HASHED`: it is in the table of services, which every one is that can be asked for.
const HASHED: u32 = 2;
/// The flags that mean the same there and here, and have the same numbers.
const SHARED: u32 = Flags::ONE_PACKET.bits() | Flags::FALLBACK.bits() | Flags::PORT.bits();

/// The attributes that say which service a request is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameAttributes<'a> {
    /// `AF`
    pub family: Option<&'a [u8]>,
    /// `FWMARK`
    pub mark: Option<&'a [u8]>,
    /// `PROTOCOL`
    pub protocol: Option<&'a [u8]>,
    /// `ADDR`
    pub address: Option<&'a [u8]>,
    /// `PORT`
    pub port: Option<&'a [u8]>,
}

/// Which service a request is about; there need not be one, and there may be none that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The address family.
    pub family: Family,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A mark that the firewall gives to packets.
    Mark,
    /// A protocol number, an address and a port.
    Address(u16, Address, u16),
}

impl Name {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsService`] or [`Refusal::IpvsFamily`].
    pub fn read(given: &NameAttributes<'_>) -> Result<Self, Refusal> {
        let NameAttributes { protocol, port, .. } = *given;
        let number = given.family.ok_or(Refusal::IpvsService)?;
        // With a mark, the others do not count.
        let named = match (given.mark, protocol, given.address, port) {
            (Some(_), ..) => None,
            (None, Some(protocol), Some(address), Some(port)) => Some((protocol, address, port)),
            _ => return Err(Refusal::IpvsService),
        };
        let family = family(number16(number))?;
        let what = named.map_or(What::Mark, |(protocol, octets, port)| {
            let address = address(family, &padded(octets));
            What::Address(number16(protocol), address, super::port(port))
        });
        Ok(Self { family, what })
    }

    /// Returns the key of a service that can be added.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsMark`], [`Refusal::IpvsAllPorts`], [`Refusal::UnknownProtocol`] or
    /// [`Refusal::NotUnicast`].
    pub fn key(&self) -> Result<ServiceKey, Refusal> {
        let What::Address(protocol, address, port) = self.what else {
            return Err(Refusal::IpvsMark);
        };
        let protocol = u8::try_from(protocol).map_err(|_| Refusal::UnknownProtocol)?;
        ServiceKey::new(protocol, address.octets(), port).map_err(|refusal| match refusal {
            Refusal::PortZero => Refusal::IpvsAllPorts,
            other => other,
        })
    }
}

/// The other attributes of a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `SCHED_NAME`
    pub scheduler: Option<&'a [u8]>,
    /// `PE_NAME`
    pub engine: Option<&'a [u8]>,
    /// `FLAGS`
    pub flags: Option<&'a [u8]>,
    /// `TIMEOUT`
    pub timeout: Option<&'a [u8]>,
    /// `NETMASK`
    pub netmask: Option<&'a [u8]>,
}

/// What a service is to be, as far as IPVS can say it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    scheduler: &'a [u8],
    /// Empty for none.
    engine: &'a [u8],
    flags: u32,
    /// Which of the flags count.
    mask: u32,
    /// Seconds.
    timeout: u32,
    netmask: [u8; 4],
}

impl<'a> Wanted<'a> {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsServiceParts`].
    pub fn read(given: &Attributes<'a>) -> Result<Self, Refusal> {
        let (Some(scheduler), Some(flags), Some(timeout), Some(netmask)) =
            (given.scheduler, given.flags, given.timeout, given.netmask)
        else {
            return Err(Refusal::IpvsServiceParts);
        };
        Ok(Self {
            scheduler: string(scheduler),
            engine: given.engine.map_or(&[], string),
            flags: number32(flags),
            mask: number32(flags.get(4..).unwrap_or(&[])),
            timeout: number32(timeout),
            netmask: padded(netmask),
        })
    }

    /// Returns what it changes of a service that there is, or of the settings that a new one starts
    /// from. What IPVS has no word for is not in it.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that is the most to the point.
    pub fn change(
        &self,
        old: Option<&Settings>,
        family: Family,
    ) -> Result<schedule::Change, Refusal> {
        let kind = self.kind()?;
        match self.engine {
            [] => {}
            b"sip" => return Err(Refusal::IpvsEngine),
            _ => return Err(Refusal::IpvsUnknownEngine),
        }
        let prefix = self.prefix(family)?;
        if self.flags & self.mask & !(PERSISTENT | HASHED | SHARED) != 0 {
            return Err(Refusal::UnknownFlag);
        }
        let before = old.map_or(0, reported_flags);
        let after = (before & !self.mask) | (self.flags & self.mask);
        let persistence = if after & PERSISTENT == 0 {
            persistence::Change::new(Some(0), None, family)?
        } else if self.timeout == 0 {
            return Err(Refusal::IpvsPersistentZero);
        } else {
            let prefix = prefix.ok_or(Refusal::IpvsNetmask)?;
            persistence::Change::new(Some(self.timeout), Some(prefix), family)?
        };
        Ok(schedule::Change {
            kind: Some(kind),
            flags: Some((self.flags & self.mask & SHARED, self.mask & SHARED)),
            persistence,
            ..schedule::Change::default()
        })
    }

    fn kind(&self) -> Result<Kind, Refusal> {
        match self.scheduler {
            b"none" => Err(Refusal::IpvsNoScheduler),
            name => Kind::from_name(name).ok_or(Refusal::IpvsScheduler),
        }
    }

    /// Returns the prefix length of the netmask; `None` if it has none, which only matters to a
    /// service that is persistent.
    fn prefix(&self, family: Family) -> Result<Option<u8>, Refusal> {
        match family {
            Family::V4 => {
                let mask = u32::from_be_bytes(self.netmask);
                let ones = mask.leading_ones();
                let is_network = ones != 0 && ones == mask.count_ones();
                Ok(u8::try_from(ones).ok().filter(|_| is_network))
            }
            Family::V6 => match u8::try_from(number32(&self.netmask)) {
                Ok(length @ 1..=128) => Ok(Some(length)),
                _ => Err(Refusal::IpvsPrefix),
            },
        }
    }
}

/// Returns the flags of a service with these settings.
pub fn reported_flags(settings: &Settings) -> u32 {
    let persistent = match settings.persistence.seconds() {
        0 => 0,
        _ => PERSISTENT,
    };
    (settings.flags.bits() & SHARED) | HASHED | persistent
}

/// Returns the bytes of the netmask: IPv4's mask in network byte order, IPv6's prefix length in
/// that of the host.
pub fn reported_netmask(persistence: Persistence, family: Family) -> [u8; 4] {
    let prefix = u32::from(persistence.prefix(family));
    match family {
        Family::V4 => {
            let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
            (!host).to_be_bytes()
        }
        Family::V6 => prefix.to_ne_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Protocol;

    const AF_INET: [u8; 2] = 2u16.to_ne_bytes();
    const AF_INET6: [u8; 2] = 10u16.to_ne_bytes();
    const TCP: [u8; 2] = 6u16.to_ne_bytes();
    const WHOLE: [u8; 4] = [255; 4];

    fn attributes<'a>(address: &'a [u8], port: &'a [u8]) -> NameAttributes<'a> {
        NameAttributes {
            family: Some(&AF_INET),
            mark: None,
            protocol: Some(&TCP),
            address: Some(address),
            port: Some(port),
        }
    }

    fn flags(flags: u32, mask: u32) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&flags.to_ne_bytes());
        bytes[4..].copy_from_slice(&mask.to_ne_bytes());
        bytes
    }

    fn wanted<'a>(
        scheduler: &'a [u8],
        flags: &'a [u8],
        timeout: &'a [u8],
        netmask: &'a [u8],
    ) -> Wanted<'a> {
        Wanted::read(&Attributes {
            scheduler: Some(scheduler),
            engine: None,
            flags: Some(flags),
            timeout: Some(timeout),
            netmask: Some(netmask),
        })
        .unwrap()
    }

    /// The settings after a request of these flags, mask, timeout and netmask.
    fn after(
        old: Settings,
        scheduler: &[u8],
        (bits, mask): (u32, u32),
        timeout: u32,
        netmask: [u8; 4],
    ) -> Result<Settings, Refusal> {
        let (flags, timeout) = (flags(bits, mask), timeout.to_ne_bytes());
        let wanted = wanted(scheduler, &flags, &timeout, &netmask);
        old.changed(&wanted.change(Some(&old), Family::V4)?)
    }

    #[test]
    fn names_are_long_or_short() {
        let mut long = [0; 16];
        long[..4].copy_from_slice(&[192, 0, 2, 10]);
        for octets in [&long[..], &long[..4]] {
            let name = Name::read(&attributes(octets, &[0, 80])).unwrap();
            let key = name.key().unwrap();
            assert_eq!(key.protocol, Protocol::Tcp);
            assert_eq!(key.address, Address::V4([192, 0, 2, 10]));
            assert_eq!((key.port, name.family), (80, Family::V4));
        }
        let name = Name::read(&NameAttributes {
            family: Some(&AF_INET6),
            ..attributes(&[1; 16], &[0, 80])
        });
        assert_eq!(name.unwrap().key().unwrap().address, Address::V6([1; 16]));
    }

    #[test]
    fn names_that_are_incomplete() {
        let whole = attributes(&[192, 0, 2, 10], &[0, 80]);
        let mut cases = [whole; 4];
        cases[0].family = None;
        cases[1].protocol = None;
        cases[2].address = None;
        cases[3].port = None;
        for case in cases {
            assert_eq!(Name::read(&case), Err(Refusal::IpvsService));
            // Which parts are there is looked at before what they are.
            let strange = NameAttributes {
                family: case.family.map(|_| &[0, 0][..]),
                ..case
            };
            assert_eq!(Name::read(&strange), Err(Refusal::IpvsService));
        }
        let strange = NameAttributes {
            family: Some(&[1, 0]),
            ..whole
        };
        assert_eq!(Name::read(&strange), Err(Refusal::IpvsFamily));
    }

    #[test]
    fn names_of_what_cannot_be_added() {
        let mark = NameAttributes {
            family: Some(&AF_INET),
            mark: Some(&[1, 0, 0, 0]),
            ..NameAttributes::default()
        };
        assert_eq!(Name::read(&mark).unwrap().key(), Err(Refusal::IpvsMark));
        let key = |octets: &[u8], port: &[u8], protocol: u16| {
            let protocol = protocol.to_ne_bytes();
            let given = NameAttributes {
                protocol: Some(&protocol),
                ..attributes(octets, port)
            };
            Name::read(&given).unwrap().key()
        };
        assert_eq!(key(&[10, 0, 0, 1], &[0, 0], 6), Err(Refusal::IpvsAllPorts));
        for protocol in [0, 1, 50, 262] {
            let refused = key(&[10, 0, 0, 1], &[0, 80], protocol);
            assert_eq!(refused, Err(Refusal::UnknownProtocol));
        }
        assert_eq!(key(&[224, 0, 0, 1], &[0, 80], 6), Err(Refusal::NotUnicast));
    }

    #[test]
    fn parts_that_are_missing() {
        let whole = Attributes {
            scheduler: Some(b"rr\0"),
            engine: None,
            flags: Some(&[0; 8]),
            timeout: Some(&[0; 4]),
            netmask: Some(&WHOLE),
        };
        assert!(Wanted::read(&whole).is_ok());
        let mut cases = [whole; 4];
        cases[0].scheduler = None;
        cases[1].flags = None;
        cases[2].timeout = None;
        cases[3].netmask = None;
        for case in cases {
            let refused = Wanted::read(&case).map(|_| ());
            assert_eq!(refused, Err(Refusal::IpvsServiceParts));
        }
    }

    #[test]
    fn schedulers_and_engines() {
        let rr = Settings::new(Kind::Rr);
        for kind in Kind::ALL {
            let name = kind.name().to_bytes_with_nul();
            let settings = after(rr, name, (0, u32::MAX), 0, WHOLE).unwrap();
            assert_eq!(settings.kind, *kind);
        }
        let refused = |name: &[u8]| after(rr, name, (0, u32::MAX), 0, WHOLE);
        assert_eq!(refused(b"none\0"), Err(Refusal::IpvsNoScheduler));
        assert_eq!(refused(b"what\0"), Err(Refusal::IpvsScheduler));
        for (engine, expected) in [
            (&b"\0"[..], None),
            (b"sip\0", Some(Refusal::IpvsEngine)),
            (b"what\0", Some(Refusal::IpvsUnknownEngine)),
        ] {
            let wanted = Wanted {
                engine: string(engine),
                ..wanted(b"rr\0", &[0; 8], &[0; 4], &WHOLE)
            };
            assert_eq!(wanted.change(None, Family::V4).err(), expected);
        }
    }

    #[test]
    fn the_mask_says_which_flags_count() {
        let sh = after(Settings::new(Kind::Rr), b"sh\0", (0x1a, u32::MAX), 0, WHOLE).unwrap();
        assert_eq!(sh.flags.bits(), 0x18);
        assert_eq!(reported_flags(&sh), 0x1a);
        // Nothing is in the mask, and then one flag is.
        let same = after(sh, b"sh\0", (0, 0), 0, WHOLE).unwrap();
        assert_eq!(same, sh);
        let less = after(sh, b"sh\0", (0, 0x10), 0, WHOLE).unwrap();
        assert_eq!(less.flags.bits(), 0x08);
        for unknown in [0x20, 0x40, 1 << 16, 1 << 31] {
            let refused = after(sh, b"sh\0", (unknown, u32::MAX), 0, WHOLE);
            assert_eq!(refused, Err(Refusal::UnknownFlag));
            assert!(after(sh, b"sh\0", (unknown, !unknown), 0, WHOLE).is_ok());
        }
    }

    #[test]
    fn what_ipvs_has_no_word_for_stays() {
        let mut old = Settings::new(Kind::Mh);
        old = old
            .changed(&schedule::Change {
                flags: Some((Flags::SLOPPY.bits(), u32::MAX)),
                table: Some(65537),
                slow_start: Some(30),
                ..schedule::Change::default()
            })
            .unwrap();
        assert_eq!(after(old, b"mh\0", (0, u32::MAX), 0, WHOLE), Ok(old));
        assert_eq!(reported_flags(&old), HASHED);
        let rr = after(old, b"rr\0", (0, u32::MAX), 0, WHOLE).unwrap();
        assert!(rr.flags.has(Flags::SLOPPY));
        assert_eq!(rr.slow_start, old.slow_start);
    }

    #[test]
    fn persistence_needs_the_flag() {
        let rr = Settings::new(Kind::Rr);
        let on = after(rr, b"rr\0", (1, u32::MAX), 360, [255, 255, 255, 0]).unwrap();
        assert_eq!(on.persistence.seconds(), 360);
        assert_eq!(on.persistence.prefix(Family::V4), 24);
        assert_eq!(reported_flags(&on), PERSISTENT | HASHED);
        // The flag stays where the mask leaves it out, and the time is taken.
        let longer = after(on, b"rr\0", (0, 0), 400, WHOLE).unwrap();
        assert_eq!(longer.persistence.seconds(), 400);
        assert_eq!(longer.persistence.prefix(Family::V4), 32);
        let off = after(on, b"rr\0", (0, u32::MAX), 360, WHOLE).unwrap();
        assert_eq!(off.persistence, Persistence::OFF);
        let zero = after(rr, b"rr\0", (1, u32::MAX), 0, WHOLE);
        assert_eq!(zero, Err(Refusal::IpvsPersistentZero));
        let long = after(rr, b"rr\0", (1, u32::MAX), u32::MAX, WHOLE);
        assert_eq!(long, Err(Refusal::PersistenceRange));
    }

    #[test]
    fn netmasks() {
        let rr = Settings::new(Kind::Rr);
        for prefix in 1..=32u8 {
            let mask = (u64::from(u32::MAX) << (32 - prefix)) as u32;
            let settings = after(rr, b"rr\0", (1, u32::MAX), 9, mask.to_be_bytes()).unwrap();
            assert_eq!(settings.persistence.prefix(Family::V4), prefix);
            let told = reported_netmask(settings.persistence, Family::V4);
            assert_eq!(told, mask.to_be_bytes());
        }
        for mask in [[0, 0, 0, 0], [255, 0, 255, 0], [0, 0, 0, 255]] {
            let refused = after(rr, b"rr\0", (1, u32::MAX), 9, mask);
            assert_eq!(refused, Err(Refusal::IpvsNetmask));
            assert!(after(rr, b"rr\0", (0, u32::MAX), 0, mask).is_ok());
        }
        for (length, expected) in [(1u32, true), (128, true), (0, false), (129, false)] {
            let (flags, netmask) = (flags(1, u32::MAX), length.to_ne_bytes());
            let wanted = wanted(b"rr\0", &flags, &[9, 0, 0, 0], &netmask);
            let change = wanted.change(None, Family::V6);
            assert_eq!(change.is_ok(), expected, "{length}");
            if let Ok(change) = change {
                let settings = rr.changed(&change).unwrap();
                let told = reported_netmask(settings.persistence, Family::V6);
                assert_eq!(told, netmask);
            }
        }
        assert_eq!(reported_netmask(Persistence::OFF, Family::V4), WHOLE);
        let whole = reported_netmask(Persistence::OFF, Family::V6);
        assert_eq!(whole, 128u32.to_ne_bytes());
    }
}
