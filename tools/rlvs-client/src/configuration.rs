// SPDX-License-Identifier: GPL-2.0

//! What is configured in a network namespace, apart from what it has carried.

use std::fmt;
use std::net::IpAddr;

use crate::client::Client;
use crate::endpoint::{DestinationRange, ServiceId};
use crate::error::Error;
use crate::flags::{self, Flag, FlagsError};
use crate::malformed::Malformed;
use crate::method::Method;
use crate::model;
use crate::settings::{DestinationSettings, ServiceSettings, SocketUser, TimeoutSettings};
use crate::spec;
use crate::transport::Transport;

/// The scheduler of a new service, as `service-add` has it.
const SCHEDULER: &str = "wlc";
/// The scheduler that has a table of several sizes.
const WITH_TABLE: &str = "mh";
/// Slots of the table of `mh` where a request has no `table-size`.
const TABLE_SIZE: u32 = 4093;
/// The largest weight.
const MOST_WEIGHT: u32 = 65535;

/// The timeouts of a namespace in which none is set.
pub const DEFAULT_TIMEOUTS: TimeoutSettings = TimeoutSettings {
    tcp: Some(900),
    tcp_fin: Some(120),
    udp: Some(300),
};

/// What is configured in a network namespace.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Timeouts of the namespace, never 0; `None` where the configuration does not have one.
    pub timeouts: TimeoutSettings,
    /// The virtual services.
    pub services: Vec<Service>,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Protocol, address and port.
    pub id: ServiceId,
    /// All settings. `None` are only `table_size` and `persistent_prefix`, of a service that
    /// cannot have them.
    pub settings: ServiceSettings,
    /// The destinations, in the order in which they are added.
    pub destinations: Vec<Destination>,
}

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Address; unspecified if it is the one that the client connects to.
    pub address: IpAddr,
    /// Port, host byte order.
    pub port: u16,
    /// All settings; none is `None`.
    pub settings: DestinationSettings,
}

/// Why something cannot be part of a configuration. The kernel may refuse more than that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misfit {
    /// The flags do not fit together or not the scheduler.
    Flags(FlagsError),
    /// A table size for a scheduler that has no table of different sizes.
    NoTable,
    /// A prefix length for a service that is not persistent.
    NotPersistent,
    /// The weight has more than 16 bits.
    Weight,
    /// The lower threshold is above the upper one.
    Thresholds,
    /// A port is 0.
    PortZero,
    /// The last port of a range is below its first.
    PortRange,
    /// Service and destination are of different address families.
    Family,
    /// The service is there already.
    ServiceExists(ServiceId),
    /// The destination is there already.
    DestinationExists(DestinationRange),
    /// There is no such service.
    NoService(ServiceId),
}

impl std::error::Error for Misfit {}

impl From<FlagsError> for Misfit {
    fn from(error: FlagsError) -> Self {
        Self::Flags(error)
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(error) => error.fmt(f),
            Self::NoTable => write!(f, "only the scheduler {WITH_TABLE} has a table size"),
            Self::NotPersistent => {
                f.write_str("only a persistent service has a prefix length: add --persistent")
            }
            Self::Weight => write!(f, "weight out of range: use 0 to {MOST_WEIGHT}"),
            Self::Thresholds => f.write_str("min-connections is above max-connections"),
            Self::PortZero => f.write_str("port 0 cannot be served: use a port from 1 to 65535"),
            Self::PortRange => f.write_str("the last port is below the first: swap them"),
            Self::Family => f.write_str("service and destination differ in address family"),
            Self::ServiceExists(id) => write!(f, "the service {id} is there already"),
            Self::DestinationExists(range) => {
                write!(f, "the destination {range} is there already")
            }
            Self::NoService(id) => write!(f, "there is no service {id} before this: add it first"),
        }
    }
}

/// Returns how many bits an address of a service's family has.
fn address_bits(id: &ServiceId) -> u8 {
    if id.address.is_ipv4() {
        32
    } else {
        128
    }
}

impl Service {
    /// Makes a service without destinations. What is not given is as the kernel has it of a new
    /// service.
    ///
    /// # Errors
    ///
    /// The [`Misfit`] of settings that no service can have.
    pub fn new(id: ServiceId, given: &ServiceSettings) -> Result<Self, Misfit> {
        let scheduler = given.scheduler.clone();
        let scheduler = scheduler.unwrap_or_else(|| SCHEDULER.to_string());
        let flags = given.flags.as_deref().unwrap_or_default();
        let flags = flags::normal(flags, &scheduler)?;
        let table_size = match given.table_size {
            slots if scheduler == WITH_TABLE => Some(slots.unwrap_or(TABLE_SIZE)),
            Some(_) => return Err(Misfit::NoTable),
            None => None,
        };
        let persistent = given.persistent.unwrap_or(0);
        let persistent_prefix = match given.persistent_prefix {
            prefix if persistent != 0 => Some(prefix.unwrap_or_else(|| address_bits(&id))),
            Some(_) => return Err(Misfit::NotPersistent),
            None => None,
        };
        Ok(Self {
            id,
            settings: ServiceSettings {
                scheduler: Some(scheduler),
                flags: Some(flags),
                table_size,
                timeout_tcp: Some(given.timeout_tcp.unwrap_or(0)),
                timeout_fin: Some(given.timeout_fin.unwrap_or(0)),
                timeout_udp: Some(given.timeout_udp.unwrap_or(0)),
                persistent: Some(persistent),
                persistent_prefix,
                slow_start: Some(given.slow_start.unwrap_or(0)),
            },
            destinations: Vec::new(),
        })
    }

    /// Returns the settings that a request to add the service needs: the scheduler, and what is
    /// not as the kernel has it of a new service.
    pub fn needed(&self) -> ServiceSettings {
        let all = &self.settings;
        let set = |seconds: Option<u32>| seconds.filter(|seconds| *seconds != 0);
        let usual_prefix = address_bits(&self.id);
        ServiceSettings {
            scheduler: all.scheduler.clone(),
            flags: all.flags.clone().filter(|flags| !flags.is_empty()),
            table_size: all.table_size.filter(|slots| *slots != TABLE_SIZE),
            timeout_tcp: set(all.timeout_tcp),
            timeout_fin: set(all.timeout_fin),
            timeout_udp: set(all.timeout_udp),
            persistent: set(all.persistent),
            persistent_prefix: all
                .persistent_prefix
                .filter(|prefix| *prefix != usual_prefix),
            slow_start: set(all.slow_start),
        }
    }

    /// Returns `true` if the service has this flag.
    pub fn has_flag(&self, name: &str) -> bool {
        let flags = self.settings.flags.as_deref().unwrap_or_default();
        flags.iter().any(|flag| flag.name() == name)
    }

    /// Returns the destinations that are in a range, in their order.
    pub fn within<'a>(
        &'a self,
        range: &'a DestinationRange,
    ) -> impl Iterator<Item = &'a Destination> {
        let all = self.destinations.iter();
        all.filter(|d| range.has(&self.id, d.address, d.port))
    }

    /// Adds a destination, or one on each port of a range, behind the others. What is not given is
    /// as the kernel has it of a new destination.
    ///
    /// # Errors
    ///
    /// The [`Misfit`] of a destination that the service cannot have; none was added then.
    pub fn add_destinations(
        &mut self,
        range: &DestinationRange,
        given: &DestinationSettings,
    ) -> Result<(), Misfit> {
        let address = range.address.unwrap_or(self.id.address);
        let ports = range.first..=range.last.unwrap_or(range.first);
        let weight = given.weight.unwrap_or(1);
        let (max, min) = (given.max_connections, given.min_connections);
        let (max, min) = (max.unwrap_or(0), min.unwrap_or(0));
        let is_known = self.within(range).next().is_some();
        if range.first == 0 {
            return Err(Misfit::PortZero);
        } else if ports.is_empty() {
            return Err(Misfit::PortRange);
        } else if address.is_ipv4() != self.id.address.is_ipv4() {
            return Err(Misfit::Family);
        } else if weight > MOST_WEIGHT {
            return Err(Misfit::Weight);
        } else if min > max {
            return Err(Misfit::Thresholds);
        } else if is_known {
            return Err(Misfit::DestinationExists(*range));
        }
        let settings = DestinationSettings {
            weight: Some(weight),
            max_connections: Some(max),
            min_connections: Some(min),
            method: Some(given.method.unwrap_or(Method::AUTO)),
            private: Some(given.private.unwrap_or(false)),
            user: Some(given.user.unwrap_or(SocketUser::Any)),
        };
        self.destinations.extend(ports.map(|port| Destination {
            address,
            port,
            settings: settings.clone(),
        }));
        Ok(())
    }
}

impl Destination {
    /// Returns the settings that a request to add the destination needs: those that are not as the
    /// kernel has them of a new one.
    pub fn needed(&self) -> DestinationSettings {
        let all = &self.settings;
        DestinationSettings {
            weight: all.weight.filter(|weight| *weight != 1),
            max_connections: all.max_connections.filter(|max| *max != 0),
            min_connections: all.min_connections.filter(|min| *min != 0),
            method: all.method.filter(|method| *method != Method::AUTO),
            private: all.private.filter(|private| *private),
            user: all.user.filter(|user| *user != SocketUser::Any),
        }
    }
}

impl Configuration {
    /// Reads what is configured in the namespace.
    ///
    /// # Errors
    ///
    /// Those of [`Client`]'s methods; [`Error::Reply`] also if the module is newer than this
    /// library and something is set that it has no name for.
    pub fn read<T: Transport>(client: &mut Client<T>) -> Result<Self, Error> {
        let timeouts = client.timeouts()?;
        let services = client.list_as_added(None)?;
        let services = services.iter().map(configured);
        Ok(Self {
            timeouts: TimeoutSettings {
                tcp: Some(timeouts.tcp),
                tcp_fin: Some(timeouts.tcp_fin),
                udp: Some(timeouts.udp),
            },
            services: services.collect::<Result<_, _>>()?,
        })
    }

    /// Returns a service.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|service| service.id == *id)
    }

    /// Returns a service to change it.
    ///
    /// # Errors
    ///
    /// [`Misfit::NoService`] if there is none of this kind.
    pub fn service_mut(&mut self, id: &ServiceId) -> Result<&mut Service, Misfit> {
        let mut services = self.services.iter_mut();
        let found = services.find(|service| service.id == *id);
        found.ok_or(Misfit::NoService(*id))
    }

    /// Adds a service without destinations.
    ///
    /// # Errors
    ///
    /// [`Misfit::PortZero`], [`Misfit::ServiceExists`] or those of [`Service::new`].
    pub fn add_service(&mut self, id: ServiceId, given: &ServiceSettings) -> Result<(), Misfit> {
        if id.port == 0 {
            return Err(Misfit::PortZero);
        }
        if self.service(&id).is_some() {
            return Err(Misfit::ServiceExists(id));
        }
        self.services.push(Service::new(id, given)?);
        Ok(())
    }

    /// Sets timeouts of the namespace; 0 is the default.
    pub fn set_timeouts(&mut self, given: &TimeoutSettings) {
        let settled = |given: Option<u32>, usual: Option<u32>, old: Option<u32>| match given {
            Some(0) => usual,
            Some(seconds) => Some(seconds),
            None => old,
        };
        let (old, usual) = (self.timeouts, DEFAULT_TIMEOUTS);
        self.timeouts = TimeoutSettings {
            tcp: settled(given.tcp, usual.tcp, old.tcp),
            tcp_fin: settled(given.tcp_fin, usual.tcp_fin, old.tcp_fin),
            udp: settled(given.udp, usual.udp, old.udp),
        };
    }
}

/// Returns what is configured of a service that the kernel reports.
fn configured(reported: &model::Service) -> Result<Service, Malformed> {
    let flags = reported.flags.iter().map(|name| name.parse::<Flag>());
    let flags = flags.collect::<Result<Vec<_>, _>>();
    let given = ServiceSettings {
        scheduler: Some(reported.scheduler.clone()),
        flags: Some(flags.map_err(|_| Malformed::Unknown("flags"))?),
        table_size: reported.table_size,
        timeout_tcp: reported.timeouts.timeout_tcp,
        timeout_fin: reported.timeouts.timeout_fin,
        timeout_udp: reported.timeouts.timeout_udp,
        persistent: reported.persistent,
        persistent_prefix: reported.persistent_prefix,
        slow_start: reported.slow_start,
    };
    let mut service =
        Service::new(reported.id, &given).map_err(|_| Malformed::Unknown("scheduler"))?;
    for destination in &reported.destinations {
        let method = destination.requested_method.unwrap_or(destination.method);
        if usize::from(method.0) >= spec::FORWARDING_METHOD.len() {
            return Err(Malformed::Unknown("method"));
        }
        service.destinations.push(Destination {
            address: destination.address,
            port: destination.port,
            settings: DestinationSettings {
                weight: Some(destination.weight),
                max_connections: Some(destination.max_connections),
                min_connections: Some(destination.min_connections),
                method: Some(method),
                private: Some(destination.private),
                user: Some(destination.user.map_or(SocketUser::Any, SocketUser::Only)),
            },
        });
    }
    Ok(service)
}
