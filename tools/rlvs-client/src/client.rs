// SPDX-License-Identifier: GPL-2.0

//! The family's operations.

use std::net::IpAddr;

use crate::attribute::{Attr, Attributes, Binary, Builder};
use crate::endpoint::{DestinationRange, ServiceId};
use crate::error::Error;
use crate::flags;
use crate::malformed::Malformed;
use crate::model::{Connection, Counters, Destination, Service, Template, Timeouts};
use crate::refusal::Refusal;
use crate::request::{Message, Request};
use crate::settings::{DestinationSettings, ServiceSettings, SocketUser, TimeoutSettings};
use crate::spec::{self, command};
use crate::transport::Transport;

/// The family's operations over a transport.
///
/// A method that changes something returns the kernel's note about it, if there is one: a warning
/// about a change that was made, such as of an address that is not one of this host.
///
/// # Errors
///
/// Every method returns [`Error::Refused`] if the kernel refuses the request, which then has
/// changed nothing, and the errors of its [`Transport`]. A method that reads returns
/// [`Error::Reply`] if the reply is not what the specification says.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
}

/// `ESRCH`: there is no such service.
const ESRCH: i32 = 3;

impl<T: Transport> Client<T> {
    /// Makes a client that uses the given transport.
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    /// Adds a virtual service; without a scheduler the kernel chooses one.
    ///
    /// # Errors
    ///
    /// [`Error::Flags`] if the flags do not fit together or not the scheduler.
    pub fn add_service(
        &mut self,
        service: &ServiceId,
        settings: &ServiceSettings,
    ) -> Result<Option<String>, Error> {
        let request = service_settings(service, settings, || Ok(settings.scheduler.clone()))?;
        self.change(&Request::new(&command::SERVICE_ADD, request))
    }

    /// Changes a virtual service. A new scheduler clears the flags that belong to a scheduler.
    ///
    /// If the flags depend on the scheduler and the settings name none, the kernel is asked for the
    /// service's.
    ///
    /// # Errors
    ///
    /// [`Error::Flags`] if the flags do not fit together or not the scheduler.
    pub fn set_service(
        &mut self,
        service: &ServiceId,
        settings: &ServiceSettings,
    ) -> Result<Option<String>, Error> {
        let request = service_settings(service, settings, || match &settings.scheduler {
            Some(scheduler) => Ok(Some(scheduler.clone())),
            None => self.scheduler(service).map(Some),
        })?;
        self.change(&Request::new(&command::SERVICE_SET, request))
    }

    /// Asks the kernel for the scheduler of a service.
    fn scheduler(&mut self, service: &ServiceId) -> Result<String, Error> {
        let request = Request::new(&command::SERVICE_GET, identity(service));
        let reply = self.transport.request(&request)?;
        let scheduler = reply.attributes()?.require(spec::service::SCHEDULER)?;
        Ok(scheduler.to_string())
    }

    /// Deletes a virtual service. Its connections finish by themselves unless `now` cuts them.
    pub fn delete_service(
        &mut self,
        service: &ServiceId,
        now: bool,
    ) -> Result<Option<String>, Error> {
        let mut request = identity(service);
        request.put_some(spec::service::CUT, now.then_some(()));
        self.change(&Request::new(&command::SERVICE_DEL, request))
    }

    /// Zeroes the statistics of one service, or of all.
    pub fn zero(&mut self, service: Option<&ServiceId>) -> Result<Option<String>, Error> {
        let request = service.map(identity).unwrap_or_default();
        self.change(&Request::new(&command::SERVICE_ZERO, request))
    }

    /// Adds a destination, or one on each port of a range: all of them, or none if one is refused.
    pub fn add_destinations(
        &mut self,
        service: &ServiceId,
        range: &DestinationRange,
        settings: &DestinationSettings,
    ) -> Result<Option<String>, Error> {
        let request = destination(service, range, settings);
        self.change(&Request::new(&command::DESTINATION_ADD, request))
    }

    /// Changes a destination, or those of a range.
    pub fn set_destinations(
        &mut self,
        service: &ServiceId,
        range: &DestinationRange,
        settings: &DestinationSettings,
    ) -> Result<Option<String>, Error> {
        let request = destination(service, range, settings);
        self.change(&Request::new(&command::DESTINATION_SET, request))
    }

    /// Deletes a destination, or those of a range. Their connections finish by themselves unless
    /// `now` cuts them.
    pub fn delete_destinations(
        &mut self,
        service: &ServiceId,
        range: &DestinationRange,
        now: bool,
    ) -> Result<Option<String>, Error> {
        let mut request = destination(service, range, &DestinationSettings::default());
        request.put_some(spec::destination::CUT, now.then_some(()));
        self.change(&Request::new(&command::DESTINATION_DEL, request))
    }

    /// Deletes every service. Their connections finish by themselves unless `now` cuts them.
    pub fn flush(&mut self, now: bool) -> Result<Option<String>, Error> {
        let mut request = Builder::default();
        request.put_some(spec::service::CUT, now.then_some(()));
        self.change(&Request::new(&command::FLUSH, request))
    }

    /// Lists one service or all of them with their destinations, by protocol, address and port.
    pub fn list(&mut self, service: Option<&ServiceId>) -> Result<Vec<Service>, Error> {
        let mut services = self.list_as_added(service)?;
        for service in &mut services {
            sort(&mut service.destinations);
        }
        Ok(services)
    }

    /// Lists one service or all of them, by protocol, address and port, each with its destinations
    /// in the order in which they were added, which some schedulers go by.
    pub fn list_as_added(&mut self, service: Option<&ServiceId>) -> Result<Vec<Service>, Error> {
        let request = match service {
            Some(service) => Request::new(&command::SERVICE_GET, identity(service)),
            None => Request::dump(&command::SERVICE_GET, Builder::default()),
        };
        let mut services = Vec::new();
        for message in self.transport.request(&request)?.messages {
            let mut found = Service::decode(message.attributes())?;
            match self.destinations_as_added(&found.id) {
                Ok(destinations) => found.destinations = destinations,
                // The service was deleted after it was listed.
                Err(Error::Refused(Refusal { errno: ESRCH, .. })) if service.is_none() => continue,
                Err(error) => return Err(error),
            }
            services.push(found);
        }
        services.sort_by_key(|service| service.id);
        Ok(services)
    }

    /// Lists the destinations of a service, by address and port.
    pub fn destinations(&mut self, service: &ServiceId) -> Result<Vec<Destination>, Error> {
        let mut destinations = self.destinations_as_added(service)?;
        sort(&mut destinations);
        Ok(destinations)
    }

    /// Lists the destinations of a service in the order in which they were added.
    fn destinations_as_added(&mut self, service: &ServiceId) -> Result<Vec<Destination>, Error> {
        let mut request = Builder::default();
        request.put(spec::destination::SERVICE, identity(service).attributes());
        let request = Request::dump(&command::DESTINATION_GET, request);
        let reply = self.transport.request(&request)?;
        Ok(decode_all(&reply.messages, Destination::decode)?)
    }

    /// Lists all connection entries, in the order of [`Connection`].
    pub fn connections(&mut self) -> Result<Vec<Connection>, Error> {
        let request = Request::dump(&command::CONNECTION_GET, Builder::default());
        let reply = self.transport.request(&request)?;
        let mut connections = decode_all(&reply.messages, Connection::decode)?;
        connections.sort();
        Ok(connections)
    }

    /// Lists all persistence templates, in the order of [`Template`].
    pub fn templates(&mut self) -> Result<Vec<Template>, Error> {
        let request = Request::dump(&command::TEMPLATE_GET, Builder::default());
        let reply = self.transport.request(&request)?;
        let mut templates = decode_all(&reply.messages, Template::decode)?;
        templates.sort();
        Ok(templates)
    }

    /// Reads the counters of the namespace.
    pub fn counters(&mut self) -> Result<Counters, Error> {
        let request = Request::new(&command::COUNTERS_GET, Builder::default());
        let reply = self.transport.request(&request)?;
        Ok(Counters::decode(reply.attributes()?)?)
    }

    /// Reads the timeouts of the namespace, defaults included.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let request = Request::new(&command::TIMEOUTS_GET, Builder::default());
        let reply = self.transport.request(&request)?;
        Ok(Timeouts::decode(reply.attributes()?)?)
    }

    /// Sets timeouts of the namespace.
    pub fn set_timeouts(&mut self, settings: &TimeoutSettings) -> Result<Option<String>, Error> {
        use spec::timeouts::*;
        let mut request = Builder::default();
        request
            .put_some(TCP, settings.tcp)
            .put_some(TCP_FIN, settings.tcp_fin)
            .put_some(UDP, settings.udp);
        self.change(&Request::new(&command::TIMEOUTS_SET, request))
    }

    /// Sends a request whose reply has no messages; returns the kernel's note.
    fn change(&mut self, request: &Request) -> Result<Option<String>, Error> {
        Ok(self.transport.request(request)?.note)
    }
}

/// Sorts destinations by address and port.
fn sort(destinations: &mut [Destination]) {
    destinations.sort_by_key(|destination| (destination.address, destination.port));
}

/// Reads every message of a reply.
fn decode_all<V>(
    messages: &[Message],
    decode: impl Fn(Attributes<'_>) -> Result<V, Malformed>,
) -> Result<Vec<V>, Malformed> {
    messages
        .iter()
        .map(|message| decode(message.attributes()))
        .collect()
}

/// Returns the attributes that identify a service.
fn identity(service: &ServiceId) -> Builder {
    let mut attributes = Builder::default();
    attributes.put(spec::service::PROTOCOL, service.protocol.0);
    put_address(&mut attributes, spec::service::ADDRESS, service.address);
    attributes.put(spec::service::PORT, service.port);
    attributes
}

/// Returns the attributes that identify a service and those that are to be set. `scheduler` returns
/// the service's scheduler, or `None` if the kernel is to choose it.
fn service_settings(
    service: &ServiceId,
    settings: &ServiceSettings,
    scheduler: impl FnOnce() -> Result<Option<String>, Error>,
) -> Result<Builder, Error> {
    use spec::service::*;
    let mut attributes = identity(service);
    attributes.put_some(SCHEDULER, settings.scheduler.as_deref());
    if let Some(flags) = &settings.flags {
        attributes.put(FLAGS, flags::bits(flags, scheduler)?);
    }
    attributes
        .put_some(TABLE_SIZE, settings.table_size)
        .put_some(TIMEOUT_TCP, settings.timeout_tcp)
        .put_some(TIMEOUT_FIN, settings.timeout_fin)
        .put_some(TIMEOUT_UDP, settings.timeout_udp)
        .put_some(PERSISTENT, settings.persistent)
        .put_some(PERSISTENT_PREFIX, settings.persistent_prefix)
        .put_some(SLOW_START, settings.slow_start);
    Ok(attributes)
}

/// The value of `user` that stands for every user.
const ANY_USER: u32 = u32::MAX;

/// Returns the attributes of a destination, or of one on each port of a range.
fn destination(
    service: &ServiceId,
    range: &DestinationRange,
    settings: &DestinationSettings,
) -> Builder {
    use spec::destination::*;
    let mut attributes = Builder::default();
    attributes.put(SERVICE, identity(service).attributes());
    if let Some(address) = range.address {
        put_address(&mut attributes, ADDRESS, address);
    }
    let user = settings.user.map(|user| match user {
        SocketUser::Any => ANY_USER,
        SocketUser::Only(number) => number,
    });
    attributes
        .put(PORT, range.first)
        .put_some(LAST_PORT, range.last)
        .put_some(METHOD, settings.method.map(|method| method.0))
        .put_some(WEIGHT, settings.weight)
        .put_some(MAX_CONNECTIONS, settings.max_connections)
        .put_some(MIN_CONNECTIONS, settings.min_connections)
        .put_some(PRIVATE, settings.private.map(u8::from))
        .put_some(USER, user);
    attributes
}

/// Appends an address in network byte order.
fn put_address(attributes: &mut Builder, attr: Attr<Binary>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => attributes.put(attr, &address.octets()),
        IpAddr::V6(address) => attributes.put(attr, &address.octets()),
    };
}
