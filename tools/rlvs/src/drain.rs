// SPDX-License-Identifier: GPL-2.0

//! `rlvs dest drain`: quiesces destinations and waits until their processes can
//! be stopped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rlvs_client::client::Client;
use rlvs_client::event::{DestinationId, Notice};
use rlvs_client::model::Destination;
use rlvs_client::settings::DestinationSettings;
use rlvs_client::subscription::Subscription;
use rlvs_client::transport::Transport;

use crate::cli::dest::DestinationTarget;
use crate::error::Error;

/// How long to wait for an event before the kernel is asked without one.
const POLL: Duration = Duration::from_secs(5);

/// Quiesces destinations and waits until nothing is in flight at any of them.
///
/// Must be called with `events` subscribed already, so that no event is missed.
pub fn drain<T: Transport>(
    client: &mut Client<T>,
    events: &mut impl Subscription,
    target: &DestinationTarget,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let quiesced = DestinationSettings {
        weight: Some(0),
        ..DestinationSettings::default()
    };
    check_known(&named(client, target)?)?;
    client.set_destinations(&target.service, &target.destination, &quiesced)?;
    loop {
        let left = not_drained(client, target)?;
        if left.is_empty() {
            return Ok(());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(timed_out(&left, timeout.unwrap_or_default()));
        }
        wait(events, target, deadline)?;
    }
}

/// Waits for an event of one of the destinations, for lost events, or until it is time to ask the
/// kernel.
fn wait(
    events: &mut impl Subscription,
    target: &DestinationTarget,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    let poll = Instant::now() + POLL;
    let until = deadline.map_or(poll, |deadline| deadline.min(poll));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match events.next(Some(left))? {
            None | Some(Notice::Lost) => return Ok(()),
            Some(Notice::Event(event)) => {
                let DestinationId { address, port } = event.destination;
                if event.service == target.service && names(target, address, port) {
                    return Ok(());
                }
            }
        }
    }
}

/// Returns `true` if the target includes the destination of this address and port.
fn names(target: &DestinationTarget, address: std::net::IpAddr, port: u16) -> bool {
    let range = target.destination;
    address == range.address.unwrap_or(target.service.address)
        && (range.first..=range.last.unwrap_or(range.first)).contains(&port)
}

/// Lists the destinations of the target that exist.
fn named<T: Transport>(
    client: &mut Client<T>,
    target: &DestinationTarget,
) -> Result<Vec<Destination>, Error> {
    let mut all = client.destinations(&target.service)?;
    all.retain(|destination| names(target, destination.address, destination.port));
    Ok(all)
}

/// Returns an error if the kernel does not count what is in flight at one of the destinations.
fn check_known(named: &[Destination]) -> Result<(), Error> {
    match named.iter().find(|one| one.in_flight.is_none()) {
        None => Ok(()),
        Some(unknown) => Err(Error::NotDrained(format!(
            "{}: the flag uncounted left connections unrecorded, so that the end of the last one \
             cannot be seen: quiesce it with 'rlvs dest edit ... --weight 0' and watch its process",
            name(unknown)
        ))),
    }
}

/// Lists the destinations of the target that have not drained.
fn not_drained<T: Transport>(
    client: &mut Client<T>,
    target: &DestinationTarget,
) -> Result<Vec<Destination>, Error> {
    let range = target.destination;
    let wanted = usize::from(range.last.unwrap_or(range.first) - range.first) + 1;
    let mut named = named(client, target)?;
    if named.len() < wanted {
        return Err(Error::NotDrained(
            "a destination was deleted while it drained; its connections finish by themselves"
                .into(),
        ));
    }
    if let Some(resumed) = named.iter().find(|destination| destination.weight != 0) {
        return Err(Error::NotDrained(format!(
            "{} was given the weight {} while it drained, and takes new connections again",
            name(resumed),
            resumed.weight
        )));
    }
    // The service may have got the flag meanwhile.
    check_known(&named)?;
    named.retain(|destination| !destination.drained);
    Ok(named)
}

fn name(destination: &Destination) -> String {
    SocketAddr::new(destination.address, destination.port).to_string()
}

/// Returns the error for destinations that have not drained in time.
fn timed_out(left: &[Destination], timeout: Duration) -> Error {
    let each: Vec<String> = left
        .iter()
        .map(|destination| {
            let mut text = format!(
                "{} has {} in flight",
                name(destination),
                destination.in_flight.unwrap_or_default()
            );
            if destination.templates != 0 {
                text += &format!(" and {} persistence templates", destination.templates);
            }
            text
        })
        .collect();
    Error::NotDrained(format!(
        "not drained after {} s: {}; the weight stays 0: wait again with the same command, or \
         let new connections come with 'rlvs dest edit ... --weight NUMBER'",
        timeout.as_secs(),
        each.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{event, message, octets, stats, Fake};
    use rlvs_client::attribute::Builder;
    use rlvs_client::error::Error as ClientError;
    use rlvs_client::request::Message;
    use rlvs_client::spec::{self, command};

    /// Notices in turn, and how long each was waited for.
    struct Events {
        notices: Vec<Option<Notice>>,
        asked: usize,
    }

    impl Subscription for Events {
        fn next(&mut self, limit: Option<Duration>) -> Result<Option<Notice>, ClientError> {
            assert!(
                limit.is_some_and(|limit| limit <= POLL),
                "the kernel is asked without an event in time"
            );
            self.asked += 1;
            Ok(if self.notices.is_empty() {
                None
            } else {
                self.notices.remove(0)
            })
        }
    }

    fn destination(
        port: u16,
        weight: u32,
        in_flight: impl Into<Option<u32>>,
        templates: u32,
    ) -> Message {
        use spec::destination::*;
        let in_flight = in_flight.into();
        let drained = weight == 0 && in_flight == Some(0) && templates == 0;
        let mut attributes = Builder::default();
        attributes
            .put(ADDRESS, &octets("192.0.2.10"))
            .put(PORT, port)
            .put(METHOD, 0)
            .put(WEIGHT, weight)
            .put_some(ACTIVE_CONNECTIONS, in_flight)
            .put(INACTIVE_CONNECTIONS, 4)
            .put(MAX_CONNECTIONS, 0)
            .put(MIN_CONNECTIONS, 0)
            .put(TEMPLATES, templates)
            .put(PRIVATE, 0)
            .put_some(IN_FLIGHT, in_flight)
            .put_some(DRAINED, drained.then_some(()))
            .put(STATS, stats(5).attributes());
        message(attributes)
    }

    fn target(ports: &str) -> DestinationTarget {
        DestinationTarget {
            service: "tcp://192.0.2.10:80".parse().unwrap(),
            destination: ports.parse().unwrap(),
        }
    }

    /// Drains with these listings and notices; returns the outcome, the commands sent and how often
    /// an event was waited for.
    fn run(
        ports: &str,
        listings: Vec<Vec<Message>>,
        notices: Vec<Option<Notice>>,
        timeout: Option<u64>,
    ) -> (Result<(), Error>, Vec<u8>, usize) {
        let before = vec![destination(8001, 1, 9, 0), destination(8009, 1, None, 0)];
        let mut fake = Fake::answering([before, Vec::new()]);
        listings
            .into_iter()
            .for_each(|listing| fake.answer(listing));
        let mut events = Events { notices, asked: 0 };
        let result = drain(
            &mut Client::new(&mut fake),
            &mut events,
            &target(ports),
            timeout.map(Duration::from_secs),
        );
        let set = fake.requests[1].attributes();
        assert_eq!(set.require(spec::destination::WEIGHT).unwrap(), 0);
        (result, fake.commands(), events.asked)
    }

    const SET: u8 = command::DESTINATION_SET.number;
    const GET: u8 = command::DESTINATION_GET.number;

    #[test]
    fn it_waits_for_events_of_its_destinations() {
        assert_eq!((SET, GET), (7, 9));
        let (result, commands, asked) = run(
            ":8001-8002",
            vec![
                vec![
                    destination(8001, 0, 1, 0),
                    destination(8002, 0, 0, 0),
                    destination(8003, 1, 9, 0),
                ],
                vec![
                    destination(8001, 0, 0, 0),
                    destination(8002, 0, 0, 0),
                    destination(8003, 1, 9, 0),
                ],
            ],
            vec![
                Some(event("down", 8003, None, None)),
                Some(event("drained", 8001, None, None)),
            ],
            None,
        );
        result.unwrap();
        // An event of another destination is no reason to ask.
        assert_eq!((commands, asked), (vec![GET, SET, GET, GET], 2));
    }

    #[test]
    fn lost_events_and_silence_are_reasons_to_ask() {
        let busy = || vec![destination(8001, 0, 1, 0)];
        let (result, commands, asked) = run(
            ":8001",
            vec![busy(), busy(), vec![destination(8001, 0, 0, 0)]],
            vec![Some(Notice::Lost), None],
            Some(60),
        );
        result.unwrap();
        assert_eq!((commands, asked), (vec![GET, SET, GET, GET, GET], 2));
    }

    #[test]
    fn the_time_is_over() {
        let (result, commands, _) = run(
            ":8001-8002",
            vec![vec![destination(8001, 0, 2, 0), destination(8002, 0, 0, 3)]],
            vec![],
            Some(0),
        );
        let text = result.unwrap_err().to_string();
        for part in [
            "not drained after 0 s",
            "192.0.2.10:8001 has 2 in flight",
            "192.0.2.10:8002 has 0 in flight and 3 persistence templates",
            "the weight stays 0",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(commands, [GET, SET, GET]);
    }

    #[test]
    fn what_is_not_counted_is_refused_before_it_is_quiesced() {
        let unknown = vec![destination(8001, 1, 0, 0), destination(8002, 1, None, 0)];
        let mut fake = Fake::answering([unknown]);
        let mut events = Events {
            notices: vec![],
            asked: 0,
        };
        let mut client = Client::new(&mut fake);
        let result = drain(&mut client, &mut events, &target(":8001-8002"), None);
        let text = result.unwrap_err().to_string();
        assert!(
            text.contains("192.0.2.10:8002: the flag uncounted"),
            "{text}"
        );
        assert_eq!(fake.requests.len(), 1);
        // And when the service gets the flag meanwhile.
        let (result, _, _) = run(
            ":8001",
            vec![vec![destination(8001, 0, None, 0)]],
            vec![],
            None,
        );
        assert!(result.unwrap_err().to_string().contains("uncounted"));
    }

    #[test]
    fn another_change_ends_it() {
        let run = |listing| run(":8001", vec![listing], vec![], None).0;
        let text = run(vec![destination(8001, 5, 2, 0)])
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("192.0.2.10:8001 was given the weight 5"),
            "{text}"
        );
        let text = run(vec![]).unwrap_err().to_string();
        assert!(text.contains("was deleted while it drained"), "{text}");
    }
}
