//! LB210: a redirect to a URL that its own route takes.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Action, LocationPart, Route};
use super::super::values::typed::Typed;
use super::{Routed, Subject};
use crate::router::{NormalPath, PathRouter, RouteEntry};

pub(super) fn run(s: &Subject<'_>) {
    for (written, site) in s.sites() {
        for (written_route, route) in written.routes.iter().zip(&site.routes) {
            let Action::Redirect { location, .. } = &route.action else { continue };
            let one = Routed { site: written, written: written_route, route };
            let Some(label) = returns(s, &one, location, &site.routes) else { continue };
            let node = written_route.reader.block().one("redirect");
            let at = node.and_then(|node| node.arg(0, Typed::text)).map_or(route.span, |arg| arg.span);
            let finding = Diagnostic::warning("LB210", at, "this redirect leads to itself").label(label);
            s.push(
                finding.help("redirect to a path that another route takes, or narrow this route's pattern"),
            );
        }
    }
}

/// Why the URL comes back, if it surely does.
fn returns(s: &Subject<'_>, one: &Routed<'_>, location: &[LocationPart], routes: &[Route]) -> Option<String> {
    // What a condition asks for may have changed when the client comes back.
    if !one.route.matches.is_empty() {
        return None;
    }
    let over_tls = || s.listeners_of(one.route).any(|listener| listener.tls.is_some());
    match location {
        [LocationPart::Text(scheme), LocationPart::Host, LocationPart::Path, rest @ ..]
            if rest.is_empty() || rest == [LocationPart::Query] =>
        {
            let same = scheme == "https://" && over_tls()
                || scheme == "http://" && s.listeners_of(one.route).any(|listener| listener.tls.is_none());
            same.then(|| "the same URL again, for clients that came this way".to_owned())
        }
        [LocationPart::Path] | [LocationPart::Path, LocationPart::Query] => {
            Some("the same URL again".to_owned())
        }
        [LocationPart::Text(url)] => {
            let path = own_path(one, url, over_tls())?;
            let takes = wins(one.route, routes, one.site.paths, path)?;
            takes.then(|| format!("its own route takes `{path}`"))
        }
        _ => None,
    }
}

/// The path of a URL that surely leads to the same site.
fn own_path<'u>(one: &Routed<'_>, url: &'u str, over_tls: bool) -> Option<&'u str> {
    let path = match (url.strip_prefix("https://").filter(|_| over_tls), url.starts_with('/')) {
        (Some(rest), _) => {
            let (host, _) = rest.split_once('/')?;
            one.site.hosts.iter().find(|own| own.value == host)?;
            &rest[host.len()..]
        }
        (None, true) if !url.starts_with("//") => url,
        _ => return None,
    };
    path.split(['?', '#']).next()
}

/// Whether a path goes to `route`, whatever else is asked. `None` where that depends on conditions of others.
fn wins(route: &Route, routes: &[Route], options: crate::router::PathOptions, path: &str) -> Option<bool> {
    let entry = |other: &Route| RouteEntry {
        patterns: other.patterns.clone(),
        matches: Vec::new(),
        // Without their conditions others must not tie with it; they only ever take requests away from it.
        priority: if std::ptr::eq(other, route) { i32::MIN } else { other.priority.max(i32::MIN + 1) },
        ignore_case: other.ignore_case,
        value: std::ptr::eq(other, route),
    };
    let path = NormalPath::parse(path.as_bytes(), options).ok()?;
    // Most redirects lead elsewhere: the other routes matter only for one that does not.
    PathRouter::build(vec![entry(route)], options).ok()?.first(&path)?;
    let router = PathRouter::build(routes.iter().map(entry).collect(), options).ok()?;
    router.first(&path).copied()
}
