//! WebSockets: LB313 (balanced by what does not count them), LB412 (fallbacks that hop), LB503 (a clock that does not
//! apply), LB506 (a close after which clients stay away), LB507 (a drain that cannot close them all in time).

use super::super::ast::pool::Pool;
use super::super::diagnostic::{Diagnostic, Severity};
use super::super::model::Balance;
use super::super::values::show_duration;
use super::super::values::typed::Typed;
use super::{Routed, Subject, edits};

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        closing(s, pool);
        if s.carries_websockets(pool) {
            balanced(s, pool);
            polling(s, pool);
            pace(s, pool);
        }
    }
    for one in s.routes() {
        unclocked(s, one);
    }
}

/// LB503: a route that takes WebSockets alone; or others too, to a pool that surely has them, and nothing says how long
/// they may last.
fn unclocked(s: &Subject<'_>, one: Routed<'_>) {
    let timeout = one.written.reader.block().one("timeout").filter(|node| node.is_written());
    let said = |key| timeout.and_then(|node| node.written(key));
    let Some(at) = said("request") else { return };
    let takes = |wanted| one.route.matches.iter().any(|conditions| conditions.websocket == Some(wanted));
    let is_every = |wanted| one.route.matches.iter().all(|conditions| conditions.websocket == Some(wanted));
    let only = takes(true) && is_every(true);
    let refuses = takes(false) && is_every(false);
    let ends = one.route.timeout.tunnel_max.is_some() || said("tunnel-max").is_some();
    let mixed = !refuses && !ends && (takes(true) || is_spoken_to(s, one));
    if !only && !mixed {
        return;
    }
    let finding = Diagnostic::warning("LB503", at, "`request` does not apply to WebSockets");
    let finding = finding.label("an upgraded stream obeys `tunnel-idle` and `tunnel-max`");
    let help = match only {
        true => "write `tunnel-max=` if streams are to end after a time, and remove this",
        false => "say how long streams may last, too: `tunnel-max=`, a time or `off`",
    };
    s.push(finding.help(help).subject(format!("route/{}", one.route.name)));
}

/// Whether a pool of the route says something about its WebSockets.
fn is_spoken_to(s: &Subject<'_>, one: Routed<'_>) -> bool {
    let says = |pool: &&Pool<'_>| {
        ["websocket", "admission"]
            .iter()
            .any(|name| pool.reader.block().one(name).is_some_and(|n| n.is_written()))
    };
    let led = |pool: &&Pool<'_>| one.route.action.pools().any(|name| *name == pool.pool.name);
    s.written.pools.iter().filter(led).any(|pool| says(&pool))
}

fn push(s: &Subject<'_>, pool: &Pool<'_>, finding: Diagnostic) {
    s.push(finding.subject(format!("pool/{}", pool.pool.name)));
}

/// LB506. Codes that may not be sent at all are refused where they are read.
fn closing(s: &Subject<'_>, pool: &Pool<'_>) {
    let block = pool.reader.block();
    let said = [
        ("drain", "close-code", pool.pool.drain.close_code),
        ("websocket", "lost-code", pool.pool.websocket.lost_code),
    ];
    for (name, key, _) in said.into_iter().filter(|(.., code)| *code == 1000) {
        let Some(node) = block.one(name) else { continue };
        let Some(at) = node.written(key) else { continue };
        let message = "clients may take this close for the end, and stay away";
        let finding = Diagnostic::warning("LB506", at, message).label("1000: a normal closure");
        let finding = finding.help("1012 says that the service restarts: come back; 1001 that it goes away");
        push(s, pool, edits::safe(finding, edits::set(node, key, "1012")));
    }
}

fn balanced(s: &Subject<'_>, pool: &Pool<'_>) {
    let Some(node) = pool.reader.block().one("balance") else { return };
    if pool.pool.balance != Balance::LeastRequests {
        return;
    }
    let Some(at) = node.arg(0, Typed::word).map(|arg| arg.span) else { return };
    let message =
        format!("pool `{}` carries WebSockets, and `least-requests` does not count them", pool.pool.name);
    let finding = Diagnostic::warning("LB313", at, message).label("open streams are no requests in flight");
    let finding = finding.help("write `balance least-connections`: open streams count");
    push(s, pool, if node.is_written() { finding.unsafe_fix(at, "least-connections") } else { finding });
}

fn polling(s: &Subject<'_>, pool: &Pool<'_>) {
    let several = pool.pool.servers.len() > 1 || !pool.pool.discover.is_empty();
    let by_key = matches!(pool.pool.balance, Balance::Hash { .. });
    if several && pool.pool.sticky.is_empty() && !by_key {
        let message = format!("pool `{}` carries WebSockets and is not sticky", pool.pool.name);
        let finding = Diagnostic::new("LB412", Severity::Hint, Some(pool.reader.span()), message);
        let finding = finding.label("clients that fall back to polling change servers");
        push(s, pool, finding.help("add `sticky cookie`, or `sticky source-ip` for clients without cookies"));
    }
}

/// LB507: as many streams as its servers may have, at the pace that is written.
fn pace(s: &Subject<'_>, pool: &Pool<'_>) {
    let drain = &pool.pool.drain;
    let Some(most) = pool.pool.servers.iter().filter_map(|server| server.max_connections).max() else {
        return;
    };
    let needed = drain.close_rate.per.saturating_mul(most) / drain.close_rate.count.max(1);
    if drain.deadline.is_zero() || needed <= drain.deadline {
        return;
    }
    let node = pool.reader.block().one("drain");
    let at = node.and_then(|node| node.written("close-rate")).or(node.map(|node| node.span()));
    let message = format!("closing {most} WebSockets one after another takes {}", show_duration(needed));
    let hint = Diagnostic::new("LB507", Severity::Hint, at.or(Some(pool.reader.span())), message);
    let hint = hint.label(format!("a drain cuts what is left after {}", show_duration(drain.deadline)));
    push(s, pool, hint.help("raise `close-rate`, or the drain's `deadline`"));
}
