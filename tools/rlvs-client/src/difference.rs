// SPDX-License-Identifier: GPL-2.0

//! How services and destinations differ.

use std::net::IpAddr;

use crate::configuration::{Destination, Service};
use crate::endpoint::{Protocol, ServiceId};
use crate::method::Method;
use crate::settings::{DestinationSettings, ServiceSettings};

/// Returns `true` if a service with these settings can steer.
pub(crate) fn can_steer(service: &Service) -> bool {
    let is_persistent = service.settings.persistent.unwrap_or(0) != 0;
    service.id.protocol == Protocol::TCP && !is_persistent && !service.has_flag("sloppy")
}

/// Returns `true` if only steering reaches a destination of `service` on this address, unless a
/// sysctl says otherwise.
pub(crate) fn needs_steering(service: &ServiceId, address: IpAddr) -> bool {
    let is_remote = address.is_loopback() && !service.address.is_loopback();
    service.protocol == Protocol::TCP && is_remote
}

/// Returns the method as the kernel reports it, which makes `auto` to `steer` where only that
/// reaches the destination.
pub(crate) fn effective(service: &ServiceId, destination: &Destination) -> Method {
    match destination.settings.method {
        Some(Method::AUTO) | None if needs_steering(service, destination.address) => Method::STEER,
        method => method.unwrap_or(Method::AUTO),
    }
}

/// Returns what to set of `old` so that it becomes `new`.
pub(crate) fn difference(old: &Service, new: &Service) -> ServiceSettings {
    fn other<V: PartialEq + Clone>(old: &Option<V>, new: &Option<V>) -> Option<V> {
        new.clone().filter(|_| old != new)
    }
    let (is, wanted) = (&old.settings, &new.settings);
    let is_other = is.scheduler != wanted.scheduler;
    let has_flags = wanted.flags.as_ref().is_some_and(|flags| !flags.is_empty());
    let sets_flags = is.flags != wanted.flags || (is_other && has_flags);
    // Which flags a name stands for depends on the scheduler.
    let sets_scheduler = is_other || (sets_flags && has_flags);
    let usual_table = new.needed().table_size.is_none();
    let sets_table = is.table_size != wanted.table_size && !(is_other && usual_table);
    let persists =
        is.persistent != wanted.persistent || is.persistent_prefix != wanted.persistent_prefix;
    ServiceSettings {
        scheduler: wanted.scheduler.clone().filter(|_| sets_scheduler),
        flags: wanted.flags.clone().filter(|_| sets_flags),
        table_size: wanted.table_size.filter(|_| sets_table),
        timeout_tcp: other(&is.timeout_tcp, &wanted.timeout_tcp),
        timeout_fin: other(&is.timeout_fin, &wanted.timeout_fin),
        timeout_udp: other(&is.timeout_udp, &wanted.timeout_udp),
        persistent: wanted.persistent.filter(|_| persists),
        persistent_prefix: wanted.persistent_prefix.filter(|_| persists),
        slow_start: other(&is.slow_start, &wanted.slow_start),
    }
}

/// Returns what to set of `old` so that it becomes `new`, a destination of one service.
pub(crate) fn destination_difference(
    service: &ServiceId,
    old: &Destination,
    new: &Destination,
) -> DestinationSettings {
    fn other<V: PartialEq + Copy>(old: Option<V>, new: Option<V>) -> Option<V> {
        new.filter(|_| old != new)
    }
    let (is, wanted) = (&old.settings, &new.settings);
    let same_method = effective(service, old) == effective(service, new);
    DestinationSettings {
        weight: other(is.weight, wanted.weight),
        max_connections: other(is.max_connections, wanted.max_connections),
        min_connections: other(is.min_connections, wanted.min_connections),
        method: wanted.method.filter(|_| !same_method),
        private: other(is.private, wanted.private),
        user: other(is.user, wanted.user),
    }
}
