//! Limits of rate: each gets the name under which its buckets live, and those of one name say one thing.

use std::collections::BTreeMap;

use super::super::ast::site::Site as WrittenSite;
use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::{Name, RateLimit};
use super::super::reader::Cx;

/// What a limit of this place is called when it has no name.
pub(super) fn place_of(site: &WrittenSite<'_>, route: Option<&str>) -> String {
    let host = site.hosts.iter().map(|host| host.value.as_str()).min().unwrap_or("default");
    match route {
        Some(route) => format!("route {host} {route}"),
        None => format!("site {host}"),
    }
}

/// The limits of a route: its site's and its own, each once, sorted.
pub(super) fn of_route(site: &WrittenSite<'_>, route: &str, own: &[Spanned<RateLimit>]) -> Vec<RateLimit> {
    let shared = &site.policy.rate_limits;
    if shared.is_empty() && own.is_empty() {
        return Vec::new();
    }
    let site_limits = shared.iter().map(|limit| named(&limit.value, || place_of(site, None)));
    let own = own.iter().map(|limit| named(&limit.value, || place_of(site, Some(route))));
    let mut limits: Vec<RateLimit> = site_limits.chain(own).collect();
    limits.sort();
    limits.dedup();
    limits
}

/// LB105: one name, two meanings.
pub(super) fn check_names(cx: &Cx<'_>, sites: &[WrittenSite<'_>]) {
    let mut seen: BTreeMap<&Name, (&RateLimit, Span)> = BTreeMap::new();
    let limits = sites.iter().flat_map(|site| {
        let own = site.routes.iter().flat_map(|route| &route.policy.rate_limits);
        site.policy.rate_limits.iter().chain(own)
    });
    for limit in limits.filter(|limit| !limit.value.name.is_empty()) {
        let name = &limit.value.name;
        match seen.get(name) {
            Some((first, at)) if **first != limit.value => {
                let error =
                    Diagnostic::error("LB105", limit.span, format!("two rate limits are named `{name}`"));
                let error = error.label("says something else").also(*at, "first here");
                cx.push(
                    error.help("limits of one name share their buckets: make them equal, or name them apart"),
                );
            }
            Some(_) => {}
            None => drop(seen.insert(name, (&limit.value, limit.span))),
        }
    }
}

fn named(limit: &RateLimit, place: impl Fn() -> String) -> RateLimit {
    let mut limit = limit.clone();
    if limit.name.is_empty() {
        limit.name = place().into();
    }
    limit
}
