//! One file per command.

mod api;
mod certificate;
mod check;
mod completions;
mod config;
mod conn;
mod daemon;
mod drain;
mod events;
mod help;
mod log;
mod man;
mod metrics;
mod names;
mod pool;
mod route;
mod server;
mod status;
mod sticky;

use crate::failure::Failure;
use crate::screen::Screen;
use lbctl::args::{Command, ServerCommand};
use lbctl::client::Client;
use lbctl::protocol::Exit;

/// Runs one command.
pub(crate) async fn run(command: Command, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    screen.detail(&format!("socket {}", client.socket().display()));
    match command {
        Command::Status { watch } => status::run(watch, client, screen).await,
        Command::Check { pools, max_down } => Ok(check::run(&pools, max_down, client, screen).await),
        #[cfg(feature = "top")]
        Command::Top { once, size } => {
            crate::top::run((once || size.is_some()).then(|| size.unwrap_or((80, 24))), client, screen).await
        }
        #[cfg(not(feature = "top"))]
        Command::Top { .. } => {
            Err(Failure::new(lbctl::protocol::Exit::Failed, "this lbctl was built without top"))
        }
        Command::Pool(command) => pool::run(command, client, screen).await,
        Command::Server(ServerCommand::Drain(args)) | Command::Drain(args) => {
            drain::run(args, client, screen).await
        }
        Command::Server(ServerCommand::Ready(args)) | Command::Ready(args) => {
            server::ready(args, client, screen).await
        }
        Command::Server(command) => server::run(command, client, screen).await,
        Command::Sticky(command) => sticky::run(command, client, screen).await,
        Command::Conn(command) => conn::run(command, client, screen).await,
        Command::Route(command) => route::run(command, client, screen).await,
        Command::Config(command) => config::run(command, client, screen).await,
        Command::Cert(command) => certificate::run(command, client, screen).await,
        Command::Events { since, after, kind, follow } => {
            events::run(events::Wanted { since, after, kinds: kind, follow }, client, screen).await
        }
        Command::Daemon(command) => daemon::run(command, client, screen).await,
        Command::Log(command) => log::run(command, client, screen).await,
        Command::Help { words } => help::run(&words, screen),
        Command::Metrics { names } => metrics::run(&names, client, screen).await,
        Command::Man { directory } => man::run(&directory, screen),
        Command::Completions { shell } => Ok(completions::run(shell, screen)),
        Command::Names { kind } => Ok(names::run(kind, client, screen).await),
        Command::Api { method, path, data } => api::run(&method, &path, data, client, screen).await,
    }
}
