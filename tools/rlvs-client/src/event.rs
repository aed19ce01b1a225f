// SPDX-License-Identifier: GPL-2.0

//! Events: changes of the state of destinations.

use std::net::IpAddr;

use serde::Serialize;

use crate::attribute::Attributes;
use crate::endpoint::ServiceId;
use crate::malformed::Malformed;
use crate::model::{address, entry_name, service_id};
use crate::spec;

/// One item of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An event of the kernel.
    Event(Event),
    /// Events were lost, as they came faster than they were read.
    Lost,
}

/// A change of a destination's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Name of the change, one of [`spec::EVENT_TYPE`]; of a change that only a newer module
    /// reports, the number.
    #[serde(rename = "event")]
    pub name: String,
    /// The service that the destination belongs to.
    pub service: ServiceId,
    /// The destination.
    pub destination: DestinationId,
    /// Connections in flight, of `draining`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// How many connections, of `retried`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// What identifies a destination of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DestinationId {
    /// Address; unspecified if it is the one that the client connects to.
    pub address: IpAddr,
    /// Port, host byte order.
    pub port: u16,
}

impl Event {
    /// Reads an event from the attributes of its message.
    pub(crate) fn decode(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        use spec::event::*;
        Ok(Self {
            name: entry_name(&spec::EVENT_TYPE, attributes.require(TYPE)?),
            service: service_id(attributes.require(SERVICE)?)?,
            destination: DestinationId {
                address: address(attributes, ADDRESS)?,
                port: attributes.require(PORT)?,
            },
            in_flight: attributes.get(IN_FLIGHT)?,
            count: attributes.get(COUNT)?,
        })
    }
}
