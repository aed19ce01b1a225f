// SPDX-License-Identifier: GPL-2.0

//! Forwarding methods.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::spec;

/// A forwarding method, by its number in the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method(pub u8);

impl Method {
    /// Rewrites packets.
    pub const NAT: Self = Self(0);
    /// Hands a client's first segment to the destination's listening socket.
    pub const STEER: Self = Self(1);
    /// Steers where the whole service can, and rewrites elsewhere. In requests only.
    pub const AUTO: Self = Self(2);
}

/// A name that no forwarding method has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMethod(pub String);

impl std::error::Error for UnknownMethod {}

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = spec::FORWARDING_METHOD.join(", ");
        write!(
            f,
            "'{}' is not a forwarding method: use one of {names}",
            self.0
        )
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        let mut known = spec::FORWARDING_METHOD.iter().zip(0..);
        known
            .find_map(|(known, number)| (*known == name).then_some(Self(number)))
            .ok_or_else(|| UnknownMethod(name.to_string()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match spec::FORWARDING_METHOD.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            // One of a newer module.
            None => self.0.fmt(f),
        }
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for name in spec::FORWARDING_METHOD {
            assert_eq!(name.parse::<Method>().unwrap().to_string(), name);
        }
        for (name, method) in [
            ("nat", Method::NAT),
            ("steer", Method::STEER),
            ("auto", Method::AUTO),
        ] {
            assert_eq!(name.parse(), Ok(method));
        }
        let error = "teleport".parse::<Method>().unwrap_err().to_string();
        assert_eq!(
            error,
            "'teleport' is not a forwarding method: use one of nat, steer, auto"
        );
        assert_eq!(Method(99).to_string(), "99");
    }
}
