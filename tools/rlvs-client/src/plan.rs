// SPDX-License-Identifier: GPL-2.0

//! How one configuration becomes another one, by few requests.
//!
//! The family has no request that changes several things at once. So the requests are ordered such
//! that what serves goes on serving: what stays is changed in place, what is new is added before
//! anything is deleted, and services that go are deleted last. Destinations that go and would have
//! the kernel refuse what comes are deleted before.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::change::{added, additions, ranges, Change};
use crate::configuration::{Configuration, Destination, Service, DEFAULT_TIMEOUTS};
use crate::difference::{can_steer, destination_difference, difference, effective, needs_steering};
use crate::endpoint::{Protocol, ServiceId};
use crate::method::Method;
use crate::settings::{DestinationSettings, ServiceSettings, TimeoutSettings};
use crate::step::Step;

/// Returns the steps that make `current` what `target` says; none if it is that already.
///
/// Timeouts of the namespace that `target` does not have become the defaults. The order of
/// destinations is not changed: those that are new come behind those that there are.
pub fn plan(current: &Configuration, target: &Configuration) -> Vec<Step> {
    let mut planner = Planner {
        work: current.clone(),
        steps: Vec::new(),
    };
    planner.set_timeouts(target);
    let ends = (ends_of(current), ends_of(target));
    for service in &current.services {
        planner.make_way(service, target.service(&service.id), &ends);
    }
    for service in &target.services {
        planner.set_service(service);
    }
    for service in &target.services {
        planner.add(service);
    }
    for service in &target.services {
        planner.set_destinations(service);
    }
    for service in &target.services {
        planner.delete_destinations(service);
    }
    for service in &current.services {
        if target.service(&service.id).is_none() {
            planner.push(Change::DeleteService(service.id));
        }
    }
    planner.steps
}

/// Returns the steps that add what `document` says to `current`.
///
/// # Errors
///
/// The services that are in both.
pub fn additions_to(
    current: &Configuration,
    document: &Configuration,
) -> Result<Vec<Step>, Vec<ServiceId>> {
    let known = current.services.iter().map(|service| service.id);
    let known: HashSet<_> = known.collect();
    let named = document.services.iter().map(|service| service.id);
    let both: Vec<_> = named.filter(|id| known.contains(id)).collect();
    if !both.is_empty() {
        return Err(both);
    }
    let mut target = current.clone();
    target.set_timeouts(&document.timeouts);
    target.services.extend(document.services.iter().cloned());
    Ok(plan(current, &target))
}

/// Plans steps one after the other.
struct Planner {
    /// The configuration after the steps so far.
    work: Configuration,
    steps: Vec<Step>,
}

/// What a service's destinations are distinguished by.
type Key = (IpAddr, u16);

fn key(destination: &Destination) -> Key {
    (destination.address, destination.port)
}

/// The flag of UDP services that schedule each packet by itself.
const ONE_PACKET: &str = "ops";

/// The destinations on a UDP port: the service that has one, whether it schedules each packet by
/// itself, and the destination's address.
type Ends = HashMap<u16, Vec<(ServiceId, bool, IpAddr)>>;

fn ends_of(configuration: &Configuration) -> Ends {
    let mut ends = Ends::new();
    for service in &configuration.services {
        if service.id.protocol == Protocol::UDP {
            for d in &service.destinations {
                let end = (service.id, service.has_flag(ONE_PACKET), d.address);
                ends.entry(d.port).or_default().push(end);
            }
        }
    }
    ends
}

/// Returns `true` if a destination of `service` and one that `ends` has cannot be at the same time,
/// as a service that schedules each packet by itself has its destinations' ends for itself.
/// `is_alone`: `service` is one, or becomes one.
fn is_in_the_way(
    service: &Service,
    is_alone: bool,
    destination: &Destination,
    ends: &Ends,
) -> bool {
    if service.id.protocol != Protocol::UDP {
        return false;
    }
    let mut others = ends.get(&destination.port).into_iter().flatten();
    others.any(|(id, alone, address)| {
        let overlaps = *address == destination.address
            || (address.is_unspecified() || destination.address.is_unspecified())
                && address.is_ipv4() == destination.address.is_ipv4();
        *id != service.id && (is_alone || *alone) && overlaps
    })
}

impl Planner {
    /// Appends a step.
    fn push(&mut self, change: Change) {
        let step = Step::new(change, &self.work);
        // What does not fit is left to the kernel, which refuses it.
        let _ = step.change.make(&mut self.work);
        self.steps.push(step);
    }

    /// Returns a service as the steps so far leave it.
    fn service(&self, id: &ServiceId) -> Option<Service> {
        self.work.service(id).cloned()
    }

    fn set_timeouts(&mut self, target: &Configuration) {
        let (old, new, usual) = (self.work.timeouts, target.timeouts, DEFAULT_TIMEOUTS);
        let other = |old, new: Option<u32>, usual| new.or(usual).filter(|new| Some(*new) != old);
        let settings = TimeoutSettings {
            tcp: other(old.tcp, new.tcp, usual.tcp),
            tcp_fin: other(old.tcp_fin, new.tcp_fin, usual.tcp_fin),
            udp: other(old.udp, new.udp, usual.udp),
        };
        if settings != TimeoutSettings::default() {
            self.push(Change::SetTimeouts(settings));
        }
    }

    /// Changes and deletes what would have the kernel refuse later steps: methods that cannot be in
    /// one service together, thresholds where connections are not counted, destinations that a
    /// service with one-packet scheduling must have for itself.
    fn make_way(&mut self, current: &Service, target: Option<&Service>, ends: &(Ends, Ends)) {
        let (was_alone, is_alone) = (
            current.has_flag(ONE_PACKET),
            target.is_some_and(|target| target.has_flag(ONE_PACKET)),
        );
        let is_in_the_way = |d: &Destination| {
            is_in_the_way(current, was_alone || is_alone, d, &ends.1)
                || (!was_alone && is_alone && is_in_the_way(current, true, d, &ends.0))
        };
        let Some(target) = target else {
            let deleted = current.destinations.iter().filter(|d| is_in_the_way(d));
            return self.delete(&current.id, deleted.map(key));
        };
        let staying: HashSet<_> = target.destinations.iter().map(key).collect();
        let nat = !can_steer(target) || has_method(target, Method::NAT);
        let steer = has_method(target, Method::STEER);
        let conflicts = |d: &Destination| match effective(&current.id, d) {
            Method::STEER => nat,
            Method::NAT => steer,
            _ => false,
        };
        let own_address = is_alone && current.id.address.is_unspecified();
        let goes = |d: &Destination| {
            !staying.contains(&key(d))
                && (conflicts(d) && needs_steering(&current.id, d.address)
                    || is_in_the_way(d)
                    || own_address && !d.address.is_unspecified())
        };
        let (deleted, kept): (Vec<_>, Vec<_>) = current.destinations.iter().partition(|d| goes(d));
        self.delete(&current.id, deleted.into_iter().map(key));

        let is_uncounted = target.has_flag("uncounted") && !current.has_flag("uncounted");
        // All in one request, which may go from one method to another that cannot be beside it.
        let at_once = all_at_once(current, target).filter(|_| kept.iter().any(|d| conflicts(d)));
        let changed = kept.into_iter().filter_map(|d| {
            let method = at_once.or(conflicts(d).then_some(Method::AUTO));
            let is_bound = d.settings.max_connections != Some(0) || at_once.is_some();
            let bound = (is_uncounted && is_bound).then_some(0);
            let settings = DestinationSettings {
                method,
                max_connections: bound,
                min_connections: bound,
                ..DestinationSettings::default()
            };
            let differs = settings != DestinationSettings::default();
            differs.then_some((d.address, d.port, settings))
        });
        self.set(&current.id, changed.collect());
    }

    /// Changes a service that there is already.
    fn set_service(&mut self, target: &Service) {
        let Some(current) = self.service(&target.id) else {
            return;
        };
        let settings = difference(&current, target);
        if settings != ServiceSettings::default() {
            self.push(Change::SetService(target.id, settings));
        }
    }

    /// Adds a service, or those destinations that one lacks.
    fn add(&mut self, target: &Service) {
        let Some(current) = self.service(&target.id) else {
            additions(target).into_iter().for_each(|add| self.push(add));
            return;
        };
        let known: HashSet<_> = current.destinations.iter().map(key).collect();
        let new = target.destinations.iter();
        let new = new.filter(|d| !known.contains(&key(d)));
        let changes: Vec<_> = added(&target.id, new).collect();
        changes.into_iter().for_each(|add| self.push(add));
    }

    /// Changes the destinations that there are.
    fn set_destinations(&mut self, target: &Service) {
        let Some(current) = self.service(&target.id) else {
            return;
        };
        let wanted = target.destinations.iter();
        let wanted: HashMap<_, _> = wanted.map(|d| (key(d), d)).collect();
        let changed = current.destinations.iter().filter_map(|old| {
            let new = wanted.get(&key(old))?;
            let settings = destination_difference(&target.id, old, new);
            let differs = settings != DestinationSettings::default();
            differs.then_some((old.address, old.port, settings))
        });
        self.set(&target.id, changed.collect());
    }

    /// Deletes the destinations that there are and `target` does not have.
    fn delete_destinations(&mut self, target: &Service) {
        let Some(current) = self.service(&target.id) else {
            return;
        };
        let staying: HashSet<_> = target.destinations.iter().map(key).collect();
        let leaving = current.destinations.iter();
        let leaving = leaving.filter(|d| !staying.contains(&key(d)));
        self.delete(&target.id, leaving.map(key));
    }

    fn set(&mut self, id: &ServiceId, mut each: Vec<(IpAddr, u16, DestinationSettings)>) {
        each.sort_by_key(|(address, port, _)| (*address, *port));
        for (range, settings) in ranges(id, each) {
            self.push(Change::SetDestinations(*id, range, settings));
        }
    }

    fn delete(&mut self, id: &ServiceId, keys: impl IntoIterator<Item = Key>) {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        let each = keys.into_iter().map(|(address, port)| (address, port, ()));
        for (range, ()) in ranges(id, each) {
            self.push(Change::DeleteDestinations(*id, range));
        }
    }
}

fn has_method(service: &Service, method: Method) -> bool {
    let mut all = service.destinations.iter();
    all.any(|destination| effective(&service.id, destination) == method)
}

/// Returns the method that all destinations of the service can be given by one request, as they
/// are a range and stay.
fn all_at_once(current: &Service, target: &Service) -> Option<Method> {
    let method = target.destinations.first()?.settings.method?;
    let wanted = target.destinations.iter();
    let wanted: HashMap<_, _> = wanted.map(|d| (key(d), d.settings.method)).collect();
    let stays = |d: &Destination| wanted.get(&key(d)) == Some(&Some(method));
    let mut keys: Vec<_> = current.destinations.iter().map(key).collect();
    keys.sort_unstable();
    let each = keys.into_iter().map(|(address, port)| (address, port, ()));
    let is_range = ranges(&current.id, each).len() == 1;
    let fits = method != Method::STEER || can_steer(current);
    (is_range && fits && current.destinations.iter().all(stays)).then_some(method)
}

#[cfg(test)]
mod tests;
