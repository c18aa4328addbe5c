//! `pool`: a name, servers, and how they are used.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Connections, Name, Pool as Meant, Resolver, ServerHttp};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::timeout::{self, Clocks};
use super::{balance, discover, health, overload, server, sticky, tcp, upstream_tls, websocket};

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
pub(crate) fn read<'n>(root: Block<'n>, resolver: &Resolver) -> Vec<Pool<'n>> {
    root.all("pool").into_iter().filter_map(|reader| pool(reader, resolver)).collect()
}

fn pool<'n>(reader: Reader<'n>, resolver: &Resolver) -> Option<Pool<'n>> {
    let block = reader.block();
    let name: Name = reader.arg(0, Typed::text)?.value.into();
    let tls = block.one("tls").map(upstream_tls::read);
    let connections = block.one_or_defaults("connections");
    let servers = server::read(block);
    if servers.is_empty() && !["server", "discover"].iter().any(|node| reader.holds(node)) {
        let error = Diagnostic::error("LB303", reader.span(), format!("pool `{name}` has no server"));
        reader.cx.push(error.label("nothing to send to").help("add `server \"10.0.0.1:8080\"`"));
    }
    let http = match connections.value("http", Typed::word) {
        "2" => ServerHttp::Http2,
        "auto" => ServerHttp::Auto,
        _ => ServerHttp::Http1,
    };
    let upgrades = http != ServerHttp::Http2;
    let pool = Meant {
        balance: balance::read(block),
        sticky: sticky::read(block, &name),
        health: block.one("health").and_then(|r| health::read(r, tls.is_some())),
        connections: Connections {
            http,
            idle_timeout: connections.value("idle-timeout", Typed::time),
            max_idle: connections.value("max-idle", Typed::int),
            max_uses: connections.value("max-uses", Typed::int_off),
            send_proxy: tcp::send_proxy(connections),
        },
        drain: websocket::drain(block.one_or_defaults("drain")),
        websocket: websocket::websocket(block.one_or_defaults("websocket")),
        passive: block.one("passive").map(overload::passive),
        queue: block.one("queue").map(overload::queue),
        admission: block.one("admission").and_then(|r| overload::admission(r, upgrades)),
        slow_start: block.one("slow-start").and_then(|r| r.arg(0, Typed::time)).map(|time| time.value),
        panic_percent: block.one("panic").map(overload::panic),
        name,
        servers,
        discover: discover::read(block, resolver.refresh),
        tls,
        place: reader.place(),
        span: reader.span(),
    };
    Some(Pool { reader, pool, clocks: timeout::read(block) })
}
