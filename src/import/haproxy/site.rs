//! Routes by host and listener: what is known of a request before its path is looked at.

use std::collections::BTreeSet;

use super::bind::Listener;
use super::decide::{Decider, Route};
use super::expr::{Atom, Expr, How, TextTest};
use super::rule::{Act, Final, Rule};

/// The most sites; further hosts are conditions of routes.
const MAX_SITES: usize = 200;

/// A frontend that reads requests.
#[derive(Debug)]
pub(super) struct Frontend {
    pub(super) listeners: Vec<Listener>,
    pub(super) rules: Vec<Rule>,
}

/// Hosts with the same routes.
#[derive(Debug)]
pub(super) struct Site {
    /// Empty for the routes of the top level.
    pub(super) hosts: Vec<String>,
    pub(super) routes: Vec<Placed>,
}

/// A route and the listeners that it is for; `None` is all.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) route: Route,
    pub(super) on: Option<Vec<String>>,
}

/// Requests of which the host's part is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    Exact(String),
    /// With the dot that it begins with.
    Below(String),
    Other,
}

/// Makes the routes of all frontends; marks the listeners that only redirect.
pub(super) fn sites(frontends: &mut [Frontend], atoms: &[Atom], decider: &mut Decider<'_>) -> Vec<Site> {
    let hosts = hosts(frontends, atoms);
    let mut http = Vec::new();
    for frontend in frontends.iter_mut() {
        let rules = &frontend.rules;
        for listener in &mut frontend.listeners {
            match to_https(rules, listener, atoms) {
                Some(status) => {
                    let status = if status == 308 { String::new() } else { format!(" status={status}") };
                    listener.block.line(format!("redirect-to-https{status}"));
                }
                None => http.push(listener.name.clone()),
            }
        }
    }
    let mut found: Vec<(Host, Vec<Placed>)> = Vec::new();
    let known: BTreeSet<Host> = hosts.iter().cloned().collect();
    for host in &hosts {
        found.push((host.clone(), placed((host, &known), frontends, &http, atoms, decider)));
    }
    grouped(found)
}

/// Every host that a condition names, and all others.
fn hosts(frontends: &[Frontend], atoms: &[Atom]) -> Vec<Host> {
    let mut used = BTreeSet::new();
    let rules = frontends.iter().flat_map(|frontend| &frontend.rules);
    rules.for_each(|rule| {
        rule.when.each(&mut |atom| {
            used.insert(atom);
        });
    });
    let mut hosts = BTreeSet::new();
    for atom in used {
        if let Atom::Host(test) = &atoms[atom]
            && hosts.len() < MAX_SITES
        {
            hosts.extend(site_of(test));
        }
    }
    hosts.into_iter().chain([Host::Other]).collect()
}

/// The site that a condition stands for, if one does.
fn site_of(test: &TextTest) -> Option<Host> {
    let good = |name: &str| {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() < 64
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        name.len() < 250 && name.split('.').all(label)
    };
    let below = test.text.strip_prefix('.');
    match test.how {
        How::Exact if good(&test.text) || test.text.parse::<std::net::Ipv4Addr>().is_ok() => {
            Some(Host::Exact(test.text.clone()))
        }
        How::Ends
            if below.is_some_and(|name| good(name) && name.bytes().any(|b| b.is_ascii_alphabetic())) =>
        {
            Some(Host::Below(test.text.clone()))
        }
        _ => None,
    }
}

impl Host {
    /// Whether a condition on hosts holds for these requests; `None` when only the request tells.
    fn knows(&self, test: &TextTest, sites: &BTreeSet<Host>) -> Option<bool> {
        let site = site_of(test).filter(|site| sites.contains(site));
        match (self, site) {
            (Host::Exact(name), _) => Some(test.passes(name)),
            (Host::Below(end), Some(Host::Below(other))) => Some(end.ends_with(&other)),
            (Host::Below(_) | Host::Other, Some(_)) => Some(false),
            (Host::Below(_) | Host::Other, None) => None,
        }
    }

    /// A host of this kind.
    pub(super) fn pattern(&self) -> Option<String> {
        match self {
            Host::Exact(name) => Some(name.clone()),
            Host::Below(end) => Some(format!("*{end}")),
            Host::Other => None,
        }
    }
}

/// What a listener tells.
pub(super) fn of_listener(atom: &Atom, listener: &Listener) -> Option<bool> {
    match atom {
        Atom::Tls => Some(listener.tls),
        Atom::Port(ranges) => Some(ranges.iter().any(|(low, high)| (*low..=*high).contains(&listener.port))),
        Atom::Sni(_) | Atom::Rate(..) => Some(false),
        _ => None,
    }
}

/// The status, when a listener does nothing but lead to https.
fn to_https(rules: &[Rule], listener: &Listener, atoms: &[Atom]) -> Option<u16> {
    if listener.tls {
        return None;
    }
    for rule in rules {
        let when = rule.when.known(&|atom| of_listener(&atoms[atom], listener));
        match (&rule.act, when) {
            (_, Expr::Is(false)) | (Act::Edit(_), _) => {}
            (Act::Final(Final::ToHttps { status }), Expr::Is(true)) => return Some(*status),
            _ => return None,
        }
    }
    None
}

/// The routes for one kind of host, with the listeners that they are for.
fn placed(
    (host, sites): (&Host, &BTreeSet<Host>),
    frontends: &[Frontend],
    http: &[String],
    atoms: &[Atom],
    decider: &mut Decider<'_>,
) -> Vec<Placed> {
    let mut out: Vec<Placed> = Vec::new();
    for frontend in frontends {
        let mut kinds: Vec<(Vec<Option<bool>>, Vec<&Listener>)> = Vec::new();
        for listener in frontend.listeners.iter().filter(|listener| http.contains(&listener.name)) {
            let kind: Vec<Option<bool>> = atoms.iter().map(|atom| of_listener(atom, listener)).collect();
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, listeners)) => listeners.push(listener),
                None => kinds.push((kind, vec![listener])),
            }
        }
        for (kind, listeners) in kinds {
            let truth = |atom: usize| match &atoms[atom] {
                Atom::Host(test) => host.knows(test, sites),
                _ => kind[atom],
            };
            let names: Vec<String> = listeners.iter().map(|listener| listener.name.clone()).collect();
            for route in decider.decide(&frontend.rules, &truth) {
                match out.iter_mut().find(|other| same(&other.route, &route)) {
                    Some(other) => other.on.get_or_insert_default().extend(names.clone()),
                    None => out.push(Placed { route, on: Some(names.clone()) }),
                }
            }
        }
    }
    for placed in &mut out {
        if placed.on.as_ref().is_some_and(|on| on.len() == http.len()) {
            placed.on = None;
        }
    }
    out
}

fn same(a: &Route, b: &Route) -> bool {
    a.patterns == b.patterns && a.matches == b.matches && a.outcome == b.outcome && a.priority == b.priority
}

fn alike(a: &[Placed], b: &[Placed]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(&a.route, &b.route) && a.on == b.on)
}

/// Hosts with the same routes are one site; those that a wider site serves as well need none.
fn grouped(found: Vec<(Host, Vec<Placed>)>) -> Vec<Site> {
    let wider = |host: &Host| -> Option<&Vec<Placed>> {
        let name = match host {
            Host::Exact(name) => name.as_str(),
            Host::Below(end) => &end[1..],
            Host::Other => return None,
        };
        let below = found.iter().filter_map(|(other, routes)| match other {
            Host::Below(end) if name.ends_with(end.as_str()) => Some((end.len(), routes)),
            _ => None,
        });
        let other = found.iter().find(|(host, _)| *host == Host::Other).map(|(_, routes)| routes);
        below.max_by_key(|(length, _)| *length).map(|(_, routes)| routes).or(other)
    };
    let mut sites: Vec<Site> = Vec::new();
    for (host, routes) in &found {
        if wider(host).is_some_and(|wider| alike(wider, routes)) {
            continue;
        }
        let same = |site: &&mut Site| !site.hosts.is_empty() && alike(&site.routes, routes);
        match (sites.iter_mut().find(same), host.pattern()) {
            (Some(site), Some(name)) => site.hosts.push(name),
            (_, name) => sites.push(Site { hosts: name.into_iter().collect(), routes: routes.clone() }),
        }
    }
    sites
}
