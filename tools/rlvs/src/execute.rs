// SPDX-License-Identifier: GPL-2.0

//! The commands that are requests to the kernel.

use std::thread;
use std::time::{Duration, Instant};

use rlvs_client::client::Client;
use rlvs_client::configuration::Configuration;
use rlvs_client::document;
use rlvs_client::endpoint::ServiceId;
use rlvs_client::model::Service;
use rlvs_client::rates;
use rlvs_client::transport::Transport;
use serde::Serialize;

use crate::cli::dest::DestCommand;
use crate::cli::service::ServiceCommand;
use crate::cli::Command;
use crate::error::Error;
use crate::output::{self, Numbers};

/// The texts of a command that was carried out.
#[derive(Debug, Default)]
pub struct Done {
    /// For standard output.
    pub output: String,
    /// The kernel's note, for standard error.
    pub note: Option<String>,
}

impl Done {
    /// A change, with the kernel's note.
    fn change(note: Option<String>) -> Self {
        let output = String::new();
        Self { output, note }
    }

    /// A listing, as JSON with this name or as the text that `text` makes of it.
    fn listing<T: Serialize>(
        json: bool,
        name: &str,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Self {
        let output = if json {
            output::json(name, value)
        } else {
            text(value)
        };
        Self { output, note: None }
    }
}

/// Carries out a command that needs a socket only. `main.rs` carries out the others.
pub fn execute<T: Transport>(command: &Command, client: &mut Client<T>) -> Result<Done, Error> {
    Ok(match command {
        Command::Service(command) => Done::change(execute_service(command, client)?),
        Command::Dest(command) => Done::change(execute_dest(command, client)?),
        Command::List {
            service,
            json,
            stats,
            rate,
        } => {
            let services = match rate {
                Some(seconds) => list_with_rates(client, service.as_ref(), *seconds)?,
                None => client.list(service.as_ref())?,
            };
            let numbers = match (rate, stats) {
                (Some(_), _) => Numbers::Rates,
                (None, true) => Numbers::Totals,
                (None, false) => Numbers::None,
            };
            Done::listing(*json, "services", &services, |services| {
                output::services_text(services, numbers)
            })
        }
        Command::Conns { json } => {
            let connections = client.connections()?;
            Done::listing(*json, "connections", &connections, |connections| {
                output::connections_text(connections)
            })
        }
        Command::Templates { json } => {
            let templates = client.templates()?;
            Done::listing(*json, "templates", &templates, |templates| {
                output::templates_text(templates)
            })
        }
        Command::Counters { json } => {
            let counters = client.counters()?;
            Done::listing(*json, "counters", &counters, output::counters_text)
        }
        Command::Timeouts { options, json } if options.is_empty() => {
            let timeouts = client.timeouts()?;
            Done::listing(*json, "timeouts", &timeouts, output::timeouts_text)
        }
        Command::Timeouts { options, .. } => {
            Done::change(client.set_timeouts(&options.settings())?)
        }
        Command::Flush { now } => Done::change(client.flush(*now)?),
        Command::Save => Done {
            output: document::write(&Configuration::read(client)?),
            note: None,
        },
        // Not carried out here.
        Command::Apply { .. }
        | Command::Completion { .. }
        | Command::Man { .. }
        | Command::Restore { .. }
        | Command::Watch => Done::default(),
    })
}

/// Lists services with their rates over the next `seconds`.
fn list_with_rates<T: Transport>(
    client: &mut Client<T>,
    service: Option<&ServiceId>,
    seconds: u64,
) -> Result<Vec<Service>, Error> {
    let begun = Instant::now();
    let before = client.list(service)?;
    thread::sleep(Duration::from_secs(seconds));
    let elapsed = begun.elapsed();
    let mut after = client.list(service)?;
    rates::fill_in(&before, &mut after, elapsed);
    Ok(after)
}

/// Carries out a command on virtual services; returns the kernel's note.
fn execute_service<T: Transport>(
    command: &ServiceCommand,
    client: &mut Client<T>,
) -> Result<Option<String>, Error> {
    Ok(match command {
        ServiceCommand::Add { service, options } => {
            client.add_service(service, &options.settings(service)?)?
        }
        ServiceCommand::Edit { service, options } => {
            client.set_service(service, &options.settings(service)?)?
        }
        ServiceCommand::Del { service, now } => client.delete_service(service, *now)?,
        ServiceCommand::Zero { service } => client.zero(service.as_ref())?,
    })
}

/// Carries out a command on destinations; returns the kernel's note.
fn execute_dest<T: Transport>(
    command: &DestCommand,
    client: &mut Client<T>,
) -> Result<Option<String>, Error> {
    Ok(match command {
        DestCommand::Add { target, options } => {
            client.add_destinations(&target.service, &target.destination, &options.settings())?
        }
        DestCommand::Edit { target, options } => {
            client.set_destinations(&target.service, &target.destination, &options.settings())?
        }
        DestCommand::Del { target, now } => {
            client.delete_destinations(&target.service, &target.destination, *now)?
        }
        // Not carried out here.
        DestCommand::Drain { .. } => None,
    })
}

#[cfg(test)]
mod tests;
