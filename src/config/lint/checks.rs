//! What checks ask: LB307 (many a second), LB308 (not the endpoint that ThingWorx has for it), LB309 (a connect where a
//! request would tell more), LB310 (errors that count as healthy), LB311 (in clear to a TLS port), LB317 (requests that
//! may be done twice).

use std::time::Duration;

use super::super::ast::pool::Pool;
use super::super::diagnostic::{Diagnostic, Severity};
use super::super::model::{Action, Health, Name, Probe};
use super::super::reader::Reader;
use super::super::values::show_duration;
use super::super::values::typed::Typed;
use super::{Subject, edits};

const OFTEN: Duration = Duration::from_millis(500);

/// What ThingWorx Foundation answers for balancers (PTC, "ThingWorx High Availability": health checks).
const THINGWORX: &str = "/Thingworx/ready";

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let (Some(health), Some(node)) = (&pool.pool.health, pool.reader.block().one("health")) else {
            continue;
        };
        often(s, pool, health, node);
        match &health.probe {
            Probe::Http { path, status, .. } => {
                thingworx(s, pool, health, node, path);
                let bad = [301, 302, 303, 307, 308, 401, 403, 404, 500, 502, 503];
                if let Some(bad) = bad.into_iter().find(|code| status.contains(*code)) {
                    let at = node.written("status").unwrap_or(node.span());
                    let message = format!("an answer with status {bad} counts as healthy");
                    let label = "so may a login page, or an error page";
                    let help =
                        "accept what the endpoint answers when all is well: `status=200`, or \"200-299\"";
                    push(s, pool, Diagnostic::warning("LB310", at, message).label(label).help(help));
                }
            }
            Probe::Tcp => connect_only(s, pool, node),
            Probe::Grpc { .. } | Probe::WebSocket { .. } => {}
        }
        let own_port = health.port.is_some() || pool.pool.servers.iter().all(|one| one.health_port.is_some());
        if let (Some(_), false, false, Some(at)) = (&pool.pool.tls, health.tls, own_port, node.written("tls"))
        {
            let message = "this check speaks in clear to a port that speaks TLS";
            let finding = Diagnostic::warning("LB311", at, message).label("every check will fail");
            push(s, pool, finding.help("remove it, or name the port that answers in clear: `port=`"));
        }
    }
    twice(s);
}

fn push(s: &Subject<'_>, pool: &Pool<'_>, finding: Diagnostic) {
    s.push(finding.subject(format!("pool/{}", pool.pool.name)));
}

fn often(s: &Subject<'_>, pool: &Pool<'_>, health: &Health, node: Reader<'_>) {
    let keys = [("interval", health.interval), ("down-interval", health.down_interval)];
    for (key, interval) in keys.into_iter().filter(|(_, interval)| *interval < OFTEN) {
        let Some(at) = node.written(key) else { continue };
        let servers = pool.pool.servers.len().max(1) as u128;
        let each_second = servers * 1000 / interval.as_millis().max(1);
        let message = format!("pool `{}` makes {each_second} checks a second", pool.pool.name);
        let finding = Diagnostic::new("LB307", Severity::Hint, Some(at), message);
        let finding = finding.label(format!("every {}, by each lbd", show_duration(interval)));
        push(
            s,
            pool,
            finding.help(
                "\"500ms\" or more is kinder; how soon a failure is noticed is interval × fall + timeout",
            ),
        );
    }
}

/// LB308: a pool for all of `/Thingworx`, checked at a path that says nothing of its readiness.
fn thingworx(s: &Subject<'_>, pool: &Pool<'_>, health: &Health, node: Reader<'_>, path: &str) {
    let generic = ["/", "/health", "/healthz", "/ready", "/thingworx", "/thingworx/", "/thingworx/health"];
    let whole = |pattern: &str| pattern.trim_end_matches('/').eq_ignore_ascii_case("/thingworx");
    let mut patterns = s.routes_to(pool).flat_map(|one| &one.route.patterns);
    let foundation = patterns.any(|pattern| whole(pattern.as_str()));
    if !foundation || health.port.is_some() || !generic.contains(&path.to_ascii_lowercase().as_str()) {
        return;
    }
    let Some(at) = node.arg(0, Typed::text).map(|arg| arg.span) else { return };
    let message = format!("`{path}` does not say whether ThingWorx takes requests");
    let finding = Diagnostic::warning("LB308", at, message).label("not the endpoint for load balancers");
    let finding = finding.help(format!("ThingWorx Foundation has `{THINGWORX}` for this"));
    let finding = if node.is_written() { finding.fix(at, format!("\"{THINGWORX}\"")) } else { finding };
    push(s, pool, finding);
}

/// LB309: pools of one split serve one application; what is asked of one can be asked of the others.
fn connect_only(s: &Subject<'_>, pool: &Pool<'_>, node: Reader<'_>) {
    let asked = |name: &Name| match s.model.pools.get(name).and_then(|pool| pool.health.as_ref()) {
        Some(Health { probe: Probe::Http { path, .. }, .. }) if *name != pool.pool.name => Some(path.clone()),
        _ => None,
    };
    let sibling = s.routes_to(pool).find_map(|one| match &one.route.action {
        Action::Split(split) => {
            split.branches.iter().find_map(|to| Some((to.pool.clone(), asked(&to.pool)?)))
        }
        _ => None,
    });
    let Some((sibling, path)) = sibling else { return };
    let message = format!("pool `{}` is checked by a connect alone", pool.pool.name);
    let finding =
        Diagnostic::warning("LB309", node.span(), message).label("a server that hangs still accepts");
    let help = format!("its sibling `{sibling}` is asked for `{path}`: write `health \"{path}\"` here too");
    push(s, pool, finding.help(help));
}

/// LB317: any method again, after the request may have been done. (Before a connection there is nothing to repeat.)
fn twice(s: &Subject<'_>) {
    for one in s.routes() {
        let retry = &one.route.retry;
        let on = retry.on;
        let sent = on.reset || on.timeout || on.status_502 || on.status_503 || on.status_504;
        let Some(node) = one.written.reader.block().one("retry") else { continue };
        if let (true, true, true, Some(at)) =
            (retry.all_methods, retry.attempts > 0, sent, node.written("all"))
        {
            let finding = Diagnostic::warning("LB317", at, "a POST may be done twice");
            let finding = finding.label("also methods that are not idempotent are sent again");
            let help = "remove it, unless the application knows a request that comes again (by a key in it)";
            let finding = finding.help(help).subject(format!("route/{}", one.route.name));
            s.push(edits::if_meant(finding, edits::set(node, "all", "#false")));
        }
    }
}
