//! Who is let in, and how often: LB509 (bodies of any size), LB705 (addresses that are not the clients'), LB707 (a
//! limit that clients slip by), LB711 (a network check that a header slips by).

use ipnet::IpNet;

use super::super::ast::policy::Policy;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Balance, ClientKey, Key, Name, Route, Sticky};
use super::super::reader::Block;
use super::{Routed, Subject, is_public};
use crate::router::PatternKind;

/// Where proxies write the address of their client.
const ADDRESSES: [&str; 5] =
    ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"];

pub(super) fn run(s: &Subject<'_>) {
    if s.model.listeners.iter().all(|listener| listener.trust_forwarded.is_empty()) {
        claimed_addresses(s);
    }
    for one in s.routes() {
        local(s, &one);
        passed_by(s, &one);
        let open = s.listeners_of(one.route).any(|listener| is_public(listener.address.ip));
        if open && one.route.allow_from.is_empty() && one.route.body_limit.is_none() {
            unbounded(s, one.written.reader.block(), &one.written.policy);
        }
    }
    limits(s);
}

/// LB509: whoever writes `off` chose it; that anyone may use it is another matter.
fn unbounded(s: &Subject<'_>, block: Block<'_>, policy: &Policy) {
    let Some(node) = block.one("body-limit").filter(|node| node.is_written()) else { return };
    if policy.body_limit == Some(None) {
        let finding = Diagnostic::warning("LB509", node.span(), "anyone can send a body of any size");
        let finding = finding.label("no limit, on a listener that all can reach");
        s.push(
            finding.help(
                "write what the application needs, `body-limit \"100MiB\"`, or say who may: `allow-from`",
            ),
        );
    }
}

/// LB705: a header in place of the address, which everyone may send while no proxy is named.
fn claimed_addresses(s: &Subject<'_>) {
    let is_address = |name: &Name| ADDRESSES.contains(&name.as_ref());
    let warn = |at: Span, name: &Name| {
        let finding = Diagnostic::warning("LB705", at, format!("any client can send `{name}`"));
        let finding = finding.label("no proxy is named whose word counts");
        s.push(finding.help(
            "name the proxies in `trust-forwarded`, and use `source-ip`: then it is the address they saw",
        ));
    };
    for pool in &s.written.pools {
        let block = pool.reader.block();
        if let (Balance::Hash { key: Key::Header(name), .. }, Some(node)) =
            (&pool.pool.balance, block.one("balance"))
            && is_address(name)
        {
            warn(node.written("key").unwrap_or(node.span()), name);
        }
        for (sticky, node) in pool.pool.sticky.iter().zip(block.strongest("sticky")) {
            let Sticky::Table(table) = sticky else { continue };
            if let ClientKey::Header(name) = &table.by
                && is_address(name)
            {
                warn(node.written("name").unwrap_or(node.span()), name);
            }
        }
    }
    for site in &s.written.sites {
        let own = site.routes.iter().flat_map(|route| &route.policy.rate_limits);
        for limit in site.policy.rate_limits.iter().chain(own) {
            if let Key::Header(name) = &limit.value.key
                && is_address(name)
            {
                warn(limit.span, name);
            }
        }
    }
}

/// LB705: a listener that only this machine reaches has a proxy in front, whose address is then everyone's.
fn local(s: &Subject<'_>, one: &Routed<'_>) {
    if !s.is_hidden(one.route) {
        return;
    }
    let block = one.written.reader.block();
    let by_address = |limit: &super::super::model::RateLimit| limit.key == Key::SourceIp;
    let at = match block.one("allow-from").or(block.one("deny-from")) {
        Some(node) => node.span(),
        None => match one.written.policy.rate_limits.iter().find(|limit| by_address(&limit.value)) {
            Some(limit) => limit.span,
            None => return,
        },
    };
    let finding = Diagnostic::warning("LB705", at, "every client comes from this machine");
    let finding = finding.label("the address is that of the proxy in front");
    s.push(finding.help("name it: `trust-forwarded \"127.0.0.1\"`, or `proxy-protocol` on the listener"));
}

/// LB707: a value that clients choose, and no limit by address beside it.
fn limits(s: &Subject<'_>) {
    for (site, meant) in s.sites() {
        for (route, meant) in site.routes.iter().zip(&meant.routes) {
            if meant.rate_limits.iter().any(|limit| limit.key == Key::SourceIp) {
                continue;
            }
            for limit in site.policy.rate_limits.iter().chain(&route.policy.rate_limits) {
                let what = match &limit.value.key {
                    Key::Header(name) => format!("the header `{name}`"),
                    Key::Cookie(name) => format!("the cookie `{name}`"),
                    Key::Query(name) => format!("the parameter `{name}`"),
                    Key::SourceIp | Key::Path | Key::Host => continue,
                };
                let message = format!("a client that changes {what} has a new bucket each time");
                let finding =
                    Diagnostic::warning("LB707", limit.span, message).label("clients choose this value");
                s.push(
                    finding
                        .help("add a limit that they cannot choose: `rate-limit \"3000/m\" key=source-ip`"),
                );
            }
        }
    }
}

/// LB711: ways around the `allow-from` of a route, to a route to the same pool that lets everyone in: a less specific
/// one of the site, for who leaves out what the route asks for, or comes by a listener that it is not on; and that of
/// another site, for who sends another host.
fn passed_by(s: &Subject<'_>, one: &Routed<'_>) {
    let Some(allowed) = one.written.policy.allow_from.as_deref() else { return };
    let Some(node) = one.written.reader.block().one("allow-from") else { return };
    let pools: Vec<&Name> = one.route.action.pools().collect();
    let leads = |other: &Routed<'_>| other.route.action.pools().any(|pool| pools.contains(&pool));
    let covers = |other: &Routed<'_>| other.route.matches.is_empty() && above(other.route, one.route);
    let lets_in = |other: &Routed<'_>| leads(other) && admits_more(other.route, allowed);
    let around = |other: &Routed<'_>| covers(other) && lets_in(other) && is_most_specific(s, other, one);
    for other in s.routes().filter(around) {
        let (message, help) = if !std::ptr::eq(other.site, one.site) {
            if s.listeners_of(other.route).next().is_none() {
                continue;
            }
            let help = "put `allow-from` there too: a client sends whatever host it likes";
            ("who sends another host is let in by another site", help)
        } else if asks_what_clients_choose(one.route) {
            let help = "put `allow-from` on that route too, or ask for nothing that a client chooses";
            ("who leaves out what this route asks for is let in by another one", help)
        } else if s.listeners_of(other.route).any(|listener| !s.is_on(one.route, listener)) {
            let help = "put `allow-from` on that route too, or let both be `on` the same listeners";
            ("by a listener that this route is not on everyone is let in by another one", help)
        } else {
            continue;
        };
        let finding = Diagnostic::warning("LB711", node.span(), message).label("only these networks");
        s.push(finding.also(other.route.span, "the same pool, for everyone").help(help));
        return;
    }
}

fn asks_what_clients_choose(route: &Route) -> bool {
    let by_client = |c: &crate::router::Conditions| {
        !(c.headers.is_empty() && c.cookies.is_empty() && c.queries.is_empty())
    };
    !route.matches.is_empty() && route.matches.iter().all(by_client)
}

/// Whether no other route of its site is nearer to the paths of `one`.
fn is_most_specific(s: &Subject<'_>, other: &Routed<'_>, one: &Routed<'_>) -> bool {
    let is_third = |third: &Routed<'_>| {
        let known = [other.route, one.route].iter().any(|route| std::ptr::eq(*route, third.route));
        std::ptr::eq(third.site, other.site) && !known && third.route.matches.is_empty()
    };
    let nearer = |third: &Routed<'_>| above(third.route, one.route) && above(other.route, third.route);
    !s.routes().any(|third| is_third(&third) && nearer(&third))
}

/// Whether somebody outside of `allowed` may come in.
fn admits_more(route: &Route, allowed: &[IpNet]) -> bool {
    let within = |net: &IpNet| allowed.iter().any(|wide| wide.contains(net));
    !route.allow_from.iter().any(|list| list.iter().all(within))
}

/// Whether each path of a pattern of `narrow` surely matches `wide`, by their texts.
fn above(wide: &Route, narrow: &Route) -> bool {
    narrow.patterns.iter().any(|narrow| {
        wide.patterns.iter().any(|wide| {
            let (text, begin) = (narrow.as_str(), wide.as_str().trim_end_matches('/'));
            let rest = text.strip_prefix(begin);
            wide.kind() == PatternKind::Prefix
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
}
