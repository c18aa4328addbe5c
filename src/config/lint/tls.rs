//! TLS: LB608 (servers that are not verified), LB611 (strangers are shown a certificate), LB612 (a certificate
//! that nothing presents), LB614 (a site whose connections are passed by).

use super::super::ast::site::Site;
use super::super::ast::tcp::Tcp;
use super::super::diagnostic::{Diagnostic, Severity};
use super::super::model::{UnknownSni, Verify};
use super::Subject;

pub(super) fn run(s: &Subject<'_>) {
    unverified(s);
    strangers(s);
    unused_certificates(s);
    passed_by(s);
}

fn unverified(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let (Some(tls), Some(node)) = (&pool.pool.tls, pool.reader.block().one("tls")) else { continue };
        let label = match tls.verify {
            Verify::Full => continue,
            Verify::Chain => "any server with a certificate of this authority is believed",
            Verify::None => "anyone on the path can read and change everything",
        };
        let at = node.written("verify").unwrap_or(node.span());
        let message = format!("the servers of `{}` are not verified in full", pool.pool.name);
        let finding = Diagnostic::warning("LB608", at, message).label(label);
        s.push(
            finding
                .help("name the authority: `tls ca=\"…\"`, and `server-name=` where names differ")
                .subject(format!("pool/{}", pool.pool.name)),
        );
    }
}

/// LB611: who asks for a name that nobody has is shown the first certificate, and learns of a site. Whoever writes
/// `fallback` means it.
fn strangers(s: &Subject<'_>) {
    for listen in &s.written.listens {
        let (Some(tls), Some(node)) = (&listen.listener.tls, listen.reader.block().one("tls")) else {
            continue;
        };
        let name = &listen.listener.name;
        let is_on = |on: &[super::super::diagnostic::Spanned<String>]| on.iter().any(|n| *n.value == **name);
        let sites = s.written.sites.iter().filter(|site| !site.hosts.is_empty());
        let sites = sites.filter(|site| site.on.as_ref().is_none_or(|on| is_on(on))).count();
        if tls.unknown_sni == UnknownSni::Reject || node.written("unknown-sni").is_some() || sites < 2 {
            continue;
        }
        let message = format!(
            "clients of `{name}` that ask for no name of its {sites} sites see the first certificate"
        );
        let finding = Diagnostic::new("LB611", Severity::Hint, Some(node.span()), message);
        s.push(
            finding
                .label("strangers learn of a site")
                .help("say `unknown-sni=reject`, or `unknown-sni=fallback` if it is meant")
                .subject(format!("listen/{name}")),
        );
    }
}

fn unused_certificates(s: &Subject<'_>) {
    for site in &s.written.sites {
        let is_on = |name: &str| site.on.as_ref().is_none_or(|on| on.iter().any(|n| n.value == name));
        let presented =
            s.model.listeners.iter().any(|listener| listener.tls.is_some() && is_on(&listener.name));
        for certificate in site.certificates.iter().filter(|_| !presented) {
            let finding =
                Diagnostic::warning("LB612", certificate.span, "no client ever sees this certificate");
            s.push(
                finding.label("no TLS listener here").help("add `listen \":443\" { tls; }`, or remove it"),
            );
        }
    }
}

/// A listener that ends the TLS of some names and passes others on: a name that is both is only passed on.
fn passed_by(s: &Subject<'_>) {
    for listen in s.written.listens.iter().filter(|listen| listen.listener.tls.is_some()) {
        let is_on = |site: &&Site<'_>| {
            site.on.as_ref().is_none_or(|on| on.iter().any(|n| n.value == *listen.listener.name))
        };
        for host in s.written.sites.iter().filter(is_on).flat_map(|site| &site.hosts) {
            let takes = |tcp: &&Tcp| tcp.sni.as_ref().is_some_and(|sni| covers(&sni.value, &host.value));
            let Some(tcp) = listen.tcp.iter().find(takes) else { continue };
            let message = format!("the site `{}` gets no request by this listener", host.value);
            let finding = Diagnostic::warning("LB614", host.span, message).label("TLS would end here");
            let finding = finding.also(tcp.span, "but this passes its connections on, TLS and all");
            s.push(finding.help("remove one of them, or use another listener for one"));
        }
    }
}

/// Whether every name of `host` is one of `pattern`; both may be `*.suffix`.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix) && host.len() > suffix.len(),
        None => pattern == host,
    }
}
