//! HTTP/2 to servers, over sockets: the same exchanges as to those of HTTP/1, and what only HTTP/2 has.
#![allow(clippy::disallowed_methods, reason = "a test owns its tasks: they end with its runtime")]

use crate::support::{Daemon, Http2Server};

mod connections;
mod exchanges;
mod grpc;
mod negotiation;

/// A daemon that speaks both versions to clients and HTTP/2 to these servers.
fn front(servers: &[&Http2Server]) -> Daemon {
    front_with(servers, "http=2", "", "")
}

/// The same with these properties of `connections`, and more nodes in its pool and route.
fn front_with(servers: &[&Http2Server], connections: &str, pool: &str, route: &str) -> Daemon {
    let server = |(n, server): (usize, &&Http2Server)| format!("  server s{n} \"{}\"\n", server.address());
    let servers: String = servers.iter().enumerate().map(server).collect();
    Daemon::run(&format!(
        "defaults {{ listen {{ protocols http1 h2c; }}; }}\n\
         pool app {{\n{servers}  balance round-robin\n  connections {connections}\n{pool}\n}}\n\
         route \"/\" pool=app {{\n{route}\n}}\n"
    ))
}
