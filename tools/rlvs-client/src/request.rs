// SPDX-License-Identifier: GPL-2.0

//! Requests and replies, apart from how they get to the kernel and back.

use crate::attribute::{Attributes, Builder, Set};
use crate::malformed::Malformed;

/// A command of a generic netlink family.
#[derive(Debug)]
pub struct Command {
    /// Command number in the generic netlink header.
    pub number: u8,
    /// The set that numbers the attributes of request and reply.
    pub attributes: &'static Set,
}

/// A request to the kernel.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub command: &'static Command,
    /// `true` to ask for all objects (`NLM_F_DUMP`).
    pub dump: bool,
    /// Encoded attributes.
    pub attributes: Vec<u8>,
}

impl Request {
    /// Makes a request to do something once.
    pub fn new(command: &'static Command, attributes: Builder) -> Self {
        Self {
            command,
            dump: false,
            attributes: attributes.into_bytes(),
        }
    }

    /// Makes a request for all objects of a kind.
    pub fn dump(command: &'static Command, attributes: Builder) -> Self {
        Self {
            dump: true,
            ..Self::new(command, attributes)
        }
    }
}

/// One message of a reply: its encoded attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// Returns the message's attributes.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::new(&self.0)
    }
}

/// The whole reply to a request that was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The messages, one for each object that was asked for.
    pub messages: Vec<Message>,
    /// The kernel's warning about what it has done (`NLMSGERR_ATTR_MSG`).
    pub note: Option<String>,
}

impl Reply {
    /// Returns the attributes of the only message.
    pub fn attributes(&self) -> Result<Attributes<'_>, Malformed> {
        let message = self.messages.first().ok_or(Malformed::Empty)?;
        Ok(message.attributes())
    }
}
