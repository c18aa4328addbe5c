//! Listeners without TLS: LB613 (what needs it), LB713 (one that serves nobody, or serves in clear what another one
//! serves with TLS).

use super::super::diagnostic::Diagnostic;
use super::super::model::{Listener, Secure, Sticky};
use super::{Subject, edits, is_public};

pub(super) fn run(s: &Subject<'_>) {
    let in_front = |listener: &Listener| {
        !listener.trust_forwarded.is_empty() || listener.proxy_protocol.is_some() || listener.tls.is_some()
    };
    // What ends TLS in front is believed, or sends a PROXY header.
    if !s.model.listeners.iter().any(in_front) {
        cookies(s);
        flow(s);
    }
    if s.is_whole() {
        idle(s);
    }
    both_ways(s);
}

fn cookies(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let nodes = pool.reader.block().strongest("sticky");
        for (sticky, node) in pool.pool.sticky.iter().zip(nodes) {
            let Sticky::Cookie(cookie) = sticky else { continue };
            let Some(at) = node.written("secure").filter(|_| cookie.secure == Secure::Always) else {
                continue;
            };
            let message = format!("browsers do not keep the cookie `{}`", cookie.name);
            let finding =
                Diagnostic::warning("LB613", at, message).label("it is `Secure`, and no listener speaks TLS");
            let help = "add `listen \":443\" { tls { certificate \"…\"; }; }`, or name the proxy that ends TLS in `trust-forwarded`";
            s.push(finding.help(help).subject(format!("pool/{}/sticky", pool.pool.name)));
        }
    }
}

/// ThingWorx Flow: "you must install the load balancer as HTTPS" (PTC, installing ThingWorx Flow).
fn flow(s: &Subject<'_>) {
    for one in s.routes() {
        let flow =
            |text: &str| text.get(..15).is_some_and(|begin| begin.eq_ignore_ascii_case("/Thingworx/Flow"));
        if let Some(pattern) = one.written.patterns.iter().find(|pattern| flow(pattern.value.as_str())) {
            let finding =
                Diagnostic::warning("LB613", pattern.span, "ThingWorx Flow needs HTTPS in front of it");
            let finding = finding.label("no listener speaks TLS");
            let help = "add `listen \":443\" { tls { certificate \"…\"; }; }`, or name the proxy that ends TLS in `trust-forwarded`";
            s.push(finding.help(help).subject(format!("route/{}", one.route.name)));
        }
    }
}

/// LB713: nobody is served.
fn idle(s: &Subject<'_>) {
    for listen in &s.written.listens {
        let name = &listen.listener.name;
        let meant = s.model.listeners.iter().find(|one| one.name == *name);
        let Some(meant) = meant.filter(|one| one.speaks_http() && one.redirect_to_https.is_none()) else {
            continue;
        };
        let mut routes = s.routes();
        if routes.any(|one| s.listeners_of(one.route).any(|on| on.name == meant.name))
            || !meant.tcp.is_empty()
        {
            continue;
        }
        let message = format!("no route is on the listener `{name}`");
        let finding =
            Diagnostic::warning("LB713", listen.reader.span(), message).label("every request gets 404");
        let finding = finding.help("name it in the `on` of a site or route, or remove it");
        let finding = finding.subject(format!("listen/{name}"));
        s.push(edits::if_meant(finding, edits::turn_off(listen.reader)));
    }
}

/// LB713: the same routes with TLS and in clear, for clients from anywhere.
fn both_ways(s: &Subject<'_>) {
    for listen in &s.written.listens {
        let plain = &listen.listener;
        let believes = !plain.trust_forwarded.is_empty() || plain.proxy_protocol.is_some();
        if plain.tls.is_some() || believes || !is_public(plain.address.ip) || !listen.tcp.is_empty() {
            continue;
        }
        let over_tls = s.routes().find_map(|one| {
            let on = || s.listeners_of(one.route);
            let here = on().any(|listener| listener.name == plain.name);
            let secured = on().find(|other| other.tls.is_some() && is_public(other.address.ip));
            secured.filter(|_| here)
        });
        let Some(other) = over_tls else { continue };
        let message = format!("`{}` serves in clear what `{}` serves with TLS", plain.name, other.name);
        let mut finding = Diagnostic::warning("LB713", listen.reader.span(), message);
        finding = finding.label("passwords and cookies may come this way");
        if let Some(at) = s.written.listens.iter().find(|one| one.listener.name == other.name) {
            finding = finding.also(at.reader.span(), "the same routes, with TLS");
        }
        let help = "add `redirect-to-https` to it, or say with `on` which routes are meant for it";
        s.push(finding.help(help).subject(format!("listen/{}", plain.name)));
    }
}
