//! What a route does besides choosing a pool: splits, rewrites, limits of rate, pages for errors.

use crate::support::{Client, Daemon, Message, Origin};

mod compress;
mod error_pages;
mod mirrors;
mod rate_limits;
mod rewrites;
mod splits;

/// A pool of one server for each origin, named as it is here.
fn pools(origins: &[(&str, &Origin)]) -> String {
    let pool =
        |(name, origin): &(&str, &Origin)| format!("pool {name} {{ server \"{}\"; }}\n", origin.address());
    origins.iter().map(pool).collect()
}

/// `GET target` with these fields on a connection of its own.
fn ask(daemon: &Daemon, target: &str, fields: &str) -> Message {
    Client::connect(daemon.address()).request("GET", target, fields, b"")
}

/// `GET target` of another host.
fn ask_host(daemon: &Daemon, host: &str, target: &str) -> Message {
    let mut client = Client::connect(daemon.address());
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.read(crate::support::Tail::AsSaid)
}

/// The first line of an answer of an echoing origin: its name.
fn who(answer: &Message) -> &str {
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.text().lines().next().unwrap_or_default()
}
