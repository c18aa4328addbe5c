//! HTTP/2 from clients, over sockets: the same exchanges as over HTTP/1, and what only HTTP/2 has.
#![allow(clippy::disallowed_methods, reason = "a test owns its tasks: they end with its runtime")]

use crate::proxying::config;
use crate::support::{Daemon, Origin};

mod attacks;
mod bodies;
mod connections;
mod exchanges;
mod malformed;
mod misdirected;
mod negotiation;
mod states;
mod websockets;

/// A daemon that speaks both versions without TLS.
fn front(origins: &[&Origin], pool: &str, route: &str) -> Daemon {
    speaking("protocols http1 h2c", origins, pool, route)
}

/// A daemon whose listener holds these nodes.
fn speaking(listen: &str, origins: &[&Origin], pool: &str, route: &str) -> Daemon {
    Daemon::run(&format!("defaults {{ listen {{\n{listen}\n}}; }}\n{}", config(origins, pool, route)))
}
