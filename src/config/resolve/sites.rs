//! Sites and routes: every name they use exists, and a route has in it all that its site and pool say.

use std::collections::BTreeMap;

use super::super::ast::headers::Edits;
use super::super::ast::route::Route as WrittenRoute;
use super::super::ast::site::Site as WrittenSite;
use super::super::ast::timeout::{self, Clocks};
use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::{
    Action, ErrorPage, HeaderEdit, Listener, Mirror, Name, Pool, Route, Site, Timeouts,
};
use super::super::reader::{Block, Cx};
use super::super::suggest;
use super::{Written, limits, ties};

struct Resolve<'a> {
    cx: &'a Cx<'a>,
    root: Block<'a>,
    listeners: &'a [Listener],
    pools: &'a BTreeMap<Name, Pool>,
    clocks: BTreeMap<&'a Name, Clocks>,
    error_pages: &'a [ErrorPage],
    defaults: Timeouts,
}

/// The sites, sorted by first host, the default site last.
pub(super) fn resolve<'a>(
    cx: &'a Cx<'a>,
    root: Block<'a>,
    written: &'a Written<'_>,
    listeners: &'a [Listener],
    pools: &'a BTreeMap<Name, Pool>,
) -> Vec<Site> {
    let defaults = timeout::defaults(Block::empty_in(cx, "pool"));
    let clocks = written.pools.iter().map(|p| (&p.pool.name, p.clocks)).collect();
    let error_pages = &written.error_pages;
    let resolve = Resolve { cx, root, listeners, pools, clocks, error_pages, defaults };
    hosts_once(cx, &written.sites);
    limits::check_names(cx, &written.sites);
    let mut sites: Vec<Site> = written.sites.iter().map(|site| resolve.site(site)).collect();
    sites.sort_by(|a, b| (a.hosts.is_empty(), &a.hosts).cmp(&(b.hosts.is_empty(), &b.hosts)));
    sites
}

/// LB213: a host belongs to one site.
fn hosts_once(cx: &Cx<'_>, sites: &[WrittenSite<'_>]) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for host in sites.iter().flat_map(|site| &site.hosts) {
        if let Some(first) = seen.insert(&host.value, host.span) {
            let error =
                Diagnostic::error("LB213", host.span, format!("`{}` belongs to two sites", host.value));
            cx.push(
                error.label("again here").also(first, "first here").help("merge them, or remove it from one"),
            );
        }
    }
}

impl Resolve<'_> {
    fn site(&self, site: &WrittenSite<'_>) -> Site {
        let on = site.on.as_ref().map(|names| self.listeners_named(names));
        let routes: Vec<Route> =
            site.routes.iter().map(|route| self.route(site, on.as_deref(), route)).collect();
        names_once(self.cx, &site.routes);
        ties::check(self.cx, self.listeners, site, &routes);
        let mut hosts: Vec<Name> = site.hosts.iter().map(|host| host.value.as_str().into()).collect();
        hosts.sort();
        Site {
            hosts,
            paths: site.paths,
            certificates: site.certificates.clone(),
            // Only a route without its one action is left out, and that is an error already.
            routes,
            error_pages: [&site.policy.error_pages, self.error_pages].concat(),
            place: self.cx.place(site.span),
        }
    }

    fn route(&self, site: &WrittenSite<'_>, site_on: Option<&[Name]>, route: &WrittenRoute<'_>) -> Route {
        let mut action = match &route.action {
            Some(action) => action.value.clone(),
            // An error was reported: the model is never used.
            None => Action::Respond { status: 500, body: [].into(), content_type: "text/plain".into() },
        };
        let mut clocks = self.defaults;
        if let (Action::Pool(name), Some(at)) = (&action, &route.action) {
            self.pool_exists(name, at.span);
            clocks = self.clocks.get(name).copied().unwrap_or_default().over(clocks);
        }
        if let Action::Split(split) = &mut action {
            for branch in &mut split.branches {
                self.pool_exists(&branch.pool, branch.span);
                let pool = self.clocks.get(&branch.pool).copied().unwrap_or_default();
                branch.timeout = route.clocks.over(pool.over(self.defaults));
            }
        }
        let first = route.patterns.first().map_or_else(String::new, |p| p.value.to_string());
        let name: Name = route.name.as_ref().map_or_else(|| first.into(), |name| name.value.clone());
        Route {
            rate_limits: limits::of_route(site, &name, &route.policy.rate_limits),
            name,
            patterns: route.patterns.iter().map(|p| p.value.clone()).collect(),
            matches: route.matches.clone(),
            priority: route.priority,
            ignore_case: route.ignore_case.unwrap_or(site.paths.ignore_case),
            on: self.on(site_on, route),
            action,
            request_headers: both(&site.policy.request_headers, &route.policy.request_headers),
            response_headers: both(&site.policy.response_headers, &route.policy.response_headers),
            allow_from: [&site.policy.allow_from, &route.policy.allow_from]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            deny_from: [site.policy.deny_from.as_slice(), &route.policy.deny_from].concat(),
            body_limit: route.policy.body_limit.or(site.policy.body_limit).flatten(),
            timeout: route.clocks.over(clocks),
            retry: route.retry.clone(),
            rewrite: route.rewrite.clone(),
            mirror: self.mirror(route),
            compress: route.policy.compress.clone().or_else(|| site.policy.compress.clone()).flatten(),
            error_pages: [&route.policy.error_pages, &site.policy.error_pages, self.error_pages].concat(),
            place: route.reader.place(),
            span: route.reader.span(),
        }
    }

    /// The mirror with the clocks of its pool.
    fn mirror(&self, route: &WrittenRoute<'_>) -> Option<Mirror> {
        let mut mirror = route.mirror.clone()?;
        self.pool_exists(&mirror.pool, mirror.span);
        let clocks = self.clocks.get(&mirror.pool).copied().unwrap_or_default();
        mirror.timeout = clocks.over(self.defaults);
        Some(mirror)
    }

    fn pool_exists(&self, name: &Name, span: Span) {
        if self.pools.contains_key(name) || self.root.may_define("pool", name) {
            return;
        }
        let names: Vec<&str> = self.pools.keys().map(AsRef::as_ref).collect();
        let error =
            Diagnostic::error("LB103", span, format!("no pool is named `{name}`")).label("unknown pool");
        self.cx.push(with_suggestion(error, name, "pools", &names, span));
    }

    /// The listeners of a route: its own, all of which its site must be on; else its site's.
    fn on(&self, site_on: Option<&[Name]>, route: &WrittenRoute<'_>) -> Option<Vec<Name>> {
        let Some(written) = &route.on else { return site_on.map(<[Name]>::to_vec) };
        let names = self.listeners_named(written);
        for name in written.iter().filter(|_| site_on.is_some()) {
            let known = self.listeners.iter().any(|l| l.name.as_ref() == name.value);
            if known && !site_on.is_some_and(|on| on.iter().any(|n| n.as_ref() == name.value)) {
                let message = format!("the site of this route is not on `{}`", name.value);
                let error = Diagnostic::error("LB108", name.span, message).label("never reached");
                self.cx.push(error.help("add it to the site's `on`, or remove it here"));
            }
        }
        Some(names)
    }

    fn listeners_named(&self, names: &[Spanned<String>]) -> Vec<Name> {
        let mut found = Vec::new();
        for name in names {
            match self.listeners.iter().find(|l| l.name.as_ref() == name.value) {
                Some(listener) => found.push(listener.name.clone()),
                None if self.root.may_define("listen", &name.value) => {}
                None => {
                    let all: Vec<&str> = self.listeners.iter().map(|l| l.name.as_ref()).collect();
                    let message = format!("no listener is named `{}`", name.value);
                    let error = Diagnostic::error("LB108", name.span, message).label("unknown listener");
                    self.cx.push(with_suggestion(error, &name.value, "listeners", &all, name.span));
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

fn with_suggestion(error: Diagnostic, name: &str, what: &str, all: &[&str], span: Span) -> Diagnostic {
    let error = error.help(suggest::help(name, what, all.iter().copied()));
    match suggest::closest(name, all.iter().copied()) {
        Some(near) => error.fix(span, near),
        None => error,
    }
}

/// LB105: two routes of one site with the same `name=`. First patterns may well be the same.
fn names_once(cx: &Cx<'_>, routes: &[WrittenRoute<'_>]) {
    let mut seen: BTreeMap<&Name, Span> = BTreeMap::new();
    for name in routes.iter().filter_map(|route| route.name.as_ref()) {
        if let Some(first) = seen.insert(&name.value, name.span) {
            let error =
                Diagnostic::error("LB105", name.span, format!("two routes are named `{}`", name.value));
            cx.push(
                error.label("again here").also(first, "first here").help("give one of them another name"),
            );
        }
    }
}

fn both(site: &Edits, route: &Edits) -> Vec<HeaderEdit> {
    site.iter().chain(route).map(|edit| edit.value.clone()).collect()
}
