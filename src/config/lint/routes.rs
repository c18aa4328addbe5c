//! Routes: LB104 (a pool that none uses), LB204 (a site without `/`), LB208 (a star), LB217 (settings that do
//! nothing), LB501 (tunnels that die between pings).

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::ast::route::Route as WrittenRoute;
use super::super::diagnostic::{Diagnostic, Edit, Span};
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
    stars(s);
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

/// LB208: `*` is a letter like others, and the paths that are meant need none.
fn stars(s: &Subject<'_>) {
    let routes = s.written.sites.iter().flat_map(|site| &site.routes);
    for (route, pattern) in routes.flat_map(|route| route.patterns.iter().map(move |one| (route, one))) {
        let text = pattern.value.as_str();
        let plain = matches!(pattern.value.kind(), PatternKind::Prefix | PatternKind::Exact);
        if !plain || !text.split(['{', '}']).step_by(2).any(|part| part.contains('*')) {
            continue;
        }
        let finding =
            Diagnostic::warning("LB208", pattern.span, format!("the `*` in `{text}` stands for itself"));
        let finding = finding.label("only paths with a star in them");
        s.push(match text.strip_suffix("/*").or(text.strip_suffix('*')) {
            Some("") if pattern.value.kind() == PatternKind::Prefix => {
                edits::if_meant(finding.help("every path is \"/\""), rewritten(route, pattern.span, "/"))
            }
            Some(begin) if pattern.value.kind() == PatternKind::Prefix && begin.starts_with('/') => {
                let help = format!("a pattern takes what lies below it as well: write \"{begin}\", or `(starts-with)\"{begin}\"` for what goes on in the middle of a word");
                edits::if_meant(finding.help(help), rewritten(route, pattern.span, begin))
            }
            _ => finding.help("one segment is `{name}`, all that follow are `{*rest}`; for more: `(regex)#\"…\"#`"),
        });
    }
}

/// A pattern written as another one, where the route itself writes it.
fn rewritten(route: &WrittenRoute<'_>, at: Span, pattern: &str) -> Option<Edit> {
    // Only a whole star of its own at the end is surely a wildcard, and nothing else in it may be one.
    let plain = route.reader.is_written() && !pattern.contains(['*', '"', '\\']);
    plain.then(|| Edit { span: at, text: format!("\"{pattern}\"") })
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
