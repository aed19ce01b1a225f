// SPDX-License-Identifier: GPL-2.0

//! `rlvs`: administers the rlvs load balancer of the Linux kernel.
//!
//! Each command is one or a few requests of the generic netlink family that
//! `Documentation/netlink/specs/rlvs.yaml` specifies. The tool checks syntax only; the kernel
//! decides whether a request is valid.
//!
//! Exit status: 0 done, 1 refused or failed, 2 wrong usage or a mistake in a document; of `rlvs
//! apply --dry-run` 0 nothing to do, 1 changes, 2 any error.

#![forbid(unsafe_code)]

mod cli;
mod drain;
mod error;
mod execute;
mod output;
mod restore;
mod watch;

#[cfg(test)]
mod fake;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rlvs_client::client::Client;
use rlvs_client::module;
use rlvs_client::socket::Socket;
use rlvs_client::subscription::Events;

use cli::dest::DestCommand;
use cli::{man, Cli, Command};
use error::Error;

fn main() -> ExitCode {
    // A usage error makes clap end the process with status 2.
    let command = Cli::parse().command;
    match run(&command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("rlvs: {error}");
            match (command, error) {
                // With this, 1 is not an error.
                (Command::Apply { dry_run: true, .. }, _) => ExitCode::from(2),
                (_, Error::Usage(_) | Error::Document(..)) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Carries out a command; returns the exit status.
fn run(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Apply { file, dry_run } => {
            let document = restore::read(Some(file), false)?;
            let mut client = Client::new(module::load_for(Socket::connect)?);
            if *dry_run {
                let changes = restore::planned(&mut client, &document)?;
                print(&changes)?;
                return Ok(ExitCode::from(u8::from(!changes.is_empty())));
            }
            print_notes(restore::apply(&mut client, &document)?);
        }
        Command::Completion { shell } => print(&man::completion(*shell))?,
        Command::Man { directory } => man::write_man_pages(directory)?,
        Command::Watch => {
            let mut events = module::load_for(Events::subscribe)?;
            watch::watch(&mut events, &mut io::stdout().lock())?;
        }
        Command::Dest(DestCommand::Drain { target, timeout }) => {
            let timeout = timeout.map(|seconds| Duration::from_secs(seconds.into()));
            let mut client = Client::new(module::load_for(Socket::connect)?);
            drain::drain(&mut client, &mut Events::subscribe()?, target, timeout)?;
        }
        Command::Restore { file, ipvsadm } => {
            let document = restore::read(file.as_deref(), *ipvsadm)?;
            let mut client = Client::new(module::load_for(Socket::connect)?);
            print_notes(restore::restore(&mut client, &document)?);
        }
        _ => {
            let mut client = Client::new(module::load_for(Socket::connect)?);
            let done = execute::execute(command, &mut client)?;
            print_notes(done.note);
            print(&done.output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the kernel's notes.
fn print_notes(notes: impl IntoIterator<Item = String>) {
    for note in notes {
        eprintln!("rlvs: note: {note}");
    }
}

/// Prints the whole output. A reader that has closed the pipe (`rlvs list | head`) is no error.
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
