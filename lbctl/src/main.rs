//! The `lbctl` command: talks to a running lbd, and to nothing else.
//!
//! stdout is data, stderr is talk. Each command is one file under `command`; the exit codes are those of
//! [`lbctl::protocol::Exit`], and `2` is clap's for wrong usage.

mod command;
mod failure;
mod offer;
mod screen;
#[cfg(feature = "top")]
mod top;

use clap::Parser;
use lbctl::args::Cli;
use lbctl::client::Client;
use screen::Screen;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    lbctl::render::show_times_in(jiff::tz::TimeZone::system());
    let screen = Screen::new(&cli.global);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.error(&format!("cannot start: {error}"), &[]);
            return ExitCode::FAILURE;
        }
    };
    let client = Client::new(&cli.global.socket).timeout(cli.global.timeout);
    let code = runtime.block_on(async {
        match command::run(cli.command, &client, &screen).await {
            Ok(exit) => exit,
            Err(failure) => failure.report(&screen),
        }
    });
    ExitCode::from(code.code())
}
