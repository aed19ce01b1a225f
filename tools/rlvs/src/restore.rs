// SPDX-License-Identifier: GPL-2.0

//! `rlvs restore` and `rlvs apply`: configure the namespace by a document.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use rlvs_client::client::Client;
use rlvs_client::configuration::Configuration;
use rlvs_client::document;
use rlvs_client::ipvsadm;
use rlvs_client::plan::{additions_to, plan};
use rlvs_client::step::{carry_out, Step};
use rlvs_client::transport::Transport;

use crate::cli::dest::user_number;
use crate::error::Error;

/// Stands for standard input in place of a file.
const STANDARD_INPUT: &str = "-";

/// Reads a document, if `is_ipvsadm` one of ipvsadm, from a file, by default from standard input.
///
/// # Errors
///
/// [`Error::Input`] or [`Error::Document`].
pub fn read(file: Option<&Path>, is_ipvsadm: bool) -> Result<Configuration, Error> {
    let (name, text) = match file.filter(|file| *file != Path::new(STANDARD_INPUT)) {
        Some(file) => (file.display().to_string(), fs::read_to_string(file)),
        None => {
            let mut text = String::new();
            let read = io::stdin().lock().read_to_string(&mut text);
            ("standard input".to_string(), read.map(|_| text))
        }
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return Err(Error::Input(name, error)),
    };
    let document = if is_ipvsadm {
        ipvsadm::read(&text)
    } else {
        document::read(&text, &user_number)
    };
    document.map_err(|mistake| Error::Document(name, mistake))
}

/// Adds what a document says; returns the kernel's notes.
///
/// # Errors
///
/// [`Error::Exists`] if a service is there already; nothing was changed then. [`Error::NotMade`] if
/// the kernel refuses something.
pub fn restore<T: Transport>(
    client: &mut Client<T>,
    document: &Configuration,
) -> Result<Vec<String>, Error> {
    let current = Configuration::read(client)?;
    let steps = additions_to(&current, document).map_err(Error::Exists)?;
    make(client, &steps)
}

/// Makes the namespace what a document says; returns the kernel's notes.
///
/// # Errors
///
/// [`Error::NotMade`] if the kernel refuses something.
pub fn apply<T: Transport>(
    client: &mut Client<T>,
    document: &Configuration,
) -> Result<Vec<String>, Error> {
    let steps = plan(&Configuration::read(client)?, document);
    make(client, &steps)
}

/// Returns the changes that [`apply`] would make, one on each line.
pub fn planned<T: Transport>(
    client: &mut Client<T>,
    document: &Configuration,
) -> Result<String, Error> {
    let steps = plan(&Configuration::read(client)?, document);
    let lines = steps.iter().map(|step| format!("{}\n", step.change));
    Ok(lines.collect())
}

/// Carries out steps; returns the kernel's notes.
fn make<T: Transport>(client: &mut Client<T>, steps: &[Step]) -> Result<Vec<String>, Error> {
    let notes = carry_out(client, steps).map_err(Error::NotMade)?;
    let lines = notes
        .iter()
        .map(|(change, note)| format!("{change}: {note}"));
    Ok(lines.collect())
}
