// SPDX-License-Identifier: GPL-2.0

//! What can go wrong between a program and the kernel.

use std::fmt;
use std::io;

use crate::flags::FlagsError;
use crate::malformed::Malformed;
use crate::refusal::Refusal;

/// Why a request was not sent, or was not carried out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The flags of a request do not fit together or not the scheduler; it was not sent.
    Flags(FlagsError),
    /// The kernel has no family of rlvs.
    NotLoaded,
    /// The module is not loaded, and cannot be while ip_vs is.
    IpvsLoaded,
    /// The program that loads modules has failed.
    NotLoadable {
        /// Path of the program.
        program: String,
        /// First line of its stderr, or why it could not be run.
        reason: String,
    },
    /// The module was unloaded.
    Unloaded,
    /// The kernel refused the request.
    Refused(Refusal),
    /// The kernel's state changed during every attempt to read it.
    Unsteady,
    /// A system call on the netlink socket failed.
    Socket(io::Error),
    /// A message of the kernel is not what the specification says.
    Reply(Malformed),
}

impl std::error::Error for Error {}

impl From<FlagsError> for Error {
    fn from(error: FlagsError) -> Self {
        Self::Flags(error)
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::Reply(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(error) => error.fmt(f),
            Self::NotLoaded => f.write_str(
                "the rlvs module is not loaded: as root, run 'modprobe rlvs' or 'insmod rlvs.ko'",
            ),
            Self::IpvsLoaded => f.write_str(
                "the rlvs module is not loaded, and cannot be while ip_vs is: as root, run \
                 'modprobe -r ip_vs', then 'modprobe rlvs'",
            ),
            Self::NotLoadable { program, reason } => write!(
                f,
                "the rlvs module is not loaded, and '{program} rlvs' did not load it: {reason}"
            ),
            Self::Unloaded => f.write_str("the rlvs module was unloaded"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unsteady => {
                f.write_str("the configuration kept changing while it was read: try again")
            }
            Self::Socket(error) => write!(f, "the netlink socket failed: {error}"),
            Self::Reply(malformed) => {
                write!(f, "the kernel's reply is not understood: {malformed}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_comes_with_the_way_to_load_it() {
        for error in [Error::NotLoaded, Error::IpvsLoaded] {
            let text = error.to_string();
            assert!(text.contains("as root") && text.contains("modprobe rlvs"));
        }
    }
}
