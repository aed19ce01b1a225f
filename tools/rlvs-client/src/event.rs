// SPDX-License-Identifier: GPL-2.0

//! Events: what the kernel tells of destinations without being asked. The
//! field names are those of the JSON lines.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::attribute::Attributes;
use crate::endpoint::{Protocol, ServiceId};
use crate::error::Error;
use crate::model::{address, entry_name};
use crate::spec;
use crate::transport::Reply;

/// What a subscription has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An event: its message.
    Event(Reply),
    /// Events were lost, as they came faster than they were read.
    Lost,
}

/// Where events come from.
pub trait Subscription {
    /// The next notice, or `None` when there was none for so long; without a
    /// limit it waits for one.
    fn next(&mut self, limit: Option<Duration>) -> Result<Option<Notice>, Error>;
}

/// A line of `rlvs watch`.
#[derive(Debug, Serialize)]
pub struct Line {
    /// When the tool heard of it, in seconds since 1970, to the millisecond.
    pub time: f64,
    /// Name of the event; `watching` of the first line, `lost` when events
    /// were lost.
    pub event: String,
    /// What it is about.
    #[serde(flatten)]
    pub about: Option<About>,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct About {
    /// The service that the destination belongs to.
    pub service: ServiceId,
    /// The destination.
    pub destination: Target,
    /// Connections in flight, of `draining`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// How many connections, of `retried`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// A destination's address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Address; unspecified if it is the one that the client connects to.
    pub address: IpAddr,
    /// Port, host byte order.
    pub port: u16,
}

impl Line {
    /// A line that is about no destination.
    pub fn plain(event: &str) -> Self {
        Self {
            time: now(),
            event: event.to_string(),
            about: None,
        }
    }

    /// The line of a notice.
    pub fn of(notice: &Notice) -> Result<Self, Error> {
        match notice {
            Notice::Lost => Ok(Self::plain("lost")),
            Notice::Event(message) => Ok(Self {
                time: now(),
                event: kind(message.attributes())?,
                about: Some(About::decode(message.attributes())?),
            }),
        }
    }

    /// As JSON, with the line's end.
    pub fn json(&self) -> String {
        // Only maps with keys that are no strings fail, and there are none.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The name of an event.
fn kind(attributes: Attributes<'_>) -> Result<String, Error> {
    let number = attributes.require(spec::event::TYPE)?;
    Ok(entry_name(&spec::EVENT_TYPE, number))
}

impl About {
    /// Reads what an event is about.
    pub fn decode(attributes: Attributes<'_>) -> Result<Self, Error> {
        use spec::{event, service};
        let of = attributes.require(event::SERVICE)?;
        Ok(Self {
            service: ServiceId {
                protocol: Protocol(of.require(service::PROTOCOL)?),
                address: address(of, service::ADDRESS)?,
                port: of.require(service::PORT)?,
            },
            destination: Target {
                address: address(attributes, event::ADDRESS)?,
                port: attributes.require(event::PORT)?,
            },
            in_flight: attributes.get(event::IN_FLIGHT)?,
            count: attributes.get(event::COUNT)?,
        })
    }
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is shown as 1970.
    let milliseconds = since.unwrap_or_default().as_millis();
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Builder;

    /// An event about a destination of tcp://192.0.2.10:80.
    fn event(kind: u8, port: u16, in_flight: Option<u32>, count: Option<u32>) -> Notice {
        use spec::{event, service};
        let mut of = Builder::default();
        of.put(service::PROTOCOL, 6)
            .put(service::ADDRESS, &[192, 0, 2, 10])
            .put(service::PORT, 80);
        let mut attributes = Builder::default();
        attributes
            .put(event::TYPE, kind)
            .put(event::SERVICE, of.attributes())
            .put(event::ADDRESS, &[192, 0, 2, 10])
            .put(event::PORT, port)
            .put_some(event::IN_FLIGHT, in_flight)
            .put_some(event::COUNT, count);
        Notice::Event(Reply(attributes.into_bytes()))
    }

    fn json(notice: &Notice) -> String {
        let mut line = Line::of(notice).unwrap();
        assert!(line.time > 1.7e9, "the time is one after 2023");
        line.time = 1.5;
        line.json()
    }

    #[test]
    fn lines_are_the_promised_json() {
        let about = r#""service":{"protocol":"tcp","address":"192.0.2.10","port":80},"#.to_owned()
            + r#""destination":{"address":"192.0.2.10","port":8001}"#;
        assert_eq!(
            json(&event(2, 8001, Some(3), None)),
            format!("{{\"time\":1.5,\"event\":\"draining\",{about},\"in_flight\":3}}\n")
        );
        assert_eq!(
            json(&event(7, 8001, None, Some(9))),
            format!("{{\"time\":1.5,\"event\":\"retried\",{about},\"count\":9}}\n")
        );
        // An event of a newer module.
        assert!(json(&event(99, 8001, None, None)).contains("\"event\":\"99\""));
        assert_eq!(json(&Notice::Lost), "{\"time\":1.5,\"event\":\"lost\"}\n");
    }

    #[test]
    fn messages_against_the_specification_are_errors() {
        let mut attributes = Builder::default();
        attributes.put(spec::event::TYPE, 1);
        let notice = Notice::Event(Reply(attributes.into_bytes()));
        assert!(matches!(Line::of(&notice), Err(Error::Reply(_))));
    }
}
