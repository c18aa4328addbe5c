//! `lbctl log`: which lines the daemon writes.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::LogCommand;
use lbctl::client::Client;
use lbctl::protocol::{Exit, LogFilter, SetLog};
use lbctl::render;

pub(super) async fn run(command: LogCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let LogCommand::Level { filter, time, reset, reason } = command;
    let changes = filter.is_some() || reset;
    let now: LogFilter = if changes {
        let time = filter.as_ref().map(|_| time);
        client.send(Method::PUT, "/v1/log", &SetLog { filter, time, reason }).await?
    } else {
        client.get("/v1/log").await?
    };
    screen.data(&now, |_| {
        let until = now.until.map(|until| format!("  until {}", render::time(until))).unwrap_or_default();
        format!("{}{until}\n", now.filter)
    });
    if changes && !reset {
        screen.talk("undo: lbctl log level --reset");
    }
    Ok(Exit::Done)
}
