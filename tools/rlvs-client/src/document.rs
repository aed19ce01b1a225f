// SPDX-License-Identifier: GPL-2.0

//! A configuration as a text: arguments of the command `rlvs`, one command a line.
//!
//! ```text
//! # The shop.
//! timeouts --tcp 900 --tcp-fin 120 --udp 300
//! service add tcp://192.0.2.10:443 --scheduler wlc
//! dest add tcp://192.0.2.10:443 :8001-8004 --weight 2
//! ```
//!
//! The commands are `service add`, `dest add` and `timeouts`, with their options. A `#` at the
//! beginning of a word begins a comment. Destinations stand behind their service.

use std::fmt::{Display, Write};
use std::str::FromStr;

use crate::change::{additions, Change};
use crate::configuration::Configuration;
use crate::netmask::prefix_of_mask;
use crate::settings::{DestinationSettings, ServiceSettings, SocketUser, TimeoutSettings};
use mistake::Mistake;
use words::{lines, Words};

pub mod mistake;
pub(crate) mod words;

/// Returns the document of a configuration. [`read`] makes an equal one of it.
pub fn write(configuration: &Configuration) -> String {
    let mut text = String::new();
    let mut line = |change: &Change| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{change}");
    };
    if configuration.timeouts != TimeoutSettings::default() {
        line(&Change::SetTimeouts(configuration.timeouts));
    }
    for service in &configuration.services {
        additions(service).iter().for_each(&mut line);
    }
    text
}

/// Reads a document. `user` returns the number of a user that is named by what is not a number.
///
/// # Errors
///
/// The first [`Mistake`].
pub fn read(
    text: &str,
    user: &dyn Fn(&str) -> Result<u32, String>,
) -> Result<Configuration, Mistake> {
    configuration_of(text, |words| command(words, user))
}

/// Makes a configuration of a text by the change that `command` reads in each line.
///
/// # Errors
///
/// The first [`Mistake`].
pub(crate) fn configuration_of(
    text: &str,
    command: impl Fn(&mut Words<'_>) -> Result<Change, Mistake>,
) -> Result<Configuration, Mistake> {
    let mut configuration = Configuration::default();
    for mut words in lines(text) {
        let change = command(&mut words)?;
        let made = change.make(&mut configuration);
        made.map_err(|misfit| words.mistake_in_command(misfit))?;
    }
    Ok(configuration)
}

/// Reads a command.
fn command(
    words: &mut Words<'_>,
    user: &dyn Fn(&str) -> Result<u32, String>,
) -> Result<Change, Mistake> {
    let command = words.next("a command")?;
    match command {
        "timeouts" => return Ok(Change::SetTimeouts(timeouts(words)?)),
        "service" | "dest" => {}
        other => {
            let text =
                format!("'{other}' has no place here: use service add, dest add or timeouts");
            return Err(words.mistake(text));
        }
    }
    match words.next("add")? {
        "add" => {}
        other => {
            let text = format!("'{command} {other}' has no place here: use {command} add");
            return Err(words.mistake(text));
        }
    }
    let service = words.value("SERVICE")?;
    Ok(match command {
        "service" => Change::AddService(service, service_options(words)?),
        _ => {
            let range = words.value("DEST")?;
            Change::AddDestinations(service, range, destination_options(words, user)?)
        }
    })
}

/// Sets an option that may be given once.
fn once<V>(words: &Words<'_>, option: &mut Option<V>, value: V) -> Result<(), Mistake> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(words.mistake("this was set before in this line")),
    }
}

/// Reads the value of an option that may be given once.
fn set<V: FromStr>(words: &mut Words<'_>, option: &mut Option<V>) -> Result<(), Mistake>
where
    V::Err: Display,
{
    let value = words.value("a value")?;
    once(words, option, value)
}

fn timeouts(words: &mut Words<'_>) -> Result<TimeoutSettings, Mistake> {
    let mut settings = TimeoutSettings::default();
    while let Some(name) = words.option()? {
        match name {
            "--tcp" => set(words, &mut settings.tcp)?,
            "--tcp-fin" => set(words, &mut settings.tcp_fin)?,
            "--udp" => set(words, &mut settings.udp)?,
            _ => return Err(words.mistake("timeouts has the options --tcp, --tcp-fin and --udp")),
        }
    }
    Ok(settings)
}

fn service_options(words: &mut Words<'_>) -> Result<ServiceSettings, Mistake> {
    let mut settings = ServiceSettings::default();
    while let Some(name) = words.option()? {
        match name {
            "--scheduler" => set(words, &mut settings.scheduler)?,
            "--flags" => {
                let names = words.next("a value")?;
                let flags = names.split(',').map(str::parse).collect::<Result<_, _>>();
                let flags = flags.map_err(|error| words.mistake(error))?;
                once(words, &mut settings.flags, flags)?;
            }
            "--table-size" => set(words, &mut settings.table_size)?,
            "--timeout-tcp" => set(words, &mut settings.timeout_tcp)?,
            "--timeout-fin" => set(words, &mut settings.timeout_fin)?,
            "--timeout-udp" => set(words, &mut settings.timeout_udp)?,
            "--persistent" => set(words, &mut settings.persistent)?,
            "--prefix" => set(words, &mut settings.persistent_prefix)?,
            "--netmask" => {
                let prefix = prefix_of_mask(words.next("a value")?);
                let prefix = prefix.map_err(|error| words.mistake(error))?;
                once(words, &mut settings.persistent_prefix, prefix)?;
            }
            "--slow-start" => set(words, &mut settings.slow_start)?,
            _ => return Err(words.mistake(format!("service add has no option '{name}'"))),
        }
    }
    Ok(settings)
}

fn destination_options(
    words: &mut Words<'_>,
    user: &dyn Fn(&str) -> Result<u32, String>,
) -> Result<DestinationSettings, Mistake> {
    let mut settings = DestinationSettings::default();
    while let Some(name) = words.option()? {
        match name {
            "--weight" => set(words, &mut settings.weight)?,
            "--max-connections" => set(words, &mut settings.max_connections)?,
            "--min-connections" => set(words, &mut settings.min_connections)?,
            "--method" => set(words, &mut settings.method)?,
            "--private" => once(words, &mut settings.private, true)?,
            "--public" => once(words, &mut settings.private, false)?,
            "--user" => {
                let number = user(words.next("a value")?).map_err(|error| words.mistake(error))?;
                once(words, &mut settings.user, SocketUser::Only(number))?;
            }
            "--any-user" => once(words, &mut settings.user, SocketUser::Any)?,
            _ => return Err(words.mistake(format!("dest add has no option '{name}'"))),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests;
