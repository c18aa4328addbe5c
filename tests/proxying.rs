//! The data path, from outside: what a client sends, what a server sees, what the client gets.

use crate::support::{Daemon, Origin};

mod affinity;
mod bodies;
mod connections;
mod failures;
mod heads;
mod overload;
mod upgrades;
mod websockets;

/// A daemon that sends everything to these origins, in turn.
fn front(origins: &[&Origin]) -> Daemon {
    front_with(origins, "", "")
}

/// The same with more nodes in its pool and in its route.
fn front_with(origins: &[&Origin], pool: &str, route: &str) -> Daemon {
    Daemon::run(&config(origins, pool, route))
}

/// Servers are named `s0`, `s1` and so on.
pub(crate) fn config(origins: &[&Origin], pool: &str, route: &str) -> String {
    let server = |(n, origin): (usize, &&Origin)| format!("  server s{n} \"{}\"\n", origin.address());
    let servers: String = origins.iter().enumerate().map(server).collect();
    format!("pool app {{\n{servers}  balance round-robin\n{pool}\n}}\nroute \"/\" pool=app {{\n{route}\n}}\n")
}
