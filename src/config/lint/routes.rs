//! Routes: LB104 (a pool that none uses), LB204 (a site without `/`), LB217 (settings that do
//! nothing), LB501 (tunnels that die between pings).

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::model::{Action, Name, Route};
use super::super::values::show_duration;
use super::{Subject, edits};
use crate::router::PatternKind;

/// A ping may be late by this much.
const SLACK: Duration = Duration::from_secs(5);

pub(super) fn run(s: &Subject<'_>) {
    // What was refused, or names a pool wrongly, may be what uses it.
    if s.is_whole() {
        unused_pools(s);
        no_root(s);
    }
    no_effect(s);
    tunnels(s);
}

fn unused_pools(s: &Subject<'_>) {
    let routes = s.model.sites.iter().flat_map(|site| &site.routes);
    let passed = s.model.listeners.iter().flat_map(|listener| &listener.tcp).map(|tcp| &tcp.pool);
    let led = |route: &'_ Route| -> Vec<Name> {
        route.action.pools().chain(route.mirror.as_ref().map(|m| &m.pool)).cloned().collect()
    };
    let used: BTreeSet<Name> = routes.flat_map(led).chain(passed.cloned()).collect();
    for pool in s.model.pools.values().filter(|pool| !used.contains(&pool.name)) {
        let finding = Diagnostic::warning("LB104", pool.span, format!("pool `{}` is not used", pool.name));
        let finding = finding
            .label("no route leads here")
            .help("add a `route`, remove the pool, or turn it off with `/-` in front")
            .subject(format!("pool/{}", pool.name));
        let written = s.written.pools.iter().find(|written| written.pool.name == pool.name);
        s.push(edits::if_meant(finding, written.and_then(|written| edits::turn_off(written.reader))));
    }
}

fn no_root(s: &Subject<'_>) {
    for site in s.written.sites.iter().filter(|site| !site.routes.is_empty()) {
        let takes_all = |kind, text: &str| match kind {
            PatternKind::Prefix => text == "/" || text.starts_with("/{*"),
            PatternKind::StartsWith => text == "/",
            PatternKind::Regex => [".*", "^.*", "/.*", "^/.*", "^/", "/"].contains(&text),
            PatternKind::Exact => false,
        };
        let mut patterns = site.routes.iter().flat_map(|route| &route.patterns);
        if patterns.any(|p| takes_all(p.value.kind(), p.value.as_str())) {
            continue;
        }
        let name = site.hosts.first().map_or("the default site".into(), |host| format!("`{}`", host.value));
        let finding = Diagnostic::warning("LB204", site.span, format!("{name} has no route for `/`"));
        s.push(
            finding
                .label("other paths get 404")
                .help("add `route \"/\" pool=…`, or say so: `route \"/\" { respond 404; }`"),
        );
    }
}

/// What concerns servers, on a route that has none. What `defaults` or a template gave is nobody's mistake.
fn no_effect(s: &Subject<'_>) {
    for route in s.written.sites.iter().flat_map(|site| &site.routes) {
        let action = match route.action.as_ref().map(|action| &action.value) {
            Some(Action::Redirect { .. }) => "redirect",
            Some(Action::Respond { .. }) => "respond",
            _ => continue,
        };
        for name in ["timeout", "retry", "request-headers", "rewrite", "compress", "mirror"] {
            let Some(node) = route.reader.block().one(name).filter(|node| node.is_written()) else {
                continue;
            };
            let message = format!("`{name}` has no effect beside `{action}`");
            let finding = Diagnostic::warning("LB217", node.span(), message);
            s.push(finding.label("no server is asked").help("remove it"));
        }
    }
}

fn tunnels(s: &Subject<'_>) {
    let Some(ping) = s.written.lint.websocket_ping else { return };
    for one in s.routes() {
        let route = one.route;
        let idle = match &route.action {
            Action::Pool(_) => route.timeout.tunnel_idle,
            Action::Split(split) => {
                split.branches.iter().filter_map(|branch| branch.timeout.tunnel_idle).min()
            }
            _ => None,
        };
        let Some(idle) = idle else { continue };
        if idle > ping + SLACK {
            continue;
        }
        let message = format!("an idle WebSocket is closed after {}", show_duration(idle));
        let long = format!("\"{}\"", show_duration(ping + 3 * SLACK));
        let finding = Diagnostic::warning("LB501", route.span, message)
            .label(format!("clients ping every {}", show_duration(ping)))
            .help(format!("set `timeout tunnel-idle={long}` or more"))
            .subject(format!("route/{}", route.name));
        let node = one.written.reader.block().one("timeout");
        let node = node.filter(|node| node.written("tunnel-idle").is_some());
        s.push(edits::safe(finding, node.and_then(|node| edits::set(node, "tunnel-idle", &long))));
    }
}
