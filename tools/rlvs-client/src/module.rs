// SPDX-License-Identifier: GPL-2.0

//! Loads the kernel's module for a process that may do that.
//!
//! The kernel would load it for every user that asks for its family, if the module had the family's
//! name as an alias. As ip_vs cannot be loaded beside it, not every user may decide that.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

/// `CAP_SYS_MODULE`, a bit of a capability set.
const SYS_MODULE: u64 = 1 << 16;
/// Holds the path of the program that the kernel runs to load modules; empty if there is none.
const PROGRAM: &str = "/proc/sys/kernel/modprobe";
const IPVS: &str = "/sys/module/ip_vs";

/// Opens something that needs the module, after loading it if it is not loaded.
///
/// # Errors
///
/// Those of `open` and [`load`].
pub fn load_for<T>(open: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match open() {
        Err(Error::NotLoaded) => {
            load()?;
            open()
        }
        opened => opened,
    }
}

/// Loads the module, by the program that the kernel itself loads modules with.
///
/// # Errors
///
/// [`Error::NotLoaded`] if the process has not the capability `CAP_SYS_MODULE` or there is no such
/// program, [`Error::IpvsLoaded`] while ip_vs is loaded, [`Error::NotLoadable`] if the program
/// fails.
pub fn load() -> Result<(), Error> {
    if Path::new(IPVS).exists() {
        return Err(Error::IpvsLoaded);
    }
    if !may_load() {
        return Err(Error::NotLoaded);
    }
    let program = fs::read_to_string(PROGRAM).unwrap_or_default();
    let program = program.trim();
    if program.is_empty() {
        return Err(Error::NotLoaded);
    }
    let failed = |reason: &str| {
        Err(Error::NotLoadable {
            program: program.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let done = Command::new(program)
        .args(["--", "rlvs"])
        .stdin(Stdio::null())
        .output();
    match done {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => failed(first_line(&String::from_utf8_lossy(&done.stderr))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::NotLoaded),
        Err(error) => failed(&error.to_string()),
    }
}

/// Returns `true` if this process has the capability to load modules, in whichever user namespace:
/// the kernel may refuse it all the same.
fn may_load() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    has_capability(&status, SYS_MODULE)
}

/// Returns `true` if `status`, the file of that name of a process, says that it has this capability.
fn has_capability(status: &str, capability: u64) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    set.is_some_and(|set| set & capability != 0)
}

/// Returns the first line that a program wrote to stderr.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("it gave no reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_is_read() {
        let status = |set| format!("Name:\trlvs\nCapPrm:\tffffffffffffffff\nCapEff:\t{set}\n");
        for (set, has) in [
            ("000001ffffffffff", true),
            ("0000000000010000", true),
            ("000001fffffeffff", false),
            ("0000000000000000", false),
            ("", false),
        ] {
            assert_eq!(has_capability(&status(set), SYS_MODULE), has, "{set}");
        }
        assert!(!has_capability("", SYS_MODULE));
    }

    #[test]
    fn silence_is_put_in_words() {
        assert_eq!(first_line("one\ntwo\n"), "one");
        assert_eq!(first_line(""), "it gave no reason");
    }
}
