//! Clocks that get in each other's way: LB504 (too short to be meant), LB505 (a drain that cuts requests), LB508
//! (connections kept for too long), LB510 (a queue that outlasts the answer).

use std::time::Duration;

use super::super::ast::pool::Pool;
use super::super::diagnostic::Diagnostic;
use super::super::model::Action;
use super::super::reader::Reader;
use super::super::values::show_duration;
use super::super::values::typed::Typed;
use super::{Routed, Subject};

/// What is shorter was probably meant in another unit.
const LEAST: [(&str, Duration); 3] = [
    ("response", Duration::from_millis(100)),
    ("idle", Duration::from_secs(1)),
    ("tunnel-max", Duration::from_secs(60)),
];

/// Longer than the servers in common use keep a connection that is not used, by their defaults.
const KEPT: Duration = Duration::from_secs(130);

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let block = pool.reader.block();
        block.one("timeout").into_iter().for_each(|node| short(s, node));
        drain(s, pool);
        queue(s, pool);
        let kept = pool.pool.connections.idle_timeout;
        let node = block.one("connections");
        if let (true, Some(at)) = (kept > KEPT, node.and_then(|node| node.written("idle-timeout"))) {
            let message = "servers close unused connections sooner than this";
            let finding = Diagnostic::warning("LB508", at, message);
            let finding = finding.label("a request may meet the server's close on its way");
            let help =
                "keep it below the keep-alive time of the servers; \"60s\" fits most, some close after 5 s";
            push(s, pool, finding.help(help));
        }
    }
    for route in s.written.sites.iter().flat_map(|site| &site.routes) {
        route.reader.block().one("timeout").into_iter().for_each(|node| short(s, node));
    }
}

fn push(s: &Subject<'_>, pool: &Pool<'_>, finding: Diagnostic) {
    s.push(finding.subject(format!("pool/{}", pool.pool.name)));
}

fn short(s: &Subject<'_>, node: Reader<'_>) {
    for (key, least) in LEAST {
        let (Some(at), Some(time)) = (node.written(key), node.get(key, Typed::time_off).flatten()) else {
            continue;
        };
        if time >= least {
            continue;
        }
        let message = format!("`{key}` ends after {} what is merely slow", show_duration(time));
        let finding = Diagnostic::warning("LB504", at, message).label("is another unit meant?");
        s.push(finding.help(format!("write \"{}\" or more", show_duration(least))));
    }
}

/// The longest that a request of a route may take, where that is known.
fn longest(one: &Routed<'_>, pool: &Pool<'_>) -> Duration {
    let clocks = match &one.route.action {
        Action::Split(split) => {
            split.branches.iter().find(|to| to.pool == pool.pool.name).map(|to| to.timeout)
        }
        _ => None,
    };
    let clocks = clocks.unwrap_or(one.route.timeout);
    let matches = &one.route.matches;
    // To a WebSocket `request` does not apply, and a drain closes it in its own way.
    match !matches.is_empty() && matches.iter().all(|conditions| conditions.websocket == Some(true)) {
        true => clocks.response,
        false => clocks.request.unwrap_or(clocks.response),
    }
}

/// LB505. A deadline of zero means: at once.
fn drain(s: &Subject<'_>, pool: &Pool<'_>) {
    let deadline = pool.pool.drain.deadline;
    let Some(slowest) = s.routes_to(pool).max_by_key(|one| longest(one, pool)) else { return };
    let time = longest(&slowest, pool);
    if deadline.is_zero() || deadline >= time {
        return;
    }
    // Nobody chose the default.
    let node = pool.reader.block().one("drain");
    let Some(at) = node.and_then(|node| node.written("deadline")) else { return };
    let message = format!("a drain of pool `{}` cuts requests that are still answered", pool.pool.name);
    let finding = Diagnostic::warning("LB505", at, message);
    let finding = finding.label(format!("what is left is cut after {}", show_duration(deadline)));
    let finding =
        finding.also(slowest.route.span, format!("a request here may take {}", show_duration(time)));
    push(s, pool, finding.help(format!("write `drain deadline=\"{}\"` or more", show_duration(time))));
}

/// LB510.
fn queue(s: &Subject<'_>, pool: &Pool<'_>) {
    let Some(queue) = pool.pool.queue.filter(|queue| queue.size > 0) else { return };
    let Some(quickest) = s.routes_to(pool).min_by_key(|one| longest(one, pool)) else { return };
    let time = longest(&quickest, pool);
    let Some(node) = pool.reader.block().one("queue").filter(|_| queue.timeout > time) else { return };
    let at = node.written("timeout").unwrap_or(node.span());
    let message = "a request may wait longer for its server than for its answer";
    let finding = Diagnostic::warning("LB510", at, message);
    let finding = finding.label(format!("{} in the queue", show_duration(queue.timeout)));
    let finding =
        finding.also(quickest.route.span, format!("an answer here may take {}", show_duration(time)));
    push(s, pool, finding.help("who waited so long is gone: let the queue give up sooner"));
}
