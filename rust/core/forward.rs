// SPDX-License-Identifier: GPL-2.0

//! Forwarding methods: how a destination gets its packets, and which one a service can have.

use crate::{
    address::{Family, Protocol},
    key::{DestinationKey, ServiceKey},
    refusal::Refusal,
    schedule::{flags::Flags, Settings},
};

/// The forwarding method that a request asks for: how a destination gets its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The address and port in the packets are rewritten, in both directions.
    Nat,
    /// A TCP client's SYN is handed to the destination's listening socket as it is, and the host
    /// makes the connection with the service's address and port.
    Steer,
    /// Steer where that is possible for the whole service, nat elsewhere.
    Auto,
}

impl Method {
    pub(crate) const ALL: [Self; 3] = [Self::Nat, Self::Steer, Self::Auto];

    /// Returns the method's number in requests.
    pub const fn number(self) -> u8 {
        match self {
            Self::Nat => 0,
            Self::Steer => 1,
            Self::Auto => 2,
        }
    }

    /// Returns the method of this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.number() == number)
    }

    /// Returns the method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Steer => "steer",
            Self::Auto => "auto",
        }
    }

    /// Returns the method for a destination that [`crate::config::check_destination`] has let pass:
    /// [`Method::Auto`] becomes [`Method::Steer`] where only steering reaches it.
    #[must_use]
    pub fn settled(
        self,
        service: &ServiceKey,
        destination: &DestinationKey,
        route_localnet: bool,
    ) -> Self {
        let needs_steering = self == Self::Auto
            && service.protocol == Protocol::Tcp
            && check_reachable(service, destination, route_localnet).is_err();
        if needs_steering {
            Self::Steer
        } else {
            self
        }
    }
}

/// Returns `true` if a service steers its connections. All of its destinations have one method:
/// rewriting has to come before the packet is routed, and steering after the filter.
///
/// A service without destinations does not steer. Persistence needs entries to count a client's
/// connections; the flag sloppy is for segments in mid-stream, whose connection is elsewhere.
///
/// # Errors
///
/// [`Refusal::MixedMethods`], [`Refusal::SteerProtocol`], [`Refusal::SteerPersistent`] or
/// [`Refusal::SteerSloppy`].
pub fn steers(
    protocol: Protocol,
    settings: &Settings,
    methods: impl Iterator<Item = Method>,
) -> Result<bool, Refusal> {
    let (mut nat, mut steer, mut auto) = (false, false, false);
    for method in methods {
        match method {
            Method::Nat => nat = true,
            Method::Steer => steer = true,
            Method::Auto => auto = true,
        }
    }
    match check_can_steer(protocol, settings) {
        Err(refusal) if steer => Err(refusal),
        Ok(()) if steer && nat => Err(Refusal::MixedMethods),
        Ok(()) => Ok(steer || (auto && !nat)),
        Err(_) => Ok(false),
    }
}

/// Returns `Ok` if a service with these settings steers when its destinations ask for it.
pub(crate) fn check_can_steer(protocol: Protocol, settings: &Settings) -> Result<(), Refusal> {
    if protocol != Protocol::Tcp {
        Err(Refusal::SteerProtocol)
    } else if settings.persistence.seconds() != 0 {
        Err(Refusal::SteerPersistent)
    } else if settings.flags.has(Flags::SLOPPY) {
        Err(Refusal::SteerSloppy)
    } else {
        Ok(())
    }
}

/// Returns `Ok` if the host delivers to the destination what was rewritten before routing.
pub(crate) fn check_reachable(
    service: &ServiceKey,
    destination: &DestinationKey,
    route_localnet: bool,
) -> Result<(), Refusal> {
    // Clients of a service on a loopback address are on this host, and reach all of it.
    if destination.address.is_loopback() && !service.address.is_loopback() {
        match destination.address.family() {
            Family::V4 if route_localnet => {}
            Family::V4 => return Err(Refusal::LoopbackForNat4),
            Family::V6 => return Err(Refusal::LoopbackForNat6),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        persistence,
        schedule::{Change, Kind},
    };

    #[test]
    fn methods() {
        for number in 0..=255 {
            let method = Method::from_number(number);
            assert!(method.is_none_or(|method| method.number() == number));
        }
        let names = [0, 1, 2].map(|number| Method::from_number(number).unwrap().name());
        assert_eq!(names, ["nat", "steer", "auto"]);
        assert_eq!(Method::from_number(3), None);
    }

    #[test]
    fn who_steers() {
        let plain = Settings::new(Kind::Wlc);
        let change = Change {
            flags: Some((Flags::SLOPPY.bits(), u32::MAX)),
            ..Change::default()
        };
        let sloppy = plain.changed(&change).unwrap();
        let change = Change {
            persistence: persistence::Change::new(Some(60), None, Family::V4).unwrap(),
            ..Change::default()
        };
        let persistent = plain.changed(&change).unwrap();
        let of = |number: u8, settings: &Settings, methods: &[Method]| {
            let protocol = Protocol::from_number(number).unwrap();
            steers(protocol, settings, methods.iter().copied())
        };
        const NAT: Method = Method::Nat;
        const STEER: Method = Method::Steer;
        const AUTO: Method = Method::Auto;
        for (methods, tcp, others) in [
            (&[][..], Ok(false), true),
            (&[AUTO, AUTO], Ok(true), true),
            (&[STEER], Ok(true), false),
            (&[AUTO, STEER], Ok(true), false),
            (&[NAT], Ok(false), true),
            (&[AUTO, NAT, AUTO], Ok(false), true),
            (&[NAT, STEER], Err(Refusal::MixedMethods), false),
            (&[STEER, AUTO, NAT], Err(Refusal::MixedMethods), false),
        ] {
            assert_eq!(of(6, &plain, methods), tcp, "{methods:?}");
            for (number, settings, refusal) in [
                (17, &plain, Refusal::SteerProtocol),
                (132, &plain, Refusal::SteerProtocol),
                (6, &persistent, Refusal::SteerPersistent),
                (6, &sloppy, Refusal::SteerSloppy),
            ] {
                let wanted = if others { Ok(false) } else { Err(refusal) };
                assert_eq!(of(number, settings, methods), wanted, "{methods:?}");
            }
        }
    }
}
