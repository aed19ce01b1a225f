// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, and how the user is told what to change.

use std::fmt;
use std::io;

use crate::attribute::{Attributes, Set};

/// Why a command was not carried out.
#[derive(Debug)]
pub enum Error {
    /// The command line does not fit together.
    Usage(String),
    /// The kernel has no family of this name.
    NotLoaded,
    /// The same, and ip_vs is in the module's place.
    IpvsLoaded,
    /// The same, and the program named first could not load it, for this reason.
    NotLoadable(String, String),
    /// The family is gone.
    Unloaded,
    /// Destinations were to be drained, and are not.
    NotDrained(String),
    /// The kernel refused the request.
    Refused(Refusal),
    /// The kernel's state changed during every attempt to read it.
    Unsteady,
    /// A system call on the netlink socket failed.
    Socket(io::Error),
    /// The kernel's reply is not what the specification says.
    Reply(String),
    /// What was to be printed to the place named first could not be.
    Output(String, io::Error),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::NotDrained(text) => f.write_str(text),
            Self::Unloaded => f.write_str("the rlvs module was unloaded"),
            Self::NotLoaded => {
                f.write_str("the rlvs module is not loaded: as root, run 'modprobe rlvs' or 'insmod rlvs.ko'")
            }
            Self::IpvsLoaded => f.write_str(
                "the rlvs module is not loaded, and ip_vs is, of which only one can be: as root, \
                 run 'modprobe -r ip_vs', then 'modprobe rlvs'",
            ),
            Self::NotLoadable(program, reason) => write!(
                f,
                "the rlvs module is not loaded, and '{program} rlvs' did not load it: {reason}"
            ),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unsteady => f.write_str("the configuration kept changing while it was read: try again"),
            Self::Socket(error) => write!(f, "cannot talk to the kernel: {error}"),
            Self::Reply(text) => write!(
                f,
                "the kernel's reply is not understood: {text} (do module and tool have the same version?)"
            ),
            Self::Output(place, error) => write!(f, "cannot write to {place}: {error}"),
        }
    }
}

/// The kernel's refusal of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Positive error number.
    pub errno: i32,
    /// The kernel's own words (`NLMSGERR_ATTR_MSG`).
    pub text: Option<String>,
    /// The attribute at fault, if it is one.
    pub fault: Option<Fault>,
}

/// The attribute that made the kernel refuse a request, by the names of the
/// specification.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The set that the attribute is in.
    pub set: &'static str,
    /// The attribute.
    pub attribute: &'static str,
    /// Whether it should have been there, and was not.
    pub missing: bool,
}

impl Fault {
    /// The attribute that stands `offset` bytes into `attributes`, the
    /// attributes of a request that are numbered by `set`.
    pub fn at(set: &'static Set, attributes: Attributes<'_>, offset: usize) -> Option<Self> {
        let mut level = Some(set);
        let mut fault = None;
        for number in attributes.find(offset)? {
            let set = level?;
            let entry = set.entry(number)?;
            fault = Some(Self {
                set: set.name,
                attribute: entry.name,
                missing: false,
            });
            level = entry.nested;
        }
        fault
    }

    /// The attribute `number` that is missing in `attributes`, or in the nest
    /// that stands `nest` bytes into them.
    pub fn missing(
        set: &'static Set,
        attributes: Attributes<'_>,
        nest: Option<usize>,
        number: u16,
    ) -> Option<Self> {
        let mut level = set;
        if let Some(offset) = nest {
            for number in attributes.find(offset)? {
                level = level.entry(number)?.nested?;
            }
        }
        Some(Self {
            set: level.name,
            attribute: level.entry(number)?.name,
            missing: true,
        })
    }

    /// The argument of the command line that the attribute was made from.
    fn argument(&self) -> Option<&'static str> {
        Some(match (self.set, self.attribute) {
            ("service", "protocol" | "address" | "port") => "SERVICE",
            ("destination", "service") => "SERVICE",
            ("destination", "address" | "port" | "last-port") => "DEST",
            ("service", "scheduler") => "--scheduler",
            ("service", "flags" | "flags-mask") => "--flags",
            ("service", "table-size") => "--table-size",
            ("service", "timeout-tcp") => "--timeout-tcp",
            ("service", "timeout-fin") => "--timeout-fin",
            ("service", "timeout-udp") => "--timeout-udp",
            ("service", "persistent") => "--persistent",
            ("service", "persistent-prefix") => "--prefix",
            ("service", "slow-start") => "--slow-start",
            ("timeouts", "tcp") => "--tcp",
            ("timeouts", "tcp-fin") => "--tcp-fin",
            ("timeouts", "udp") => "--udp",
            ("destination", "method") => "--method",
            ("destination", "weight") => "--weight",
            ("destination", "max-connections") => "--max-connections",
            ("destination", "min-connections") => "--min-connections",
            ("destination", "private") => "--private",
            ("destination", "user") => "--user",
            ("service" | "destination", "cut") => "--now",
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.missing, self.argument()) {
            (false, Some(argument)) => write!(f, "argument {argument}"),
            (true, Some(argument)) => write!(f, "argument {argument} is missing"),
            (false, None) => write!(f, "attribute {} {}", self.set, self.attribute),
            (true, None) => write!(f, "attribute {} {} is missing", self.set, self.attribute),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text)?,
            None => f.write_str(&self.words())?,
        }
        write!(f, " (")?;
        if let Some(fault) = &self.fault {
            write!(f, "{fault}, ")?;
        }
        match errno_name(self.errno) {
            Some(name) => write!(f, "{name})"),
            None => write!(f, "errno {})", self.errno),
        }
    }
}

impl Refusal {
    /// Words for a refusal that the kernel gave no text for.
    fn words(&self) -> String {
        match errno_name(self.errno) {
            Some("EPERM") => {
                "this needs CAP_NET_ADMIN in the network namespace: run it as root".into()
            }
            Some("EOPNOTSUPP") => {
                "the loaded rlvs module does not know this command: load the version of this tool"
                    .into()
            }
            _ => {
                // The standard library adds the number, which is given anyway.
                let text = io::Error::from_raw_os_error(self.errno).to_string();
                match text.split_once(" (os error") {
                    Some((words, _)) => words.to_string(),
                    None => text,
                }
            }
        }
    }
}

/// The name of an error number that a request can end with. The numbers are
/// those of `asm-generic/errno.h`, which every architecture that kernel Rust
/// supports uses.
fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        1 => "EPERM",
        2 => "ENOENT",
        3 => "ESRCH",
        4 => "EINTR",
        7 => "E2BIG",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        16 => "EBUSY",
        17 => "EEXIST",
        19 => "ENODEV",
        22 => "EINVAL",
        28 => "ENOSPC",
        33 => "EDOM",
        34 => "ERANGE",
        40 => "ELOOP",
        65 => "ENOPKG",
        71 => "EPROTO",
        74 => "EBADMSG",
        75 => "EOVERFLOW",
        89 => "EDESTADDRREQ",
        90 => "EMSGSIZE",
        92 => "ENOPROTOOPT",
        93 => "EPROTONOSUPPORT",
        95 => "EOPNOTSUPP",
        96 => "EPFNOSUPPORT",
        97 => "EAFNOSUPPORT",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        101 => "ENETUNREACH",
        105 => "ENOBUFS",
        113 => "EHOSTUNREACH",
        114 => "EALREADY",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Builder;
    use crate::spec;

    fn refusal(errno: i32, text: Option<&str>, fault: Option<Fault>) -> String {
        let text = text.map(String::from);
        Error::Refused(Refusal { errno, text, fault }).to_string()
    }

    fn destination_request() -> Builder {
        let mut service = Builder::default();
        service
            .put(spec::service::PROTOCOL, 6)
            .put(spec::service::PORT, 0);
        let mut request = Builder::default();
        request
            .put(spec::destination::SERVICE, service.attributes())
            .put(spec::destination::WEIGHT, 70000);
        request
    }

    #[test]
    fn kernel_text_argument_and_errno_are_shown() {
        let request = destination_request();
        let set = &spec::destination::SET;
        let weight = Fault::at(set, request.attributes(), 20);
        assert_eq!(
            refusal(34, Some("weight is 0 to 65535"), weight),
            "weight is 0 to 65535 (argument --weight, ERANGE)"
        );
        let port = Fault::at(set, request.attributes(), 12);
        assert_eq!(
            refusal(22, Some("port 0"), port),
            "port 0 (argument SERVICE, EINVAL)"
        );
    }

    #[test]
    fn missing_attributes_are_named() {
        let request = destination_request();
        let set = &spec::destination::SET;
        let port = Fault::missing(set, request.attributes(), None, 3);
        assert_eq!(
            refusal(22, None, port),
            "Invalid argument (argument DEST is missing, EINVAL)"
        );
        let address = Fault::missing(set, request.attributes(), Some(0), 2);
        assert_eq!(
            refusal(22, None, address),
            "Invalid argument (argument SERVICE is missing, EINVAL)"
        );
        assert_eq!(Fault::missing(set, request.attributes(), Some(20), 2), None);
    }

    #[test]
    fn silence_of_the_kernel_is_put_in_words() {
        assert_eq!(
            refusal(1, None, None),
            "this needs CAP_NET_ADMIN in the network namespace: run it as root (EPERM)"
        );
        assert_eq!(refusal(17, None, None), "File exists (EEXIST)");
        assert!(refusal(95, None, None).contains("load the version of this tool"));
        assert!(refusal(125, None, None).ends_with("(errno 125)"));
        for error in [Error::NotLoaded, Error::IpvsLoaded] {
            let text = error.to_string();
            assert!(text.contains("as root") && text.contains("modprobe rlvs"));
        }
    }
}
