// SPDX-License-Identifier: GPL-2.0

//! What the tool asks of the kernel, apart from how it gets there.

use crate::attribute::{Attributes, Builder, Set};
use crate::error::Error;

/// A command of the family.
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
    /// Whether all objects are asked for (`NLM_F_DUMP`).
    pub dump: bool,
    /// Encoded attributes.
    pub attributes: Vec<u8>,
}

impl Request {
    /// A request to do something once.
    pub fn new(command: &'static Command, attributes: Builder) -> Self {
        Self {
            command,
            dump: false,
            attributes: attributes.into_bytes(),
        }
    }

    /// A request for all objects of a kind.
    pub fn dump(command: &'static Command, attributes: Builder) -> Self {
        Self {
            dump: true,
            ..Self::new(command, attributes)
        }
    }
}

/// One message of a reply: its encoded attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply(pub Vec<u8>);

impl Reply {
    /// The message's attributes.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::new(&self.0)
    }
}

/// A way to the kernel, or to what a test puts in its place.
pub trait Transport {
    /// Sends a request and waits for all of its reply.
    fn request(&mut self, request: &Request) -> Result<Vec<Reply>, Error>;
}
