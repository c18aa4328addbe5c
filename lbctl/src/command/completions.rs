//! `lbctl completions SHELL`: a script to source or to install.

use crate::screen::Screen;
use clap::CommandFactory;
use lbctl::args::Cli;
use lbctl::completions::{self, Shell};
use lbctl::protocol::Exit;

pub(super) fn run(shell: Shell, screen: &Screen) -> Exit {
    screen.write(&completions::script(Cli::command(), shell));
    Exit::Done
}
