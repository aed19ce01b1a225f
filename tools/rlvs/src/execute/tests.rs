// SPDX-License-Identifier: GPL-2.0

//! Whole commands, with a transport that answers in the kernel's place.

use clap::Parser;
use rlvs_client::attribute::Builder;
use rlvs_client::client::Client;
use rlvs_client::request::Message;
use rlvs_client::spec;

use super::execute;
use crate::cli::{Cli, Command};
use crate::error::Error;
use crate::fake::{message, octets, stats, Fake};

mod change;
mod list;
mod save;

/// Reads a command line.
fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|arguments| arguments.command)
}

/// Runs a command line and returns its output.
fn run(fake: &mut Fake, line: &str) -> Result<String, Error> {
    execute(&parse(line).unwrap(), &mut Client::new(fake)).map(|done| done.output)
}

fn service(protocol: u8, address: &str, port: u16, scheduler: &str) -> Message {
    service_with(protocol, address, port, scheduler, 0, None)
}

fn service_with(
    protocol: u8,
    address: &str,
    port: u16,
    scheduler: &str,
    flags: u32,
    table: Option<u32>,
) -> Message {
    use spec::service::*;
    let mut attributes = Builder::default();
    attributes
        .put(PROTOCOL, protocol)
        .put(ADDRESS, &octets(address))
        .put(PORT, port)
        .put(SCHEDULER, scheduler)
        .put(DESTINATIONS, 2)
        .put(STATS, stats(10).attributes())
        .put(FLAGS, flags);
    attributes.put_some(TABLE_SIZE, table);
    message(attributes)
}
