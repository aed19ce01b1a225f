// SPDX-License-Identifier: GPL-2.0

use proptest::prelude::*;

use super::*;
use crate::client::Client;
use crate::document;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::request::{Reply, Request};
use crate::step::carry_out;
use crate::testing::{self, clash};
use crate::transport::Transport;

/// The kernel: a configuration, and what it refuses.
struct Kernel(Configuration);

impl Kernel {
    /// Makes a change, or returns why it is refused.
    fn change(&mut self, change: &Change) -> Result<(), String> {
        let mut next = self.0.clone();
        let missing = |id: &ServiceId, range: &crate::endpoint::DestinationRange| {
            let service = self.0.service(id).ok_or("no service")?;
            let ports = range.first..=range.last.unwrap_or(range.first);
            match service.within(range).count() == ports.count() {
                true => Ok(()),
                false => Err(format!("no destination {range}")),
            }
        };
        match change {
            Change::SetDestinations(id, range, _) | Change::DeleteDestinations(id, range) => {
                missing(id, range)?;
            }
            _ => {}
        }
        change
            .make(&mut next)
            .map_err(|misfit| misfit.to_string())?;
        settle(&mut next);
        for service in &next.services {
            check(service, &next)?;
        }
        self.0 = next;
        Ok(())
    }
}

/// Gives destinations that only steering reaches the method that the kernel reports of them.
fn settle(configuration: &mut Configuration) {
    for service in &mut configuration.services {
        for destination in &mut service.destinations {
            let is_auto = destination.settings.method == Some(Method::AUTO);
            if is_auto && service.id.protocol.0 == 6 && destination.address.is_loopback() {
                destination.settings.method = Some(Method::STEER);
            }
        }
    }
}

/// Refuses a service as the kernel does.
fn check(service: &Service, all: &Configuration) -> Result<(), String> {
    let has = |method| {
        let mut all = service.destinations.iter();
        all.any(|d| d.settings.method == Some(method))
    };
    let persists = service.settings.persistent != Some(0);
    let cannot = service.id.protocol.0 != 6 || persists || service.has_flag("sloppy");
    if has(Method::STEER) && (cannot || has(Method::NAT)) {
        return Err(format!("{} cannot steer", service.id));
    }
    let mut destinations = service.destinations.iter();
    if service.has_flag("uncounted")
        && (cannot || destinations.any(|d| d.settings.max_connections != Some(0)))
    {
        return Err(format!("{} is counted", service.id));
    }
    if service.has_flag("ops") {
        let mut others = all.services.iter().filter(|other| other.id != service.id);
        for d in &service.destinations {
            if others.any(|other| clash(other, &service.id, d.address, d.port)) {
                return Err(format!("{} has {}:{} alone", service.id, d.address, d.port));
            }
            if service.id.address.is_unspecified() && !d.address.is_unspecified() {
                return Err(format!("{} has {} as well", service.id, d.address));
            }
        }
    }
    Ok(())
}

/// Returns the configuration in an order of its own, as the kernel reports it.
fn sorted(configuration: &Configuration) -> Configuration {
    let mut sorted = configuration.clone();
    settle(&mut sorted);
    sorted.services.sort_by_key(|service| service.id);
    for service in &mut sorted.services {
        service.destinations.sort_by_key(key);
    }
    sorted
}

fn configuration(text: &str) -> Configuration {
    document::read(text, &|_| Err("no users".into())).unwrap()
}

/// Returns the changes from one document to another.
fn changes(from: &str, to: &str) -> Vec<String> {
    let mut from = configuration(from);
    from.set_timeouts(&DEFAULT_TIMEOUTS);
    let steps = plan(&from, &configuration(to));
    steps.iter().map(|step| step.change.to_string()).collect()
}

const WEB: &str = "service add tcp://192.0.2.10:80 --scheduler rr\n";

#[test]
fn what_is_the_same_is_left_alone() {
    let workers = format!("{WEB}dest add tcp://192.0.2.10:80 :8001-8004\n");
    assert!(changes(&workers, &workers).is_empty());
    let other = format!(
        "timeouts --udp 30\n{WEB}\
         dest add tcp://192.0.2.10:80 :8004\n\
         dest add tcp://192.0.2.10:80 :8002-8003 --weight 2\n\
         dest add tcp://192.0.2.10:80 :8005-8006\n\
         service add tcp://192.0.2.10:81\n"
    );
    assert_eq!(
        changes(&workers, &other),
        [
            "timeouts --udp 30",
            "dest add tcp://192.0.2.10:80 :8005-8006",
            "service add tcp://192.0.2.10:81 --scheduler wlc",
            "dest edit tcp://192.0.2.10:80 :8002-8003 --weight 2",
            "dest del tcp://192.0.2.10:80 :8001",
        ]
    );
    assert_eq!(
        changes(&other, ""),
        [
            "service del tcp://192.0.2.10:80",
            "service del tcp://192.0.2.10:81"
        ]
    );
}

#[test]
fn methods_change_without_refusals() {
    let with = |destinations: &str| format!("{WEB}dest add tcp://192.0.2.10:80 {destinations}");
    assert_eq!(
        changes(&with(":1-3 --method nat"), &with(":1-3 --method steer")),
        ["dest edit tcp://192.0.2.10:80 :1-3 --method steer"]
    );
    assert_eq!(
        changes(&with(":1-2 --method nat"), &with(":2-3 --method steer")),
        [
            "dest edit tcp://192.0.2.10:80 :1-2 --method auto",
            "dest add tcp://192.0.2.10:80 :3 --method steer",
            "dest edit tcp://192.0.2.10:80 :2 --method steer",
            "dest del tcp://192.0.2.10:80 :1",
        ]
    );
}

#[test]
fn a_scheduler_takes_its_flags_along() {
    let with = |settings: &str| format!("service add tcp://192.0.2.10:80 {settings}");
    assert_eq!(
        changes(
            &with("--scheduler mh --flags mh-port,sloppy --table-size 65537"),
            &with("--scheduler sh --flags sh-port,sloppy")
        ),
        ["service edit tcp://192.0.2.10:80 --scheduler sh --flags sh-port,sloppy"]
    );
    assert_eq!(
        changes(
            &with("--scheduler sh --flags sh-port"),
            &with("--scheduler sh")
        ),
        ["service edit tcp://192.0.2.10:80 --flags none"]
    );
    assert_eq!(
        changes(
            &with("--persistent 360 --prefix 24"),
            &with("--slow-start 3")
        ),
        ["service edit tcp://192.0.2.10:80 --persistent 0 --slow-start 3"]
    );
}

#[test]
fn what_is_restored_must_not_be_there() {
    let mut there = configuration(WEB);
    there.set_timeouts(&DEFAULT_TIMEOUTS);
    let other = configuration("timeouts --udp 30\nservice add tcp://192.0.2.10:81");
    let steps = additions_to(&there, &other).unwrap();
    let changes: Vec<_> = steps.iter().map(|step| step.change.to_string()).collect();
    assert_eq!(
        changes,
        [
            "timeouts --udp 30",
            "service add tcp://192.0.2.10:81 --scheduler wlc"
        ]
    );
    let both = additions_to(&there, &configuration(WEB)).unwrap_err();
    assert_eq!(both, [there.services[0].id]);
}

/// A way to a kernel that refuses one request.
struct Refusing {
    refused: usize,
    seen: Vec<u8>,
}

impl Transport for &mut Refusing {
    fn request(&mut self, request: &Request) -> Result<Reply, Error> {
        self.seen.push(request.command.number);
        if self.seen.len() != self.refused {
            return Ok(Reply::default());
        }
        Err(Error::Refused(Refusal {
            errno: 28,
            text: None,
            fault: None,
        }))
    }
}

#[test]
fn a_refusal_undoes_what_was_done() {
    use crate::spec::command::*;
    let text = format!("timeouts --udp 30\n{WEB}dest add tcp://192.0.2.10:80 :8001-8004\n");
    let mut current = Configuration::default();
    current.set_timeouts(&DEFAULT_TIMEOUTS);
    let steps = plan(&current, &configuration(&text));
    let mut refusing = Refusing {
        refused: 3,
        seen: Vec::new(),
    };
    let failure = carry_out(&mut Client::new(&mut refusing), &steps).unwrap_err();
    let added = "dest add tcp://192.0.2.10:80 :8001-8004";
    assert_eq!(failure.change.to_string(), added);
    assert_eq!((failure.undone, failure.left.len()), (2, 0));
    let commands = [
        &TIMEOUTS_SET,
        &SERVICE_ADD,
        &DESTINATION_ADD,
        &SERVICE_DEL,
        &TIMEOUTS_SET,
    ];
    assert_eq!(refusing.seen, commands.map(|command| command.number));
}

proptest! {
    #[test]
    fn a_plan_leads_to_the_target(
        from in testing::configuration(),
        to in testing::configuration(),
        done in any::<prop::sample::Index>(),
    ) {
        let from = sorted(&from);
        let steps = plan(&from, &to);
        let mut kernel = Kernel(from.clone());
        for (number, step) in steps.iter().enumerate() {
            let made = kernel.change(&step.change);
            prop_assert_eq!(made, Ok(()), "step {}: {}\n{:#?}", number, step.change,
                steps.iter().map(|step| step.change.to_string()).collect::<Vec<_>>());
        }
        prop_assert_eq!(sorted(&kernel.0), sorted(&to));
        prop_assert!(plan(&kernel.0, &to).is_empty());
        prop_assert!(plan(&to, &to).is_empty());

        let done = done.index(steps.len() + 1);
        let mut kernel = Kernel(from.clone());
        for step in &steps[..done] {
            kernel.change(&step.change).unwrap();
        }
        for undo in steps[..done].iter().rev().flat_map(|step| &step.undo) {
            prop_assert_eq!(kernel.change(undo), Ok(()), "{}", undo);
        }
        prop_assert_eq!(sorted(&kernel.0), from);
    }
}
