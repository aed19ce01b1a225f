// SPDX-License-Identifier: GPL-2.0

//! Errors, with texts that say what to change.

use std::fmt;
use std::io;

use rlvs_client::document::mistake::Mistake;
use rlvs_client::endpoint::ServiceId;
use rlvs_client::refusal::{Fault, Refusal};
use rlvs_client::step::Failure;

/// Why a command was not carried out.
#[derive(Debug)]
pub enum Error {
    /// The command line does not fit together.
    Usage(String),
    /// A request was not sent, or was not carried out.
    Client(rlvs_client::error::Error),
    /// Destinations have not drained, for this reason.
    NotDrained(String),
    /// Writing to the place named first has failed.
    Output(String, io::Error),
    /// Reading from the place named first has failed.
    Input(String, io::Error),
    /// The document that is named first has a mistake.
    Document(String, Mistake),
    /// Services that are to be added are there already.
    Exists(Vec<ServiceId>),
    /// The kernel did not make one of several changes.
    NotMade(Box<Failure>),
}

impl std::error::Error for Error {}

impl From<rlvs_client::error::Error> for Error {
    fn from(error: rlvs_client::error::Error) -> Self {
        use rlvs_client::error::Error::Flags;
        match error {
            Flags(flags) => Self::Usage(flags.to_string()),
            error => Self::Client(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::NotDrained(text) => f.write_str(text),
            Self::Client(error) => client(error, f),
            Self::Output(place, error) => write!(f, "cannot write to {place}: {error}"),
            Self::Input(place, error) => write!(f, "cannot read {place}: {error}"),
            Self::Document(name, mistake) => write!(f, "{name}:{mistake}"),
            Self::Exists(services) => {
                let names: Vec<_> = services.iter().map(ToString::to_string).collect();
                let names = names.join(", ");
                write!(f, "nothing was changed, as there is already: {names}")
            }
            Self::NotMade(failure) => not_made(failure, f),
        }
    }
}

/// Writes an error of a request.
fn client(error: &rlvs_client::error::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use rlvs_client::error::Error::{Refused, Reply};
    match error {
        Refused(refusal) => refused(refusal, f),
        Reply(_) => write!(f, "{error} (do module and tool have the same version?)"),
        error => write!(f, "{error}"),
    }
}

/// Writes which of several changes was not made, and what became of those before it.
fn not_made(failure: &Failure, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}: ", failure.change)?;
    client(&failure.error, f)?;
    if failure.left.is_empty() {
        return match failure.undone {
            0 => f.write_str("; nothing was changed"),
            1 => f.write_str("; the change before it was undone"),
            many => write!(f, "; the {many} changes before it were undone"),
        };
    }
    f.write_str("; the changes before it were undone, except for what these would have undone:")?;
    for (change, error) in &failure.left {
        write!(f, "\n  {change}: ")?;
        client(error, f)?;
    }
    Ok(())
}

/// Writes a refusal, with the argument at fault in place of the attribute.
fn refused(refusal: &Refusal, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{} (", refusal.words())?;
    if let Some(fault) = &refusal.fault {
        match argument(fault) {
            Some(argument) if fault.missing => write!(f, "argument {argument} is missing, ")?,
            Some(argument) => write!(f, "argument {argument}, ")?,
            None => write!(f, "{fault}, ")?,
        }
    }
    write!(f, "{})", refusal.errno_name())
}

/// Returns the argument of the command line that an attribute was made from.
fn argument(fault: &Fault) -> Option<&'static str> {
    Some(match (fault.set, fault.attribute) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(attribute: &'static str, missing: bool) -> String {
        let fault = Fault {
            set: "destination",
            attribute,
            missing,
        };
        let refusal = Refusal {
            errno: 34,
            text: Some("weight is 0 to 65535".into()),
            fault: Some(fault),
        };
        Error::Client(rlvs_client::error::Error::Refused(refusal)).to_string()
    }

    #[test]
    fn the_argument_at_fault_is_shown() {
        for (attribute, missing, end) in [
            ("weight", false, "(argument --weight, ERANGE)"),
            ("port", true, "(argument DEST is missing, ERANGE)"),
            ("stats", false, "(attribute destination stats, ERANGE)"),
            (
                "stats",
                true,
                "(attribute destination stats is missing, ERANGE)",
            ),
        ] {
            let expected = format!("weight is 0 to 65535 {end}");
            assert_eq!(text(attribute, missing), expected);
        }
    }
}
