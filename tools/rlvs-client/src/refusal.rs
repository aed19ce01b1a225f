// SPDX-License-Identifier: GPL-2.0

//! The kernel's refusal of a request.

use std::borrow::Cow;
use std::fmt;
use std::io;

use crate::attribute::{Attributes, Set};

/// The kernel's refusal of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Positive error number.
    pub errno: i32,
    /// The kernel's text (`NLMSGERR_ATTR_MSG`).
    pub text: Option<String>,
    /// The attribute at fault, if the kernel named one.
    pub fault: Option<Fault>,
}

/// The attribute that made the kernel refuse a request, by the names of the
/// specification.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the set that the attribute is in.
    pub set: &'static str,
    /// Name of the attribute.
    pub attribute: &'static str,
    /// `true` if the attribute is required and was absent.
    pub missing: bool,
}

impl Fault {
    /// Returns the attribute that stands `offset` bytes into `attributes`, the attributes of a
    /// request that are numbered by `set`.
    pub(crate) fn at(set: &'static Set, attributes: Attributes<'_>, offset: usize) -> Option<Self> {
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

    /// Returns the attribute `number` that is missing in `attributes`, or in the nest that stands
    /// `nest` bytes into them.
    pub(crate) fn missing(
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
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = if self.missing { " is missing" } else { "" };
        write!(f, "attribute {} {}{missing}", self.set, self.attribute)
    }
}

impl Refusal {
    /// Returns the kernel's text, or words for the error number where it gave none.
    pub fn words(&self) -> Cow<'_, str> {
        if let Some(text) = &self.text {
            return text.into();
        }
        match name(self.errno) {
            Some("EPERM") => {
                "this needs CAP_NET_ADMIN in the network namespace: run it as root".into()
            }
            Some("EOPNOTSUPP") => {
                "the loaded rlvs module does not have this command: load the version of this tool"
                    .into()
            }
            _ => {
                // The standard library adds the number, which is given anyway.
                let text = io::Error::from_raw_os_error(self.errno).to_string();
                match text.split_once(" (os error") {
                    Some((words, _)) => words.to_string().into(),
                    None => text.into(),
                }
            }
        }
    }

    /// Returns the name of the error number, such as `EINVAL`, or `errno` and the number.
    pub fn errno_name(&self) -> Cow<'static, str> {
        match name(self.errno) {
            Some(name) => name.into(),
            None => format!("errno {}", self.errno).into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.words())?;
        if let Some(fault) = &self.fault {
            write!(f, "{fault}, ")?;
        }
        write!(f, "{})", self.errno_name())
    }
}

/// Returns the name of an error number that a request can end with. The numbers are those of
/// `asm-generic/errno.h`, which every architecture that kernel Rust supports uses.
fn name(errno: i32) -> Option<&'static str> {
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
        Refusal { errno, text, fault }.to_string()
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
    fn kernel_text_attribute_and_errno_are_shown() {
        let request = destination_request();
        let set = &spec::destination::SET;
        let weight = Fault::at(set, request.attributes(), 20);
        assert_eq!(
            refusal(34, Some("weight is 0 to 65535"), weight),
            "weight is 0 to 65535 (attribute destination weight, ERANGE)"
        );
        let port = Fault::at(set, request.attributes(), 12);
        assert_eq!(
            refusal(22, Some("port 0"), port),
            "port 0 (attribute service port, EINVAL)"
        );
    }

    #[test]
    fn missing_attributes_are_named() {
        let request = destination_request();
        let set = &spec::destination::SET;
        let port = Fault::missing(set, request.attributes(), None, 3);
        assert_eq!(
            refusal(22, None, port),
            "Invalid argument (attribute destination port is missing, EINVAL)"
        );
        let address = Fault::missing(set, request.attributes(), Some(0), 2);
        assert_eq!(
            refusal(22, None, address),
            "Invalid argument (attribute service address is missing, EINVAL)"
        );
        assert_eq!(Fault::missing(set, request.attributes(), Some(20), 2), None);
    }

    #[test]
    fn a_refusal_without_a_text_gets_one() {
        assert_eq!(
            refusal(1, None, None),
            "this needs CAP_NET_ADMIN in the network namespace: run it as root (EPERM)"
        );
        assert_eq!(refusal(17, None, None), "File exists (EEXIST)");
        assert!(refusal(95, None, None).contains("load the version of this tool"));
        assert!(refusal(125, None, None).ends_with("(errno 125)"));
    }
}
