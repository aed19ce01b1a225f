// SPDX-License-Identifier: GPL-2.0

//! Stands in for the kernel in tests.

use std::collections::VecDeque;
use std::net::IpAddr;

use rlvs_client::attribute::{Attributes, Builder};
use rlvs_client::endpoint::{Protocol, ServiceId};
use rlvs_client::error::Error;
use rlvs_client::event::{DestinationId, Event, Notice};
use rlvs_client::request::{Message, Reply, Request};
use rlvs_client::spec;
use rlvs_client::transport::Transport;

/// A transport that returns prepared answers in turn and records the requests.
#[derive(Default)]
pub struct Fake {
    pub answers: VecDeque<Result<Reply, Error>>,
    pub requests: Vec<Seen>,
}

/// A request that was recorded.
pub struct Seen {
    pub command: u8,
    pub dump: bool,
    pub bytes: Vec<u8>,
}

impl Seen {
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::new(&self.bytes)
    }
}

impl Transport for &mut Fake {
    fn request(&mut self, request: &Request) -> Result<Reply, Error> {
        self.requests.push(Seen {
            command: request.command.number,
            dump: request.dump,
            bytes: request.attributes.clone(),
        });
        self.answers.pop_front().unwrap_or(Ok(Reply::default()))
    }
}

impl Fake {
    /// Makes a fake whose answers have these messages.
    pub fn answering(answers: impl IntoIterator<Item = Vec<Message>>) -> Self {
        let mut fake = Self::default();
        answers.into_iter().for_each(|answer| fake.answer(answer));
        fake
    }

    /// Adds an answer of these messages.
    pub fn answer(&mut self, messages: Vec<Message>) {
        self.answers.push_back(Ok(Reply {
            messages,
            note: None,
        }));
    }

    /// Returns the numbers of the commands that were recorded.
    pub fn commands(&self) -> Vec<u8> {
        self.requests.iter().map(|seen| seen.command).collect()
    }
}

/// Returns a message of these attributes.
pub fn message(attributes: Builder) -> Message {
    Message(attributes.into_bytes())
}

/// Returns an address in network byte order.
pub fn octets(address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Returns statistics that count up from `first`.
pub fn stats(first: u64) -> Builder {
    use spec::stats::*;
    let mut attributes = Builder::default();
    attributes
        .put(CONNECTIONS, first)
        .put(IN_PACKETS, first + 1)
        .put(OUT_PACKETS, first + 2)
        .put(IN_BYTES, first + 3)
        .put(OUT_BYTES, 1 << 33)
        .put(AVOIDED, 1);
    attributes
}

/// Returns an event of a destination of tcp://192.0.2.10:80.
pub fn event(name: &str, port: u16, in_flight: Option<u32>, count: Option<u32>) -> Notice {
    let address = [192, 0, 2, 10].into();
    Notice::Event(Event {
        name: name.into(),
        service: ServiceId {
            protocol: Protocol(6),
            address,
            port: 80,
        },
        destination: DestinationId { address, port },
        in_flight,
        count,
    })
}
