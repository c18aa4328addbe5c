//! Warnings about meaning: what loads, and will probably disappoint. One file per group of rules.
//!
//! Rules see what was written (for places) and what it means. `lint { allow … }` silences a rule,
//! `lint { deny … }` makes it an error; both are applied after all rules ran.

mod affinity;
mod checks;
mod clients;
mod clocks;
mod edits;
mod exposure;
mod headers;
mod loops;
mod mirrors;
mod overload;
mod passing;
mod patterns;
mod plain;
mod pools;
mod reach;
mod regexes;
mod routes;
mod secrets;
mod servers;
mod sessions;
mod spelling;
mod splits;
mod stickiness;
#[cfg(test)]
mod tests;
mod tls;
mod websockets;

use std::collections::HashMap;
use std::net::IpAddr;

use super::ast::pool::Pool;
use super::ast::route::Route as WrittenRoute;
use super::ast::site::Site as WrittenSite;
use super::diagnostic::Diagnostic;
use super::model::{Listener, Model, Name, Route, Site};
use super::reader::{Block, Cx};
use super::resolve::Written;

/// What rules look at.
struct Subject<'a> {
    cx: &'a Cx<'a>,
    root: Block<'a>,
    written: &'a Written<'a>,
    model: &'a Model,
    /// Whether everything written is in the model: nothing was refused.
    complete: bool,
    sites: Vec<(&'a WrittenSite<'a>, &'a Site)>,
    routes: Vec<Routed<'a>>,
    /// By a pool's name, which of `routes` may lead to it.
    to_pool: HashMap<&'a Name, Vec<usize>>,
}

/// A route: as it was written, and what it means.
#[derive(Clone, Copy)]
struct Routed<'a> {
    site: &'a WrittenSite<'a>,
    written: &'a WrittenRoute<'a>,
    route: &'a Route,
}

impl<'a> Subject<'a> {
    fn push(&self, finding: Diagnostic) {
        self.cx.push(finding);
    }

    /// Whether everything written is known and good: only then does what is missing mean something.
    fn is_whole(&self) -> bool {
        self.complete && !self.cx.has_errors()
    }

    /// Every site, as it was written and what it means.
    fn sites(&self) -> impl Iterator<Item = (&'a WrittenSite<'a>, &'a Site)> {
        self.sites.iter().copied()
    }

    /// Every route.
    fn routes(&self) -> impl Iterator<Item = Routed<'a>> {
        self.routes.iter().copied()
    }

    /// The routes that may lead to a pool.
    fn routes_to(&self, pool: &'a Pool<'a>) -> impl Iterator<Item = Routed<'a>> {
        self.to_pool.get(&pool.pool.name).into_iter().flatten().map(|at| self.routes[*at])
    }

    /// The listeners whose requests a route may get.
    fn listeners_of(&self, route: &'a Route) -> impl Iterator<Item = &'a Listener> {
        let serves = |listener: &&Listener| listener.speaks_http() && listener.redirect_to_https.is_none();
        self.model.listeners.iter().filter(serves).filter(|listener| self.is_on(route, listener))
    }

    /// Whether a route is for the requests of a listener.
    fn is_on(&self, route: &Route, listener: &Listener) -> bool {
        route.on.as_ref().is_none_or(|on| on.contains(&listener.name))
    }

    /// Whether clients reach a route through a proxy on this machine alone, whose word about them is not believed.
    fn is_hidden(&self, route: &'a Route) -> bool {
        let hidden = |listener: &Listener| {
            listener.address.ip.is_some_and(|ip| ip.is_loopback())
                && listener.trust_forwarded.is_empty()
                && listener.proxy_protocol.is_none()
        };
        let mut listeners = self.listeners_of(route).peekable();
        listeners.peek().is_some() && listeners.all(hidden)
    }

    /// The same of every route that leads to a pool.
    fn is_behind_a_proxy(&self, pool: &'a Pool<'a>) -> bool {
        let mut routes = self.routes_to(pool).peekable();
        routes.peek().is_some() && routes.all(|one| self.is_hidden(one.route))
    }

    /// Whether WebSockets surely go to a pool: a route takes them alone or says how long they live, or the pool says
    /// what they are told.
    fn carries_websockets(&self, pool: &'a Pool<'a>) -> bool {
        let says = |one: Routed<'a>| {
            let timeout = one.written.reader.block().one("timeout").filter(|node| node.is_written());
            let tunnels = |key| timeout.is_some_and(|node| node.written(key).is_some());
            let asks = one.route.matches.iter().any(|conditions| conditions.websocket == Some(true));
            asks || tunnels("tunnel-idle") || tunnels("tunnel-max")
        };
        let told = pool.reader.block().one("websocket").is_some_and(|node| node.is_written());
        told || self.routes_to(pool).any(says)
    }
}

/// Each site as it was written, with what it means.
fn both<'a>(written: &'a Written<'a>, model: &'a Model) -> Vec<(&'a WrittenSite<'a>, &'a Site)> {
    let by_hosts: HashMap<Vec<&str>, &Site> =
        model.sites.iter().map(|site| (site.hosts.iter().map(AsRef::as_ref).collect(), site)).collect();
    let pair = |site: &'a WrittenSite<'a>| {
        let mut hosts: Vec<&str> = site.hosts.iter().map(|host| host.value.as_str()).collect();
        hosts.sort_unstable();
        Some((site, *by_hosts.get(&hosts)?))
    };
    written.sites.iter().filter_map(pair).collect()
}

/// Whether clients from anywhere may reach an address; no address is every interface.
fn is_public(ip: Option<IpAddr>) -> bool {
    match ip {
        None => true,
        Some(IpAddr::V4(ip)) => !ip.is_private() && !ip.is_loopback() && !ip.is_link_local(),
        Some(IpAddr::V6(ip)) => !ip.is_loopback() && !ip.is_unique_local() && !ip.is_unicast_link_local(),
    }
}

/// Runs every rule.
pub(crate) fn run<'a>(
    cx: &'a Cx<'a>,
    root: Block<'a>,
    written: &'a Written<'a>,
    model: &'a Model,
    complete: bool,
) {
    let sites = both(written, model);
    let routed = |(site, meant): &(&'a WrittenSite<'a>, &'a Site)| -> Vec<Routed<'a>> {
        let site = *site;
        let pairs = site.routes.iter().zip(&meant.routes);
        pairs.map(|(written, route)| Routed { site, written, route }).collect()
    };
    let routes: Vec<Routed<'a>> = sites.iter().flat_map(routed).collect();
    let mut to_pool: HashMap<&Name, Vec<usize>> = HashMap::new();
    for (at, one) in routes.iter().enumerate() {
        one.route.action.pools().for_each(|pool| to_pool.entry(pool).or_default().push(at));
    }
    let subject = Subject { cx, root, written, model, complete, sites, routes, to_pool };
    routes::run(&subject);
    patterns::run(&subject);
    reach::run(&subject);
    loops::run(&subject);
    regexes::run(&subject);
    splits::run(&subject);
    mirrors::run(&subject);
    pools::run(&subject);
    servers::run(&subject);
    checks::run(&subject);
    overload::run(&subject);
    stickiness::run(&subject);
    affinity::run(&subject);
    sessions::run(&subject);
    clocks::run(&subject);
    websockets::run(&subject);
    tls::run(&subject);
    passing::run(&subject);
    exposure::run(&subject);
    plain::run(&subject);
    clients::run(&subject);
    headers::run(&subject);
    secrets::run(&subject);
    spelling::run(&subject);
}
