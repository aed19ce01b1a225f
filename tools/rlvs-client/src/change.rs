// SPDX-License-Identifier: GPL-2.0

//! Changes of a configuration, one request each, and how they are written: as arguments of the
//! command `rlvs`.

use std::fmt::{self, Display};
use std::net::IpAddr;

use crate::client::Client;
use crate::configuration::{Configuration, Destination, Misfit, Service};
use crate::endpoint::{DestinationRange, ServiceId};
use crate::error::Error;
use crate::settings::{DestinationSettings, ServiceSettings, SocketUser, TimeoutSettings};
use crate::transport::Transport;

/// A change of a configuration, which is one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a service without destinations.
    AddService(ServiceId, ServiceSettings),
    /// Changes a service.
    SetService(ServiceId, ServiceSettings),
    /// Deletes a service with its destinations.
    DeleteService(ServiceId),
    /// Adds destinations: all of the range or none.
    AddDestinations(ServiceId, DestinationRange, DestinationSettings),
    /// Changes destinations: all of the range or none.
    SetDestinations(ServiceId, DestinationRange, DestinationSettings),
    /// Deletes destinations: all of the range or none.
    DeleteDestinations(ServiceId, DestinationRange),
    /// Sets timeouts of the namespace.
    SetTimeouts(TimeoutSettings),
}

impl Change {
    /// Has the kernel make the change; returns its note.
    ///
    /// # Errors
    ///
    /// Those of [`Client`]'s methods.
    pub fn request<T: Transport>(&self, client: &mut Client<T>) -> Result<Option<String>, Error> {
        match self {
            Self::AddService(id, settings) => client.add_service(id, settings),
            Self::SetService(id, settings) => client.set_service(id, settings),
            Self::DeleteService(id) => client.delete_service(id, false),
            Self::AddDestinations(id, range, settings) => {
                client.add_destinations(id, range, settings)
            }
            Self::SetDestinations(id, range, settings) => {
                client.set_destinations(id, range, settings)
            }
            Self::DeleteDestinations(id, range) => client.delete_destinations(id, range, false),
            Self::SetTimeouts(settings) => client.set_timeouts(settings),
        }
    }

    /// Makes the change in `configuration`.
    ///
    /// # Errors
    ///
    /// The [`Misfit`] of what cannot be changed so; nothing has changed then.
    pub fn make(&self, configuration: &mut Configuration) -> Result<(), Misfit> {
        match self {
            Self::AddService(id, settings) => configuration.add_service(*id, settings)?,
            Self::SetService(id, given) => {
                let service = configuration.service_mut(id)?;
                let settings = over(&service.settings, given);
                service.settings = Service::new(*id, &settings)?.settings;
            }
            Self::DeleteService(id) => {
                configuration.service_mut(id)?;
                configuration.services.retain(|service| service.id != *id);
            }
            Self::AddDestinations(id, range, settings) => {
                let service = configuration.service_mut(id)?;
                service.add_destinations(range, settings)?;
            }
            Self::SetDestinations(id, range, given) => {
                let service = configuration.service_mut(id)?;
                let all = service.destinations.iter_mut();
                for destination in all.filter(|d| range.has(id, d.address, d.port)) {
                    let old = &mut destination.settings;
                    old.weight = given.weight.or(old.weight);
                    old.max_connections = given.max_connections.or(old.max_connections);
                    old.min_connections = given.min_connections.or(old.min_connections);
                    old.method = given.method.or(old.method);
                    old.private = given.private.or(old.private);
                    old.user = given.user.or(old.user);
                }
            }
            Self::DeleteDestinations(id, range) => {
                let service = configuration.service_mut(id)?;
                let stays = |d: &Destination| !range.has(id, d.address, d.port);
                service.destinations.retain(stays);
            }
            Self::SetTimeouts(settings) => configuration.set_timeouts(settings),
        }
        Ok(())
    }
}

/// Returns the settings of a service after a request. Another scheduler comes without flags of its
/// own and with the usual table, and what is not persistent has no prefix.
fn over(old: &ServiceSettings, given: &ServiceSettings) -> ServiceSettings {
    let is_other = given.scheduler.is_some() && given.scheduler != old.scheduler;
    let table_size = old.table_size.filter(|_| !is_other);
    let persistent = given.persistent.or(old.persistent);
    let prefix = old.persistent_prefix.filter(|_| persistent != Some(0));
    let mut flags = old.flags.clone().unwrap_or_default();
    flags.retain(|flag| !is_other || !flag.is_of_scheduler());
    ServiceSettings {
        scheduler: given.scheduler.clone().or_else(|| old.scheduler.clone()),
        flags: Some(given.flags.clone().unwrap_or(flags)),
        table_size: given.table_size.or(table_size),
        timeout_tcp: given.timeout_tcp.or(old.timeout_tcp),
        timeout_fin: given.timeout_fin.or(old.timeout_fin),
        timeout_udp: given.timeout_udp.or(old.timeout_udp),
        persistent,
        persistent_prefix: given.persistent_prefix.or(prefix),
        slow_start: given.slow_start.or(old.slow_start),
    }
}

/// Joins neighbours of a list that have one address, ports that follow each other, and equal
/// values to ranges.
pub(crate) fn ranges<V: PartialEq>(
    service: &ServiceId,
    each: impl IntoIterator<Item = (IpAddr, u16, V)>,
) -> Vec<(DestinationRange, V)> {
    let mut joined: Vec<(DestinationRange, V)> = Vec::new();
    for (address, port, value) in each {
        let address = Some(address).filter(|address| *address != service.address);
        if let Some((range, last)) = joined.last_mut() {
            let next = range.last.unwrap_or(range.first).checked_add(1);
            if range.address == address && next == Some(port) && *last == value {
                range.last = Some(port);
                continue;
            }
        }
        let range = DestinationRange {
            address,
            first: port,
            last: None,
        };
        joined.push((range, value));
    }
    joined
}

/// Returns the changes that add a service with its destinations to a namespace that has no such
/// service.
pub fn additions(service: &Service) -> Vec<Change> {
    let mut changes = vec![Change::AddService(service.id, service.needed())];
    changes.extend(added(&service.id, &service.destinations));
    changes
}

/// Returns the changes that add these destinations to a service, in their order.
pub(crate) fn added<'a>(
    service: &'a ServiceId,
    destinations: impl IntoIterator<Item = &'a Destination>,
) -> impl Iterator<Item = Change> + 'a {
    let each = destinations.into_iter();
    let each = each.map(|d| (d.address, d.port, d.needed()));
    let add = |(range, needed)| Change::AddDestinations(*service, range, needed);
    ranges(service, each).into_iter().map(add)
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(id, settings) => {
                write!(f, "service add {id}")?;
                service_options(settings, f)
            }
            Self::SetService(id, settings) => {
                write!(f, "service edit {id}")?;
                service_options(settings, f)
            }
            Self::DeleteService(id) => write!(f, "service del {id}"),
            Self::AddDestinations(id, range, settings) => {
                write!(f, "dest add {id} {range}")?;
                destination_options(settings, f)
            }
            Self::SetDestinations(id, range, settings) => {
                write!(f, "dest edit {id} {range}")?;
                destination_options(settings, f)
            }
            Self::DeleteDestinations(id, range) => write!(f, "dest del {id} {range}"),
            Self::SetTimeouts(settings) => {
                f.write_str("timeouts")?;
                option("tcp", settings.tcp, f)?;
                option("tcp-fin", settings.tcp_fin, f)?;
                option("udp", settings.udp, f)
            }
        }
    }
}

/// Writes an option if it has a value.
fn option(name: &str, value: Option<impl Display>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " --{name} {value}"))
}

fn service_options(settings: &ServiceSettings, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let flags = settings.flags.as_ref().map(|flags| {
        let names: Vec<_> = flags.iter().map(|flag| flag.name()).collect();
        match names.is_empty() {
            true => "none".to_string(),
            false => names.join(","),
        }
    });
    option("scheduler", settings.scheduler.as_ref(), f)?;
    option("flags", flags, f)?;
    option("table-size", settings.table_size, f)?;
    option("timeout-tcp", settings.timeout_tcp, f)?;
    option("timeout-fin", settings.timeout_fin, f)?;
    option("timeout-udp", settings.timeout_udp, f)?;
    option("persistent", settings.persistent, f)?;
    option("prefix", settings.persistent_prefix, f)?;
    option("slow-start", settings.slow_start, f)
}

fn destination_options(settings: &DestinationSettings, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    option("weight", settings.weight, f)?;
    option("max-connections", settings.max_connections, f)?;
    option("min-connections", settings.min_connections, f)?;
    option("method", settings.method, f)?;
    match settings.private {
        Some(true) => f.write_str(" --private")?,
        Some(false) => f.write_str(" --public")?,
        None => {}
    }
    match settings.user {
        Some(SocketUser::Only(number)) => write!(f, " --user {number}"),
        Some(SocketUser::Any) => f.write_str(" --any-user"),
        None => Ok(()),
    }
}
