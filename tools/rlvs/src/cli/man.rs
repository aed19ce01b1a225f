// SPDX-License-Identifier: GPL-2.0

//! Man pages and completion scripts, generated from the command line.

use std::path::Path;

use clap::CommandFactory;

use super::{Cli, Shell};
use crate::error::Error;

/// Returns the completion script for a shell.
pub fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(shell, &mut Cli::command(), "rlvs", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes `rlvs.8`, `rlvs-service.8`, `rlvs-service-add.8` and so on.
pub fn write_man_pages(directory: &Path) -> Result<(), Error> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_man_page(&command, directory)
}

fn write_man_page(command: &clap::Command, directory: &Path) -> Result<(), Error> {
    let page = clap_mangen::Man::new(command.clone())
        .section("8")
        .manual("System Administration")
        .source(concat!("rlvs ", env!("CARGO_PKG_VERSION")));
    let file = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)
        // The generator has no better title for what follows the options.
        .map(|()| String::from_utf8_lossy(&text).replace(".SH EXTRA\nExamples:", ".SH EXAMPLES"))
        .and_then(|text| std::fs::write(&file, text))
        .map_err(|error| Error::Output(file.display().to_string(), error))?;
    let visible = |command: &&clap::Command| !command.is_hide_set();
    command
        .get_subcommands()
        .filter(visible)
        .try_for_each(|command| write_man_page(command, directory))
}
