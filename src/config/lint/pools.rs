//! Pools and their checks: LB301 (no check), LB305 (flapping), LB306 (too slow to notice).

use std::time::Duration;

use super::super::ast::pool::Pool;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::Health;
use super::super::reader::Reader;
use super::super::values::show_duration;
use super::Subject;

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let node = pool.reader.block().one("health");
        match (&pool.pool.health, node) {
            (Some(health), Some(node)) => {
                flapping(s, pool, health, node);
                tolerance(s, pool, health, node);
            }
            (None, None) if pool.pool.servers.len() >= 2 || !pool.pool.discover.is_empty() => {
                let servers = match pool.pool.discover.is_empty() {
                    true => format!("{} servers", pool.pool.servers.len()),
                    false => "servers from DNS".to_owned(),
                };
                let message = format!("pool `{}` has {servers} and no check", pool.pool.name);
                let label = "a dead server keeps getting requests";
                warn(
                    s,
                    pool,
                    "LB301",
                    pool.reader.span(),
                    &message,
                    label,
                    "add `health \"/ready\"` or `health tcp`",
                );
            }
            _ => {}
        }
    }
}

/// LB305. With a slow start a server that came back too soon has little to lose.
fn flapping(s: &Subject<'_>, pool: &Pool<'_>, health: &Health, node: Reader<'_>) {
    let rises = pool.pool.slow_start.is_none().then_some(("rise", health.rise));
    for (key, count) in rises.into_iter().chain([("fall", health.fall)]) {
        if let (1, Some(at)) = (count, node.written(key)) {
            let message = format!("`{key}=1`: one answer decides");
            warn(s, pool, "LB305", at, &message, "a server may flap", "2 or more is calmer");
        }
    }
}

fn tolerance(s: &Subject<'_>, pool: &Pool<'_>, health: &Health, node: Reader<'_>) {
    let Some(tolerance) = s.written.lint.error_tolerance else { return };
    let notice = health.interval.saturating_mul(health.fall) + health.timeout;
    if notice <= tolerance {
        return;
    }
    let message = format!("a failed server can get requests for {}", show_duration(notice));
    let label = format!("`lint error-tolerance` is {}", show_duration(tolerance));
    let fits = tolerance
        .checked_sub(health.timeout)
        .map(|rest| whole(rest / health.fall))
        .filter(|i| *i >= health.timeout);
    let help = match fits {
        Some(interval) => {
            format!("interval × fall + timeout decides: interval=\"{}\" would do", show_duration(interval))
        }
        None => "interval × fall + timeout decides: lower all three".to_owned(),
    };
    let at = node.written("interval").unwrap_or(node.span());
    warn(s, pool, "LB306", at, &message, &label, &help);
}

/// A time that is easy to read, and no longer: whole seconds where there are some.
fn whole(time: Duration) -> Duration {
    if time.as_secs() > 0 { Duration::from_secs(time.as_secs()) } else { time }
}

fn warn(
    s: &Subject<'_>,
    pool: &Pool<'_>,
    code: &'static str,
    at: Span,
    message: &str,
    label: &str,
    help: &str,
) {
    let finding = Diagnostic::warning(code, at, message).label(label).help(help);
    s.push(finding.subject(format!("pool/{}", pool.pool.name)));
}
