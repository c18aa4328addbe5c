//! Long-lived streams.

use super::{Paint, Table};
use crate::protocol::units::{format_count, format_ms, format_number as thousands};
use crate::protocol::{Connection, Connections, Rebalanced};

/// `lbctl conn list`.
pub fn connections(found: &Connections, paint: Paint) -> String {
    if found.total == 0 {
        return "no connections\n".to_owned();
    }
    let mut out = streams(&found.connections, paint);
    let shown = found.connections.len() as u64;
    if found.total > shown {
        out.push_str(&format!("…  {} more (--limit, --json)\n", thousands(found.total - shown)));
    }
    out
}

/// A table of streams.
pub(super) fn streams(streams: &[Connection], paint: Paint) -> String {
    let mut table = Table::new(&[
        "ID", "KIND", "SERVER", "CLIENT", "AGE", "IDLE", "UP", "DOWN", "MESSAGES", "RTT", "STATE",
    ]);
    for stream in streams {
        table.row(vec![
            stream.id.clone().into(),
            stream.kind.clone().into(),
            format!("{}/{}", stream.pool, stream.server).into(),
            stream.client.clone().into(),
            format_ms(stream.age_ms).into(),
            format_ms(stream.idle_ms).into(),
            thousands(stream.bytes_up).into(),
            thousands(stream.bytes_down).into(),
            messages(stream).unwrap_or_else(|| "-".to_owned()).into(),
            round_trip(stream).unwrap_or_else(|| "-".to_owned()).into(),
            stream.state.clone().into(),
        ]);
    }
    table.render(paint)
}

/// `lbctl conn show`.
pub fn connection(one: &Connection) -> String {
    let bytes = |bytes| format_count(bytes, "byte");
    let mut facts = vec![
        ("id", one.id.clone()),
        ("kind", one.kind.clone()),
        ("server", format!("{}/{}", one.pool, one.server)),
        ("client", one.client.clone()),
        ("route", one.route.clone().unwrap_or_else(|| "-".to_owned())),
        ("since", format!("{} ({} ago)", one.since, format_ms(one.age_ms))),
        ("idle", format_ms(one.idle_ms)),
        ("from client", bytes(one.bytes_up)),
        ("to client", bytes(one.bytes_down)),
    ];
    facts.extend(messages(one).map(|messages| ("messages", messages)));
    facts.extend(round_trip(one).map(|took| ("round trip", took)));
    facts.push(("state", one.state.clone()));
    facts.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}

/// `lbctl conn rebalance`.
pub fn rebalanced(done: &Rebalanced, paint: Paint) -> String {
    let closed: u64 = done.servers.iter().map(|share| share.closed).sum();
    if closed == 0 {
        return format!("{} is balanced\n", done.pool);
    }
    let mut table = Table::new(&["SERVER", "WEBSOCKETS", "SHARE", "TO CLOSE"]);
    for share in &done.servers {
        table.row(vec![
            format!("{}/{}", done.pool, share.server).into(),
            thousands(share.websockets).into(),
            thousands(share.share).into(),
            thousands(share.closed).into(),
        ]);
    }
    let verb = if done.dry_run { "would close" } else { "closing" };
    format!("{}{verb} {} at {}\n", table.render(paint), format_count(closed, "websocket"), done.rate)
}

/// `1.3ms`, from ping to pong.
fn round_trip(one: &Connection) -> Option<String> {
    one.rtt_us.map(|micros| format!("{:.1}ms", micros as f64 / 1000.0))
}

/// `12 / 34`: from and to the client.
fn messages(one: &Connection) -> Option<String> {
    (one.kind == "websocket")
        .then(|| format!("{} / {}", thousands(one.messages_up), thousands(one.messages_down)))
}
