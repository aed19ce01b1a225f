// SPDX-License-Identifier: GPL-2.0

//! Destinations, as the family IPVS has them.
//!
//! Its masquerading is what is called nat here, and it has nothing for steering: both are shown as
//! masquerading, and a change leaves alone which of the two was asked for.

use super::{address, family, number16, number32, padded, port};
use crate::{
    address::{Family, Protocol},
    config::{check_destination, Presence},
    forward::Method,
    key::{DestinationKey, ServiceKey},
    refusal::Refusal,
    schedule::threshold::Thresholds,
};

/// Masquerading, the forwarding method that every destination is shown to have.
pub const MASQUERADING: u32 = 0;
/// `IP_VS_CONN_F_LOCALNODE`
const LOCAL_NODE: u32 = 1;
/// `IP_VS_CONN_F_TUNNEL`
const TUNNEL: u32 = 2;
/// `IP_VS_CONN_F_DROUTE`
const DIRECT: u32 = 3;
/// `IP_VS_CONN_F_FWD_MASK`: the bits of the forwarding method; those above are ignored.
const METHOD_BITS: u32 = 7;

/// `IP_VS_CONN_F_TUNNEL_TYPE_GUE`
const GUE: u8 = 1;

/// The most that IPVS has of what it keeps as a number with a sign.
const MOST: u32 = u32::MAX / 2;

/// The attributes that say which destination a request is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameAttributes<'a> {
    /// `ADDR`
    pub address: Option<&'a [u8]>,
    /// `PORT`
    pub port: Option<&'a [u8]>,
    /// `ADDR_FAMILY`
    pub family: Option<&'a [u8]>,
}

/// Which destination a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    address: [u8; 16],
    port: u16,
    /// 0 for that of the service.
    family: u16,
}

impl Name {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsDestination`].
    pub fn read(given: &NameAttributes<'_>) -> Result<Self, Refusal> {
        let (Some(address), Some(number)) = (given.address, given.port) else {
            return Err(Refusal::IpvsDestination);
        };
        Ok(Self {
            address: padded(address),
            port: port(number),
            family: given.family.map_or(0, number16),
        })
    }

    /// Returns the key, for a service of the family `of`.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsFamily`].
    pub fn key(&self, of: Family) -> Result<DestinationKey, Refusal> {
        let family = match self.family {
            // Clients older than the attribute have one family.
            0 => of,
            number => family(number)?,
        };
        Ok(DestinationKey {
            address: address(family, &self.address),
            port: self.port,
        })
    }
}

/// The other attributes of a destination.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `FWD_METHOD`
    pub method: Option<&'a [u8]>,
    /// `WEIGHT`
    pub weight: Option<&'a [u8]>,
    /// `U_THRESH`
    pub upper: Option<&'a [u8]>,
    /// `L_THRESH`
    pub lower: Option<&'a [u8]>,
    /// `TUN_TYPE`
    pub tunnel_type: Option<&'a [u8]>,
    /// `TUN_PORT`
    pub tunnel_port: Option<&'a [u8]>,
}

/// What a destination is to be, as far as IPVS can say it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    method: u32,
    weight: u32,
    upper: u32,
    lower: u32,
    tunnel_type: u8,
    tunnel_port: u16,
}

impl Wanted {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsDestinationParts`].
    pub fn read(given: &Attributes<'_>) -> Result<Self, Refusal> {
        let (Some(method), Some(weight), Some(upper), Some(lower)) =
            (given.method, given.weight, given.upper, given.lower)
        else {
            return Err(Refusal::IpvsDestinationParts);
        };
        let [tunnel_type] = padded(given.tunnel_type.unwrap_or(&[]));
        Ok(Self {
            method: number32(method) & METHOD_BITS,
            weight: number32(weight),
            upper: number32(upper),
            lower: number32(lower),
            tunnel_type,
            tunnel_port: given.tunnel_port.map_or(0, port),
        })
    }

    /// Checks what does not depend on whether there is such a destination, which ip_vs looks at in
    /// this order too.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsMixedFamilies`], [`Refusal::IpvsTunnel`], [`Refusal::WeightRange`],
    /// [`Refusal::Thresholds`], [`Refusal::IpvsThresholdRange`] or [`Refusal::IpvsTunnelPort`].
    pub fn check(&self, service: Family, destination: Family) -> Result<(), Refusal> {
        if service != destination {
            return Err(match self.method {
                TUNNEL => Refusal::IpvsTunnel,
                _ => Refusal::IpvsMixedFamilies,
            });
        }
        if self.weight > MOST {
            return Err(Refusal::WeightRange);
        }
        if self.lower > self.upper {
            return Err(Refusal::Thresholds);
        }
        if self.upper > MOST {
            return Err(Refusal::IpvsThresholdRange);
        }
        if self.tunnel_type == GUE && self.tunnel_port == 0 {
            return Err(Refusal::IpvsTunnelPort);
        }
        Ok(())
    }

    /// Checks what ip_vs can do and this module cannot; the weight and the bounds.
    ///
    /// # Errors
    ///
    /// [`Refusal::IpvsLocalNode`], [`Refusal::IpvsTunnel`], [`Refusal::IpvsDirect`],
    /// [`Refusal::IpvsMethod`], [`Refusal::WeightRange`] or [`Refusal::Thresholds`].
    pub fn settings(&self) -> Result<(u16, Thresholds), Refusal> {
        match self.method {
            MASQUERADING => {}
            LOCAL_NODE => return Err(Refusal::IpvsLocalNode),
            TUNNEL => return Err(Refusal::IpvsTunnel),
            DIRECT => return Err(Refusal::IpvsDirect),
            _ => return Err(Refusal::IpvsMethod),
        }
        let weight = u16::try_from(self.weight).map_err(|_| Refusal::WeightRange)?;
        Ok((weight, Thresholds::new(self.upper, self.lower)?))
    }
}

/// Returns the method that is asked for of a new destination.
///
/// It is nat, whose packets are counted, as users of IPVS expect. A destination that joins others
/// which are steered to is steered to as well, as a service has one method; and so is one on a
/// loopback address, which nothing else reaches.
///
/// What ip_vs would forward to another host is refused, as it would never get a connection, and its
/// clients show no warnings. An address that may become the host's is taken.
///
/// # Errors
///
/// [`Refusal::IpvsRemote`], or what [`check_destination`] says.
pub fn method(
    service: &ServiceKey,
    destination: &DestinationKey,
    weight: u16,
    presence: Presence,
    route_localnet: bool,
    steers: bool,
) -> Result<Method, Refusal> {
    let check = |method| {
        let weight = u32::from(weight);
        check_destination(service, destination, method, weight, route_localnet)?;
        Ok(method.settled(service, destination, route_localnet))
    };
    let wanted = if steers { Method::Auto } else { Method::Nat };
    let checked = check(wanted).or_else(|refusal| match refusal {
        Refusal::LoopbackForNat4 | Refusal::LoopbackForNat6
            if service.protocol == Protocol::Tcp =>
        {
            check(Method::Auto)
        }
        other => Err(other),
    })?;
    match presence {
        Presence::Elsewhere => Err(Refusal::IpvsRemote),
        Presence::Here | Presence::Expected => Ok(checked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    const VIP: [u8; 4] = [192, 0, 2, 10];

    fn wanted(method: u32, weight: u32, upper: u32, lower: u32) -> Wanted {
        Wanted::read(&Attributes {
            method: Some(&method.to_ne_bytes()),
            weight: Some(&weight.to_ne_bytes()),
            upper: Some(&upper.to_ne_bytes()),
            lower: Some(&lower.to_ne_bytes()),
            ..Attributes::default()
        })
        .unwrap()
    }

    #[test]
    fn names() {
        let given = NameAttributes {
            address: Some(&VIP),
            port: Some(&[0x1f, 0x41]),
            family: None,
        };
        let name = Name::read(&given).unwrap();
        let key = DestinationKey {
            address: Address::V4(VIP),
            port: 8001,
        };
        assert_eq!(name.key(Family::V4), Ok(key));
        let named = |number: u16| {
            let number = number.to_ne_bytes();
            let family = Some(&number[..]);
            Name::read(&NameAttributes { family, ..given }).unwrap()
        };
        assert_eq!(named(0).key(Family::V4), Ok(key));
        assert_eq!(named(2).key(Family::V6), Ok(key));
        assert_eq!(named(1).key(Family::V4), Err(Refusal::IpvsFamily));
        let six = named(10).key(Family::V4).unwrap();
        assert_eq!(six.address.family(), Family::V6);
        for missing in [
            NameAttributes {
                address: None,
                ..given
            },
            NameAttributes {
                port: None,
                ..given
            },
        ] {
            assert_eq!(Name::read(&missing), Err(Refusal::IpvsDestination));
        }
    }

    #[test]
    fn parts_that_are_missing() {
        let whole = Attributes {
            method: Some(&[0; 4]),
            weight: Some(&[0; 4]),
            upper: Some(&[0; 4]),
            lower: Some(&[0; 4]),
            ..Attributes::default()
        };
        assert!(Wanted::read(&whole).is_ok());
        let mut cases = [whole; 4];
        cases[0].method = None;
        cases[1].weight = None;
        cases[2].upper = None;
        cases[3].lower = None;
        for case in cases {
            let refused = Wanted::read(&case).map(|_| ());
            assert_eq!(refused, Err(Refusal::IpvsDestinationParts));
        }
    }

    #[test]
    fn checks_are_in_the_order_of_ip_vs() {
        let check = |wanted: Wanted| wanted.check(Family::V4, Family::V4);
        let (most, more) = (MOST, MOST + 1);
        assert_eq!(check(wanted(0, most, most, most)), Ok(()));
        assert_eq!(check(wanted(0, more, 1, 2)), Err(Refusal::WeightRange));
        assert_eq!(
            check(wanted(0, 1, more, u32::MAX)),
            Err(Refusal::Thresholds)
        );
        assert_eq!(check(wanted(0, 1, 0, 1)), Err(Refusal::Thresholds));
        assert_eq!(
            check(wanted(0, 1, more, 0)),
            Err(Refusal::IpvsThresholdRange)
        );
        let gue = |tunnel_port| Wanted {
            tunnel_type: GUE,
            tunnel_port,
            ..wanted(2, 1, 0, 0)
        };
        assert_eq!(check(gue(0)), Err(Refusal::IpvsTunnelPort));
        assert_eq!(check(gue(5555)), Ok(()));
        let mixed = |method| wanted(method, more, 0, 0).check(Family::V4, Family::V6);
        assert_eq!(mixed(0), Err(Refusal::IpvsMixedFamilies));
        assert_eq!(mixed(2), Err(Refusal::IpvsTunnel));
    }

    #[test]
    fn methods_that_there_are() {
        let bounds = Thresholds::new(100, 80).unwrap();
        assert_eq!(wanted(0, 7, 100, 80).settings(), Ok((7, bounds)));
        // The bits above the method are ignored.
        assert_eq!(wanted(0x100, 7, 100, 80).settings(), Ok((7, bounds)));
        for (method, expected) in [
            (1, Refusal::IpvsLocalNode),
            (2, Refusal::IpvsTunnel),
            (3, Refusal::IpvsDirect),
            (4, Refusal::IpvsMethod),
            (7, Refusal::IpvsMethod),
        ] {
            assert_eq!(wanted(method, 1, 0, 0).settings(), Err(expected));
        }
        let heavy = wanted(0, 65536, 0, 0).settings();
        assert_eq!(heavy, Err(Refusal::WeightRange));
    }

    #[test]
    fn methods_of_new_destinations() {
        let tcp = ServiceKey::new(6, &VIP, 80).unwrap();
        let udp = ServiceKey::new(17, &VIP, 80).unwrap();
        let at = |octets: [u8; 4]| DestinationKey {
            address: Address::V4(octets),
            port: 8001,
        };
        let loopback = [127, 0, 0, 1];
        let far = [10, 0, 0, 9];
        use Presence::{Elsewhere, Expected, Here};
        for (service, octets, presence, steers, expected) in [
            (&tcp, VIP, Here, false, Ok(Method::Nat)),
            (&udp, VIP, Here, false, Ok(Method::Nat)),
            (&tcp, VIP, Here, true, Ok(Method::Auto)),
            (&tcp, VIP, Expected, false, Ok(Method::Nat)),
            (&udp, VIP, Expected, false, Ok(Method::Nat)),
            (&tcp, VIP, Expected, true, Ok(Method::Auto)),
            (&tcp, loopback, Here, false, Ok(Method::Steer)),
            (&tcp, loopback, Here, true, Ok(Method::Steer)),
            (&udp, loopback, Here, false, Err(Refusal::LoopbackForNat4)),
            (&tcp, far, Elsewhere, false, Err(Refusal::IpvsRemote)),
            (&tcp, far, Elsewhere, true, Err(Refusal::IpvsRemote)),
            (
                &tcp,
                [224, 0, 0, 1],
                Elsewhere,
                false,
                Err(Refusal::NotUnicast),
            ),
        ] {
            let got = method(service, &at(octets), 1, presence, false, steers);
            assert_eq!(got, expected, "{octets:?} {steers}");
        }
        let routed = method(&tcp, &at(loopback), 1, Here, true, false);
        assert_eq!(routed, Ok(Method::Nat));
    }
}
