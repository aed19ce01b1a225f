// SPDX-License-Identifier: GPL-2.0

//! The commands that are requests to the kernel.

use std::thread;
use std::time::{Duration, Instant};

use rlvs_client::client::Client;
use rlvs_client::endpoint::ServiceId;
use rlvs_client::model::Service;
use rlvs_client::rates;
use rlvs_client::transport::Transport;

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

impl From<String> for Done {
    fn from(output: String) -> Self {
        let note = None;
        Self { output, note }
    }
}

impl From<Option<String>> for Done {
    fn from(note: Option<String>) -> Self {
        let output = String::new();
        Self { output, note }
    }
}

/// Carries out a command that needs a socket only. `main.rs` carries out the others.
pub fn execute<T: Transport>(command: &Command, client: &mut Client<T>) -> Result<Done, Error> {
    Ok(match command {
        Command::Service(command) => execute_service(command, client)?.into(),
        Command::Dest(command) => execute_dest(command, client)?.into(),
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
            if *json {
                output::json("services", &services)
            } else {
                output::services_text(&services, numbers)
            }
            .into()
        }
        Command::Conns { json } => {
            let connections = client.connections()?;
            if *json {
                output::json("connections", &connections)
            } else {
                output::connections_text(&connections)
            }
            .into()
        }
        Command::Templates { json } => {
            let templates = client.templates()?;
            if *json {
                output::json("templates", &templates)
            } else {
                output::templates_text(&templates)
            }
            .into()
        }
        Command::Counters { json } => {
            let counters = client.counters()?;
            if *json {
                output::json("counters", &counters)
            } else {
                output::counters_text(&counters)
            }
            .into()
        }
        Command::Timeouts { options, json } if options.is_empty() => {
            let timeouts = client.timeouts()?;
            if *json {
                output::json("timeouts", &timeouts)
            } else {
                output::timeouts_text(&timeouts)
            }
            .into()
        }
        Command::Timeouts { options, .. } => client.set_timeouts(&options.settings())?.into(),
        Command::Flush { now } => client.flush(*now)?.into(),
        // Not carried out here.
        Command::Completion { .. } | Command::Man { .. } | Command::Watch => Done::default(),
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
