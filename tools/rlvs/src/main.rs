// SPDX-License-Identifier: GPL-2.0

//! `rlvs`: administers the rlvs load balancer of the Linux kernel.
//!
//! Each command is one or a few requests of the generic netlink family that
//! `Documentation/netlink/specs/rlvs.yaml` specifies. What a request means and
//! whether it is allowed is the kernel's business; the tool checks syntax only.
//!
//! Exit status: 0 done, 1 refused or failed, 2 wrong usage.

#![forbid(unsafe_code)]

mod cli;
mod drain;
mod output;
mod rates;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use cli::{Cli, Command, DestCommand, ServiceCommand};
use output::Numbers;
use rlvs_client::client::Client;
use rlvs_client::endpoint::ServiceId;
use rlvs_client::error::Error;
use rlvs_client::model::Service;
use rlvs_client::socket::{Events, Netlink};
use rlvs_client::transport::Transport;

fn main() -> ExitCode {
    // A usage error makes clap end the process with status 2.
    let arguments = Cli::parse();
    match run(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rlvs: {error}");
            match error {
                Error::Usage(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(command: &Command) -> Result<(), Error> {
    let text = match command {
        Command::Completion { shell } => cli::completion(*shell),
        Command::Man { directory } => return cli::write_man_pages(directory),
        Command::Watch => return watch::watch(&mut Events::subscribe()?, &mut io::stdout().lock()),
        Command::Dest(DestCommand::Drain { target, timeout }) => {
            let timeout = timeout.map(|seconds| Duration::from_secs(seconds.into()));
            let mut client = Client::new(Netlink::connect()?);
            return drain::drain(&mut client, &mut Events::subscribe()?, target, timeout);
        }
        _ => execute(command, &mut Client::new(Netlink::connect()?))?,
    };
    print(&text)
}

/// Carries out a command that talks to the kernel; returns what to print.
fn execute<T: Transport>(command: &Command, client: &mut Client<T>) -> Result<String, Error> {
    match command {
        Command::Service(command) => execute_service(command, client).map(|()| String::new()),
        Command::Dest(command) => execute_dest(command, client).map(|()| String::new()),
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
            Ok(if *json {
                output::services_json(&services)
            } else {
                output::services_text(&services, numbers)
            })
        }
        Command::Conns { json } => {
            let connections = client.connections()?;
            Ok(if *json {
                output::connections_json(&connections)
            } else {
                output::connections_text(&connections)
            })
        }
        Command::Templates { json } => {
            let templates = client.templates()?;
            Ok(if *json {
                output::templates_json(&templates)
            } else {
                output::templates_text(&templates)
            })
        }
        Command::Counters { json } => {
            let counters = client.counters()?;
            Ok(if *json {
                output::counters_json(&counters)
            } else {
                output::counters_text(&counters)
            })
        }
        Command::Timeouts { settings, json } if settings.is_empty() => {
            let timeouts = client.timeouts()?;
            Ok(if *json {
                output::timeouts_json(&timeouts)
            } else {
                output::timeouts_text(&timeouts)
            })
        }
        Command::Timeouts { settings, .. } => client.set_timeouts(settings).map(|()| String::new()),
        Command::Flush { now } => client.flush(*now).map(|()| String::new()),
        // Those are carried out without it.
        Command::Completion { .. } | Command::Man { .. } | Command::Watch => Ok(String::new()),
    }
}

/// The services, with what they carry per second during the next `seconds`.
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

fn execute_service<T: Transport>(
    command: &ServiceCommand,
    client: &mut Client<T>,
) -> Result<(), Error> {
    match command {
        ServiceCommand::Add { service, settings } => client.add_service(service, settings),
        ServiceCommand::Edit { service, settings } => client.set_service(service, settings),
        ServiceCommand::Del { service, now } => client.delete_service(service, *now),
        ServiceCommand::Zero { service } => client.zero(service.as_ref()),
    }
}

fn execute_dest<T: Transport>(command: &DestCommand, client: &mut Client<T>) -> Result<(), Error> {
    match command {
        DestCommand::Add { target, settings } => client.add_destinations(target, settings),
        DestCommand::Edit { target, settings } => client.set_destinations(target, settings),
        DestCommand::Del { target, now } => client.delete_destinations(target, *now),
        // Carried out with events.
        DestCommand::Drain { .. } => Ok(()),
    }
}

/// Prints the whole output. A reader that has gone away (`rlvs list | head`)
/// has seen what it wanted: that is no error.
fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Output("standard output".into(), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
