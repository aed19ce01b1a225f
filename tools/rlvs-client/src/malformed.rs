// SPDX-License-Identifier: GPL-2.0

//! What can be wrong with a message of the kernel.

use std::fmt;

/// How a message differs from what the specification says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The attribute of this name is missing.
    Missing(&'static str),
    /// The payload of the attribute of this name does not fit its type.
    Form(&'static str),
    /// The attribute of this name has a value that has no name here.
    Unknown(&'static str),
    /// The bytes are not messages or not attributes, for this reason.
    Bytes(String),
    /// The reply has no message.
    Empty,
    /// The family has no multicast group of this name.
    NoGroup(&'static str),
    /// Messages of the reply were lost.
    Lost,
}

impl std::error::Error for Malformed {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(attribute) => write!(f, "attribute '{attribute}' is missing"),
            Self::Form(attribute) => write!(f, "attribute '{attribute}' has a wrong form"),
            Self::Unknown(attribute) => write!(f, "attribute '{attribute}' has an unknown value"),
            Self::Bytes(reason) => f.write_str(reason),
            Self::Empty => f.write_str("it is empty"),
            Self::NoGroup(group) => write!(f, "there is no group '{group}'"),
            Self::Lost => f.write_str("messages were lost"),
        }
    }
}
