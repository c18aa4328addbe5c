//! `lbctl completion SHELL`: a script to source or to install.

use crate::screen::Screen;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use lbctl::args::Cli;
use lbctl::protocol::Exit;

pub(super) fn run(shell: Shell, screen: &Screen) -> Exit {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "lbctl", &mut script);
    screen.write(&String::from_utf8_lossy(&script));
    Exit::Done
}
