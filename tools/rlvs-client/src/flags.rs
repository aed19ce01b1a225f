// SPDX-License-Identifier: GPL-2.0

//! Names of a service's flags.
//!
//! Some flags have a meaning of their own for each scheduler, as in IPVS. The specification calls
//! them `scheduler-...`; users write the scheduler's name: `sh-port`.

use std::fmt;
use std::str::FromStr;

use crate::spec;

/// Prefix of the names of flags that depend on the scheduler.
const OF_SCHEDULER: &str = "scheduler-";

/// The schedulers that have such flags.
const SCHEDULERS: [&str; 2] = ["sh", "mh"];

/// A flag by its name as users write it, or `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    name: String,
    /// 0 for `none`.
    bits: u32,
    /// The scheduler that the flag belongs to, if it depends on one.
    scheduler: Option<&'static str>,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Flag {
    /// Returns the name as users write it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `true` if the flag belongs to a scheduler, and goes with it.
    pub(crate) fn is_of_scheduler(&self) -> bool {
        self.scheduler.is_some()
    }
}

/// A name that no flag has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFlag(pub String);

impl std::error::Error for UnknownFlag {}

impl fmt::Display for UnknownFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use {} or none", all_names().join(", "))
    }
}

/// Why a service cannot have these flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagsError {
    /// `none` is given together with a flag.
    NoneWithOthers,
    /// A flag belongs to another scheduler than the service's.
    OtherScheduler {
        /// Name of the flag.
        flag: String,
        /// The scheduler that has it.
        of: &'static str,
        /// The service's scheduler.
        scheduler: String,
    },
}

impl std::error::Error for FlagsError {}

impl fmt::Display for FlagsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneWithOthers => f.write_str("none cannot be given with other flags"),
            Self::OtherScheduler {
                flag,
                of,
                scheduler,
            } => write!(
                f,
                "the flag {flag} is for the scheduler {of}, and the service has {scheduler}"
            ),
        }
    }
}

impl FromStr for Flag {
    type Err = UnknownFlag;

    fn from_str(name: &str) -> Result<Self, UnknownFlag> {
        let known = || spec::SERVICE_FLAG.iter();
        let flag = |bits, scheduler| Flag {
            name: name.to_string(),
            bits,
            scheduler,
        };
        if name == "none" {
            return Ok(flag(0, None));
        }
        let own = known().find(|(known, _)| *known == name && !known.starts_with(OF_SCHEDULER));
        if let Some((_, bits)) = own {
            return Ok(flag(*bits, None));
        }
        for scheduler in SCHEDULERS {
            let found = known().find(|(known, _)| named(known, scheduler) == name);
            if let Some((_, bits)) = found.filter(|(known, _)| known.starts_with(OF_SCHEDULER)) {
                return Ok(flag(*bits, Some(scheduler)));
            }
        }
        Err(UnknownFlag(name.to_string()))
    }
}

/// Returns the flags as bits, if they fit together and the service has the scheduler that they
/// belong to.
///
/// `scheduler` returns the service's scheduler, or `None` if the kernel is to choose it. It is not
/// called when no flag depends on it.
pub(crate) fn bits<E: From<FlagsError>>(
    flags: &[Flag],
    scheduler: impl FnOnce() -> Result<Option<String>, E>,
) -> Result<u32, E> {
    if flags.len() > 1 && flags.iter().any(|flag| flag.bits == 0) {
        return Err(FlagsError::NoneWithOthers.into());
    }
    if flags.iter().any(|flag| flag.scheduler.is_some()) {
        // If the kernel is to choose the scheduler, it refuses flags that do not fit.
        if let Some(scheduler) = scheduler()? {
            for flag in flags {
                if let Some(of) = flag.scheduler.filter(|of| *of != scheduler) {
                    let flag = flag.name.clone();
                    return Err(FlagsError::OtherScheduler {
                        flag,
                        of,
                        scheduler,
                    }
                    .into());
                }
            }
        }
    }
    Ok(flags.iter().fold(0, |bits, flag| bits | flag.bits))
}

/// Returns the flags that a service with this scheduler then has: each once, in the order of their
/// bits, without `none`.
pub(crate) fn normal(flags: &[Flag], scheduler: &str) -> Result<Vec<Flag>, FlagsError> {
    let bits = bits(flags, || Ok::<_, FlagsError>(Some(scheduler.to_string())))?;
    let names = names(bits, scheduler);
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Returns the names of the flags that are set of a service with this scheduler. A flag that the
/// specification does not have is named by its bit.
pub(crate) fn names(bits: u32, scheduler: &str) -> Vec<String> {
    let each = (0..u32::BITS).map(|bit| 1 << bit);
    each.filter(|bit| bits & bit != 0)
        .map(|bit| {
            let known = spec::SERVICE_FLAG.iter().find(|(_, bits)| *bits == bit);
            known.map_or_else(|| format!("{bit:#x}"), |(name, _)| named(name, scheduler))
        })
        .collect()
}

/// Returns the name, as users write it, of a flag of the specification for a scheduler.
fn named(name: &str, scheduler: &str) -> String {
    match name.strip_prefix(OF_SCHEDULER) {
        Some(rest) => format!("{scheduler}-{rest}"),
        None => name.to_string(),
    }
}

/// Returns all names as users write them.
fn all_names() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for scheduler in SCHEDULERS {
        for (name, _) in spec::SERVICE_FLAG {
            let name = named(name, scheduler);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(names: &str) -> Vec<Flag> {
        names.split(',').map(|name| name.parse().unwrap()).collect()
    }

    fn with(names: &str, scheduler: &str) -> Result<u32, FlagsError> {
        bits(&flags(names), || Ok(Some(scheduler.to_string())))
    }

    /// The bits of flags that depend on no scheduler.
    fn unasked(names: &str) -> u32 {
        bits::<FlagsError>(&flags(names), || panic!("not asked")).unwrap()
    }

    #[test]
    fn numbers_are_those_of_ipvs() {
        assert_eq!(with("sh-fallback", "sh").unwrap(), 0x08);
        assert_eq!(with("sh-port", "sh").unwrap(), 0x10);
        assert_eq!(with("mh-port,mh-fallback", "mh").unwrap(), 0x18);
        assert_eq!(unasked("sloppy"), 1 << 16);
        assert_eq!(unasked("uncounted"), 1 << 17);
        assert_eq!(unasked("ops"), 0x04);
        assert_eq!(unasked("none"), 0);
        assert_eq!(
            bits::<FlagsError>(&flags("mh-port"), || Ok(None)).unwrap(),
            0x10
        );
    }

    #[test]
    fn a_flag_of_another_scheduler_is_refused() {
        for (names, scheduler) in [("mh-port", "sh"), ("sh-port,mh-fallback", "sh")] {
            let error = with(names, scheduler).unwrap_err().to_string();
            assert!(error.contains("is for the scheduler mh"), "{error}");
        }
        assert!(with("sh-port", "wlc").is_err());
        assert!(with("none,sh-port", "sh").is_err());
    }

    #[test]
    fn the_error_lists_the_names() {
        let error = "sh-foo".parse::<Flag>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "use ops, sh-fallback, sh-port, sloppy, uncounted, mh-fallback, mh-port or none"
        );
    }

    #[test]
    fn names_are_the_schedulers() {
        assert_eq!(names(0x18, "sh"), ["sh-fallback", "sh-port"]);
        assert_eq!(names(0x10, "mh"), ["mh-port"]);
        assert_eq!(names(0x3_0000, "rr"), ["sloppy", "uncounted"]);
        assert_eq!(names(0x14, "sh"), ["ops", "sh-port"]);
        assert_eq!(names(0x8000_0000, "rr"), ["0x80000000"]);
        assert!(names(0, "rr").is_empty());
    }
}
