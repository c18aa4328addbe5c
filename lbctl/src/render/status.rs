//! One screen: who answers, what runs, which pools.

use super::config::{config_banner, held_lines};
use super::server::{server_state, sticky_words};
use super::{Cell, Paint, Table, Tone};
use crate::protocol::units::{format_count, format_ms, format_number as thousands};
use crate::protocol::{
    Api, Listener, Operation, PoolSummary, Predecessor, Server, Status, Unresolved, Upgraded,
};

/// `lbctl status`.
pub fn status(status: &Status, paint: Paint) -> String {
    let mut out = format!("lbd {}  up {}  ", status.lbd, format_ms(status.uptime_ms));
    out.push_str(&config_banner(&status.config, paint));
    out.push_str(&held_lines(&status.config, paint));
    if !status.listeners.is_empty() {
        let listeners: Vec<String> = status.listeners.iter().map(listener).collect();
        out.push_str(&format!("listen  {}\n", listeners.join("   ")));
    }
    out.push_str(&pool_table(&status.pools, &status.operations, paint));
    for process in &status.predecessors {
        out.push_str(&paint.text(Tone::Warn, &predecessor(process)));
        out.push('\n');
    }
    for name in &status.unresolved {
        out.push_str(&paint.text(Tone::Warn, &unresolved(name)));
        out.push('\n');
    }
    for finding in &status.config.warnings {
        let text = format!("! {} ({})", finding.message, finding.code);
        out.push_str(&paint.text(Tone::Warn, &text));
        out.push('\n');
    }
    out
}

/// `lbctl daemon info`.
pub fn api(api: &Api) -> String {
    let mut lines = vec![
        ("lbd", api.lbd.clone()),
        ("protocol", api.api.clone()),
        ("instance", api.instance.clone()),
        ("pid", api.pid.to_string()),
        ("started", super::time(api.started)),
        ("workers", api.workers.to_string()),
        ("generation", api.generation.to_string()),
        ("role", format!("{:?}", api.role).to_lowercase()),
    ];
    if !api.features.is_empty() {
        lines.push(("features", api.features.join(" ")));
    }
    lines.iter().map(|(name, value)| format!("{name:<11} {value}\n")).collect()
}

/// `lbctl daemon upgrade`.
pub fn upgraded(done: &Upgraded) -> String {
    let Upgraded { pid, lbd, old_pid } = done;
    format!(
        "lbd {lbd} serves as process {pid}; process {old_pid} finishes what it serves: lbctl status shows what is left\n"
    )
}

fn predecessor(process: &Predecessor) -> String {
    let kinds = [
        (process.requests, "request"),
        (process.websockets, "websocket"),
        (process.tunnels, "tunnel"),
        (process.tcp, "tcp connection"),
        (process.streams, "stream"),
    ];
    let left: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format_count(*count, word))
        .collect();
    let left = match left.is_empty() {
        true => format!("{} without a request", format_count(process.connections, "connection")),
        false => left.join(", "),
    };
    let (since, most) = (format_ms(process.since_ms), format_ms(process.left_ms));
    format!(
        "! old process {} (lbd {}) ends for {since}: {left}; at most {most} more",
        process.pid, process.lbd
    )
}

fn unresolved(name: &Unresolved) -> String {
    let last = match name.known {
        0 => "it never did".to_owned(),
        1 => "its last address is known".to_owned(),
        known => format!("its last {known} addresses are known"),
    };
    let kind = if name.kind == "srv" { " (srv)" } else { "" };
    let since = format_ms(name.since_ms);
    format!("! {}{kind} does not resolve for {since}: {}; {last}", name.name, name.reason)
}

fn listener(listener: &Listener) -> String {
    let mut text = listener.name.clone();
    if !listener.name.contains(&listener.address) && !listener.address.ends_with(&listener.name) {
        text.push_str(&format!(" {}", listener.address));
    }
    if listener.tls {
        text.push_str(" tls");
    }
    if listener.redirect {
        text.push_str(" redirect");
    }
    format!("{text} {} conn", thousands(listener.connections))
}

fn pool_table(pools: &[PoolSummary], operations: &[Operation], paint: Paint) -> String {
    if pools.is_empty() {
        return "no pools\n".to_owned();
    }
    let mut table =
        Table::new(&["POOL", "SERVERS", "REQ/S", "P99", "5XX", "IN FLIGHT", "SESSIONS", "STICKY"]);
    for pool in pools {
        let tone = match pool.up {
            0 => Tone::Bad,
            up if up < pool.servers => Tone::Warn,
            _ => Tone::Good,
        };
        let sticky: Vec<String> = pool.sticky.iter().map(sticky_words).collect();
        table.row(vec![
            pool.name.clone().into(),
            Cell::new(format!("{}/{} up", pool.up, pool.servers), tone),
            pool.rate.map_or_else(|| "-".to_owned(), rate).into(),
            pool.p99_us.map_or_else(|| "-".to_owned(), micros).into(),
            pool.error_share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0)).into(),
            thousands(pool.in_flight).into(),
            thousands(pool.sessions).into(),
            sticky.join(", ").into(),
        ]);
    }
    let text = table.render(paint);
    let mut lines = text.lines();
    let mut out = format!("{}\n", lines.next().unwrap_or_default());
    for (pool, line) in pools.iter().zip(lines) {
        out.push_str(&format!("{line}\n"));
        for server in &pool.notable {
            out.push_str(&format!("  {}\n", notable(server, operations, paint)));
        }
    }
    out
}

fn notable(server: &Server, operations: &[Operation], paint: Paint) -> String {
    let (words, tone) = server_state(server);
    let mut text = format!("{}  {}", server.name, paint.text(tone, &words));
    let path = format!("{}/{}", server.pool, server.name);
    if operations.iter().any(|operation| operation.subject == path) {
        text.push_str(&format!(
            "  {}, {} left",
            format_count(server.in_flight, "request"),
            format_count(server.sessions, "session")
        ));
    }
    if server.weight != server.file_weight {
        text.push_str(&format!("  weight {} (file says {})", server.weight, server.file_weight));
    }
    let who = [server.admin.actor.as_deref(), server.admin.reason.as_deref()];
    let who: Vec<&str> = who.into_iter().flatten().collect();
    if !who.is_empty() {
        text.push_str(&format!("  {}", paint.text(Tone::Dim, &who.join(": "))));
    }
    text
}

/// `83ms`, `410us`, `1.2s`.
pub fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{}ms", micros / 1_000),
        _ => format!("{}.{}s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

fn rate(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_short() {
        let check = |number, text: &str| assert_eq!(micros(number), text);
        check(999, "999us");
        check(83_400, "83ms");
        check(1_250_000, "1.2s");
    }
}
