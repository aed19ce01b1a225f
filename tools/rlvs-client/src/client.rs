// SPDX-License-Identifier: GPL-2.0

//! The commands as requests to the kernel.

use std::net::IpAddr;

use crate::attribute::{Attr, Binary, Builder};
use crate::endpoint::{DestinationRange, ServiceId};
use crate::error::{Error, Refusal};
use crate::flags;
use crate::model::{Connection, Counters, Destination, Service, Template, Timeouts};
use crate::settings::{DestinationSettings, DestinationTarget, ServiceSettings, TimeoutSettings};
use crate::spec::{self, command};
use crate::transport::{Reply, Request, Transport};

/// The family's operations over a transport.
pub struct Client<T> {
    transport: T,
}

/// `ESRCH`: the service that the request names is not there.
const ESRCH: i32 = 3;

impl<T: Transport> Client<T> {
    /// A client that uses the given transport.
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    /// Adds a virtual service; without a scheduler the kernel chooses one.
    pub fn add_service(
        &mut self,
        service: &ServiceId,
        settings: &ServiceSettings,
    ) -> Result<(), Error> {
        let request = service_settings(service, settings, || Ok(settings.scheduler.clone()))?;
        self.change(&Request::new(&command::SERVICE_ADD, request))
    }

    /// Changes how a virtual service schedules.
    pub fn set_service(
        &mut self,
        service: &ServiceId,
        settings: &ServiceSettings,
    ) -> Result<(), Error> {
        let request = service_settings(service, settings, || match &settings.scheduler {
            Some(scheduler) => Ok(Some(scheduler.clone())),
            None => self.scheduler(service).map(Some),
        })?;
        self.change(&Request::new(&command::SERVICE_SET, request))
    }

    /// The scheduler that a service has.
    fn scheduler(&mut self, service: &ServiceId) -> Result<String, Error> {
        let request = Request::new(&command::SERVICE_GET, identity(service));
        let replies = self.transport.request(&request)?;
        let reply = replies
            .first()
            .ok_or_else(|| Error::Reply("it is empty".into()))?;
        let scheduler = reply.attributes().require(spec::service::SCHEDULER)?;
        Ok(scheduler.to_string())
    }

    /// Deletes a virtual service; `now` cuts its connections.
    pub fn delete_service(&mut self, service: &ServiceId, now: bool) -> Result<(), Error> {
        let mut request = identity(service);
        request.put_some(spec::service::CUT, now.then_some(()));
        self.change(&Request::new(&command::SERVICE_DEL, request))
    }

    /// Zeroes the statistics of one service, or of all.
    pub fn zero(&mut self, service: Option<&ServiceId>) -> Result<(), Error> {
        let request = service.map(identity).unwrap_or_default();
        self.change(&Request::new(&command::SERVICE_ZERO, request))
    }

    /// Adds a destination, or one on each port of a range.
    pub fn add_destinations(
        &mut self,
        target: &DestinationTarget,
        settings: &DestinationSettings,
    ) -> Result<(), Error> {
        let request = destination(target, settings)?;
        self.change(&Request::new(&command::DESTINATION_ADD, request))
    }

    /// Changes a destination, or those of a range.
    pub fn set_destinations(
        &mut self,
        target: &DestinationTarget,
        settings: &DestinationSettings,
    ) -> Result<(), Error> {
        let request = destination(target, settings)?;
        self.change(&Request::new(&command::DESTINATION_SET, request))
    }

    /// Deletes a destination, or those of a range; `now` cuts the connections.
    pub fn delete_destinations(
        &mut self,
        target: &DestinationTarget,
        now: bool,
    ) -> Result<(), Error> {
        let mut request = destination(target, &DestinationSettings::default())?;
        request.put_some(spec::destination::CUT, now.then_some(()));
        self.change(&Request::new(&command::DESTINATION_DEL, request))
    }

    /// Deletes every service; `now` cuts the connections.
    pub fn flush(&mut self, now: bool) -> Result<(), Error> {
        let mut request = Builder::default();
        request.put_some(spec::service::CUT, now.then_some(()));
        self.change(&Request::new(&command::FLUSH, request))
    }

    /// One service or all of them, with their destinations, in a fixed order.
    pub fn list(&mut self, service: Option<&ServiceId>) -> Result<Vec<Service>, Error> {
        let request = match service {
            Some(service) => Request::new(&command::SERVICE_GET, identity(service)),
            None => Request::dump(&command::SERVICE_GET, Builder::default()),
        };
        let mut services = Vec::new();
        for reply in self.transport.request(&request)? {
            let mut found = Service::decode(reply.attributes())?;
            match self.destinations(&found.id) {
                Ok(destinations) => found.destinations = destinations,
                // The service was deleted since it was listed.
                Err(Error::Refused(Refusal { errno: ESRCH, .. })) if service.is_none() => continue,
                Err(error) => return Err(error),
            }
            services.push(found);
        }
        services.sort_by_key(|service| service.id);
        Ok(services)
    }

    /// The destinations of a service, in a fixed order.
    pub fn destinations(&mut self, service: &ServiceId) -> Result<Vec<Destination>, Error> {
        let mut request = Builder::default();
        request.put(spec::destination::SERVICE, identity(service).attributes());
        let request = Request::dump(&command::DESTINATION_GET, request);
        let replies = self.transport.request(&request)?;
        let mut destinations = decode_all(&replies, Destination::decode)?;
        destinations.sort_by_key(|destination| (destination.address, destination.port));
        Ok(destinations)
    }

    /// All connection entries, in a fixed order.
    pub fn connections(&mut self) -> Result<Vec<Connection>, Error> {
        let request = Request::dump(&command::CONNECTION_GET, Builder::default());
        let replies = self.transport.request(&request)?;
        let mut connections = decode_all(&replies, Connection::decode)?;
        connections.sort();
        Ok(connections)
    }

    /// All persistence templates, in a fixed order.
    pub fn templates(&mut self) -> Result<Vec<Template>, Error> {
        let request = Request::dump(&command::TEMPLATE_GET, Builder::default());
        let replies = self.transport.request(&request)?;
        let mut templates = decode_all(&replies, Template::decode)?;
        templates.sort();
        Ok(templates)
    }

    /// The namespace's counters.
    pub fn counters(&mut self) -> Result<Counters, Error> {
        let request = Request::new(&command::COUNTERS_GET, Builder::default());
        let replies = self.transport.request(&request)?;
        let reply = replies
            .first()
            .ok_or_else(|| Error::Reply("it is empty".into()))?;
        Counters::decode(reply.attributes())
    }

    /// The timeouts of the namespace.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let request = Request::new(&command::TIMEOUTS_GET, Builder::default());
        let replies = self.transport.request(&request)?;
        let reply = replies
            .first()
            .ok_or_else(|| Error::Reply("it is empty".into()))?;
        Timeouts::decode(reply.attributes())
    }

    /// Sets timeouts of the namespace.
    pub fn set_timeouts(&mut self, settings: &TimeoutSettings) -> Result<(), Error> {
        use spec::timeouts::*;
        let mut request = Builder::default();
        request
            .put_some(TCP, settings.tcp)
            .put_some(TCP_FIN, settings.tcp_fin)
            .put_some(UDP, settings.udp);
        self.change(&Request::new(&command::TIMEOUTS_SET, request))
    }

    /// A request whose reply is only whether it was carried out.
    fn change(&mut self, request: &Request) -> Result<(), Error> {
        self.transport.request(request).map(|_| ())
    }
}

/// Reads every message of a reply.
fn decode_all<V>(
    replies: &[Reply],
    decode: impl Fn(crate::attribute::Attributes<'_>) -> Result<V, Error>,
) -> Result<Vec<V>, Error> {
    replies
        .iter()
        .map(|reply| decode(reply.attributes()))
        .collect()
}

/// The attributes that identify a service.
fn identity(service: &ServiceId) -> Builder {
    let mut attributes = Builder::default();
    attributes.put(spec::service::PROTOCOL, service.protocol.0);
    put_address(&mut attributes, spec::service::ADDRESS, service.address);
    attributes.put(spec::service::PORT, service.port);
    attributes
}

/// The attributes of a service and what is to be set of it. `scheduler` tells
/// its scheduler, if it is known.
fn service_settings(
    service: &ServiceId,
    settings: &ServiceSettings,
    scheduler: impl FnOnce() -> Result<Option<String>, Error>,
) -> Result<Builder, Error> {
    use spec::service::*;
    let mut attributes = identity(service);
    attributes.put_some(SCHEDULER, settings.scheduler.as_deref());
    if settings.netmask.is_some() && service.address.is_ipv6() {
        return Err(Error::Usage(
            "--netmask is for IPv4: use --prefix".to_string(),
        ));
    }
    if let Some(flags) = &settings.flags {
        attributes.put(FLAGS, flags::bits(flags, scheduler)?);
    }
    attributes
        .put_some(TABLE_SIZE, settings.table_size)
        .put_some(TIMEOUT_TCP, settings.timeout_tcp)
        .put_some(TIMEOUT_FIN, settings.timeout_fin)
        .put_some(TIMEOUT_UDP, settings.timeout_udp)
        .put_some(PERSISTENT, settings.persistent)
        .put_some(PERSISTENT_PREFIX, settings.prefix.or(settings.netmask))
        .put_some(SLOW_START, settings.slow_start);
    Ok(attributes)
}

/// The attributes of a destination or a range of them.
fn destination(
    target: &DestinationTarget,
    settings: &DestinationSettings,
) -> Result<Builder, Error> {
    use spec::destination::*;
    let DestinationRange {
        address,
        first,
        last,
    } = target.destination;
    let mut attributes = Builder::default();
    attributes.put(SERVICE, identity(&target.service).attributes());
    if let Some(address) = address {
        put_address(&mut attributes, ADDRESS, address);
    }
    attributes.put(PORT, first).put_some(LAST_PORT, last);
    if let Some(method) = &settings.method {
        attributes.put(METHOD, method_number(method)?);
    }
    attributes.put_some(WEIGHT, settings.weight);
    attributes.put_some(MAX_CONNECTIONS, settings.max_connections);
    attributes.put_some(MIN_CONNECTIONS, settings.min_connections);
    attributes.put_some(PRIVATE, settings.privacy());
    attributes.put_some(USER, settings.owner());
    Ok(attributes)
}

/// The number of a forwarding method that the command line has accepted.
fn method_number(name: &str) -> Result<u8, Error> {
    spec::FORWARDING_METHOD
        .iter()
        .zip(0..)
        .find_map(|(known, number)| (*known == name).then_some(number))
        .ok_or_else(|| Error::Reply(format!("there is no forwarding method '{name}'")))
}

fn put_address(attributes: &mut Builder, attr: Attr<Binary>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => attributes.put(attr, &address.octets()),
        IpAddr::V6(address) => attributes.put(attr, &address.octets()),
    };
}
