//! LB202: two routes of one site that want the same request with equal right.
//!
//! The order of files and nodes has no meaning, so it cannot decide; the router itself is built for
//! each set of routes that meet on a listener, and its ties become findings.

use std::collections::BTreeSet;

use super::super::ast::site::Site;
use super::super::diagnostic::Diagnostic;
use super::super::model::{Listener, Route};
use super::super::reader::Cx;
use crate::router::{PathRouter, RouteEntry};

/// Reports every pair of routes that tie on some listener, once.
pub(super) fn check(cx: &Cx<'_>, listeners: &[Listener], site: &Site<'_>, routes: &[Route]) {
    let mut sets: BTreeSet<Vec<usize>> = BTreeSet::new();
    for listener in listeners {
        let is_on = |route: &Route| route.on.as_ref().is_none_or(|on| on.contains(&listener.name));
        sets.insert((0..routes.len()).filter(|index| is_on(&routes[*index])).collect());
    }
    let mut reported = BTreeSet::new();
    for set in sets {
        let entries = set.iter().map(|index| entry(&routes[*index])).collect();
        let Err(ties) = PathRouter::build(entries, site.paths) else { continue };
        for tie in ties {
            let (a, b) = (set[tie.a.min(tie.b)], set[tie.a.max(tie.b)]);
            if reported.insert((a, b)) {
                cx.push(finding(site, a, b, &tie.pattern));
            }
        }
    }
}

fn entry(route: &Route) -> RouteEntry<()> {
    RouteEntry {
        patterns: route.patterns.clone(),
        matches: route.matches.clone(),
        priority: route.priority,
        ignore_case: route.ignore_case,
        value: (),
    }
}

fn finding(site: &Site<'_>, a: usize, b: usize, pattern: &str) -> Diagnostic {
    let place = |index: usize| {
        let route = &site.routes[index];
        let named = route.patterns.iter().find(|p| p.value.to_string() == pattern);
        named.or(route.patterns.first()).map_or(route.reader.span(), |p| p.span)
    };
    if a == b {
        let error = Diagnostic::error("LB105", place(a), format!("this route says `{pattern}` twice"));
        return error.label("in this route").help("remove one");
    }
    let (first, second) = (place(a).min(place(b)), place(a).max(place(b)));
    Diagnostic::error("LB202", second, format!("two routes tie for `{pattern}`"))
        .label("as specific as the other")
        .also(first, "the other route")
        .help("add a condition (`match`) to one of them, or give one a `priority=`")
}
