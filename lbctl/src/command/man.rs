//! `lbctl man DIR`: a manual page for each command, made from the same parser as this command line. The folder is made
//! where it is not there yet: nobody has `~/.local/share/man/man1` before the first page.

use crate::failure::Failure;
use crate::screen::Screen;
use clap::CommandFactory;
use lbctl::args::Cli;
use lbctl::protocol::Exit;
use std::path::Path;

pub(super) fn run(directory: &Path, screen: &Screen) -> Result<Exit, Failure> {
    let command = Cli::command().disable_help_subcommand(true);
    let written =
        std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command, directory));
    written.map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write manual pages into {}: {error}", directory.display()))
    })?;
    screen.talk(&format!("written: lbctl.1 and a page for each command, in {}", directory.display()));
    Ok(Exit::Done)
}
