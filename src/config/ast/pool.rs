//! `pool`: a name, servers, and how they are used.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Balance, Connections, Drain, DrainSticky, Name, Pool as Meant};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::timeout::{self, Clocks};
use super::{health, server, sticky, tcp, upstream_tls};

/// A `pool`.
pub(crate) struct Pool<'n> {
    /// The node.
    pub(crate) reader: Reader<'n>,
    /// What it means.
    pub(crate) pool: Meant,
    /// The clocks that routes to it start from.
    pub(crate) clocks: Clocks,
}

/// Every `pool` of the top level.
pub(crate) fn read(root: Block<'_>) -> Vec<Pool<'_>> {
    root.all("pool").into_iter().filter_map(pool).collect()
}

fn pool(reader: Reader<'_>) -> Option<Pool<'_>> {
    let block = reader.block();
    let name: Name = reader.arg(0, Typed::text)?.value.into();
    let tls = block.one("tls").map(upstream_tls::read);
    let connections = block.one_or_defaults("connections");
    let drain = block.one_or_defaults("drain");
    let servers = server::read(block);
    if servers.is_empty() && !["server", "discover"].iter().any(|node| reader.holds(node)) {
        let error = Diagnostic::error("LB303", reader.span(), format!("pool `{name}` has no server"));
        reader.cx.push(error.label("nothing to send to").help("add `server \"10.0.0.1:8080\"`"));
    }
    let pool = Meant {
        balance: balance(block),
        sticky: sticky::read(block, &name),
        health: block.one("health").and_then(|r| health::read(r, tls.is_some())),
        connections: Connections {
            idle_timeout: connections.value("idle-timeout", Typed::time),
            max_idle: connections.value("max-idle", Typed::int),
            max_uses: connections.value("max-uses", Typed::int_off),
            send_proxy: tcp::send_proxy(connections),
        },
        drain: Drain {
            deadline: drain.value("deadline", Typed::time),
            sticky: match drain.value("sticky", Typed::word) {
                "move" => DrainSticky::Move,
                _ => DrainSticky::Keep,
            },
        },
        name,
        servers,
        tls,
        place: reader.place(),
        span: reader.span(),
    };
    Some(Pool { reader, pool, clocks: timeout::read(block) })
}

fn balance(block: Block<'_>) -> Balance {
    let Some(r) = block.one("balance") else { return Balance::P2c };
    let key = r.get("key", Typed::key);
    let Some(policy) = r.arg(0, Typed::word) else { return Balance::P2c };
    let simple = match policy.value {
        "round-robin" => Balance::RoundRobin,
        "least-requests" => Balance::LeastRequests,
        "least-connections" => Balance::LeastConnections,
        "random" => Balance::Random,
        "hash" => {
            return key.map(Balance::Hash).unwrap_or_else(|| {
                if r.written("key").is_none() {
                    let error = Diagnostic::error("LB312", r.span(), "`balance hash` needs a key");
                    let help = "write `balance hash key=source-ip`, or header:NAME, cookie:NAME, query:NAME, path, host";
                    r.cx.push(error.label("hash of what?").help(help));
                }
                Balance::P2c
            });
        }
        _ => Balance::P2c,
    };
    if let Some(span) = r.written("key") {
        let message = format!("`key` means nothing with `balance {}`", policy.value);
        r.cx.push(
            Diagnostic::error("LB312", span, message)
                .label("has no effect")
                .help("remove it, or `balance hash`"),
        );
    }
    simple
}
