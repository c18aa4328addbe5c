//! What a TLS listener shows its clients, and what is wrong with the files it should show.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use super::identity::{ContentHash, Identity, Problem};
use super::inspect::exposed_key;
use super::resolver::{Resolver, Shown};
use super::staple::{self, Staple};
use super::upstream::{Authorities, bundle};
use super::{Stage, Store};
use crate::config::diagnostic::{Diagnostic, Fix, Report, Severity};
use crate::config::model::{Certificate, Listener, ListenerTls, Protocol, Site, TlsVersion, UnknownSni};

const DAY: i64 = 24 * 60 * 60;

/// All that a [`ServerConfig`] is made from: equal keys share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ListenerKey {
    /// Each with the authority's answer about it.
    identities: Vec<(ContentHash, Option<ContentHash>)>,
    only_tls13: bool,
    reject_unknown: bool,
    clients: Option<ClientsKey>,
    protocols: Vec<Protocol>,
}

/// The authorities of client certificates, and whether one must be shown.
pub(super) type ClientsKey = (ContentHash, bool);

/// What findings about a certificate need to know besides the certificate.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What the findings are about: `listen/https`, `pool/app`.
    pub subject: &'a str,
    /// Whether another generation runs.
    pub stage: Stage,
    /// A certificate that ends within this time is worth a warning.
    pub expiry: Duration,
    /// Whether clients look for a name in it.
    pub is_server: bool,
}

/// The server side of `listener`, with the certificates of its own `tls` node first and those of
/// `sites` after them. `None` when the listener is plain, or when `report` got an error.
pub fn listener_config(
    store: &mut Store,
    listener: &Listener,
    sites: &[&Site],
    about: About<'_>,
    report: &mut Report,
) -> Option<Arc<ServerConfig>> {
    let tls = listener.tls.as_ref()?;
    let written: Vec<&Certificate> =
        tls.certificates.iter().chain(sites.iter().flat_map(|site| &site.certificates)).collect();
    if written.is_empty() {
        report.push(
            Diagnostic::error("LB610", tls.span, format!("listener `{}` has no certificate", listener.name))
                .label("no certificate for any name")
                .help("add `certificate \"FILE\"` with a PEM chain and its key here, or in a site on this listener")
                .subject(about.subject),
        );
        return None;
    }
    let mut shown: Vec<Shown> = Vec::with_capacity(written.len());
    let mut complete = true;
    for &certificate in &written {
        match identity(store, certificate, about, report) {
            Some(known) if shown.iter().any(|other| other.identity.hash == known.hash) => {}
            Some(identity) => {
                let staple = staple(certificate, &identity, about, report);
                shown.push(Shown { identity, staple });
            }
            None => complete = false,
        }
    }
    if complete {
        let before = report.findings.len();
        uncovered(listener, tls, sites, &shown, report);
        // A site without a certificate and a certificate without a site are one mistake.
        if report.findings.len() == before {
            strange(listener, sites, &written, store, report);
        }
    }
    let clients = match &tls.client_ca {
        None => None,
        Some(ca) => Some((bundle(store, &ca.file, ca.span, report)?, ca.required)),
    };
    complete.then(|| server_config(store, &shown, tls, &listener.protocols, clients))
}

/// LB215: sites of this listener that no certificate is for. Names only: of addresses certificates say too little.
fn uncovered(listener: &Listener, tls: &ListenerTls, sites: &[&Site], shown: &[Shown], report: &mut Report) {
    let names = || shown.iter().flat_map(|one| &one.identity.names);
    for site in sites {
        let is_name = |host: &&crate::config::model::Name| host.parse::<std::net::IpAddr>().is_err();
        for host in site.hosts.iter().filter(is_name).filter(|host| !names().any(|name| covers(name, host))) {
            let message = format!("no certificate of listener `{}` is for the site `{host}`", listener.name);
            let label = match tls.unknown_sni {
                UnknownSni::Reject => "its clients are refused",
                UnknownSni::Fallback => "its clients are shown a certificate of another name",
            };
            let known: Vec<&str> = names().map(String::as_str).collect();
            report.push(
                Diagnostic::warning("LB215", tls.span, message)
                    .label(label)
                    .help(format!("add a `certificate` for it; those here are for: {}", known.join(", ")))
                    .help("or say with `on` in the site which listeners it is for")
                    .subject(format!("site/{host}")),
            );
        }
    }
}

/// LB612: certificates whose names are those of no site of this listener. Where a site takes every host, or one that is
/// an address, nobody knows.
fn strange(
    listener: &Listener,
    sites: &[&Site],
    written: &[&Certificate],
    store: &Store,
    report: &mut Report,
) {
    let mut hosts = sites.iter().flat_map(|site| &site.hosts).peekable();
    let vague = sites.iter().any(|site| site.hosts.is_empty())
        || hosts.peek().is_none()
        || hosts.clone().any(|host| host.parse::<std::net::IpAddr>().is_ok());
    if vague {
        return;
    }
    for certificate in written {
        let Some(known) = store.in_use(&certificate.chain, &certificate.key) else { continue };
        let either = |name: &str, host: &str| covers(name, host) || covers(host, name);
        if known.names.is_empty()
            || hosts.clone().any(|host| known.names.iter().any(|name| either(name, host)))
        {
            continue;
        }
        let file = certificate.chain.display();
        let message = format!("certificate `{file}` is for no site of listener `{}`", listener.name);
        let finding = Diagnostic::warning("LB612", certificate.span, message);
        report.push(
            finding
                .label(format!("for {}", known.names.join(", ")))
                .help("remove it, or add the site that it is for")
                .subject(format!("listen/{}", listener.name)),
        );
    }
}

/// Whether a name of a certificate is for a host; either may begin with `*.`.
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(suffix) => {
            name == host || host.split_once('.').is_some_and(|(label, rest)| label != "*" && rest == suffix)
        }
        None => name == host,
    }
}

/// The identity that `certificate` names: what its files hold, or what they held when they were good.
pub(super) fn identity(
    store: &mut Store,
    certificate: &Certificate,
    about: About<'_>,
    report: &mut Report,
) -> Option<Arc<Identity>> {
    let subject = about.subject;
    let (chain, key) = (&certificate.chain, &certificate.key);
    let before = store.last_good(chain, key);
    let now = unix_now();
    let chosen = match (store.identity(chain, key), before) {
        (Ok(new), Some(old)) if new.not_after < now && old.not_after >= now => {
            let problem = expired(certificate, new.not_after);
            report.push(kept(problem, certificate, subject));
            old
        }
        (Ok(new), _) => {
            let dates = check_dates(certificate, new.not_after, now, about);
            let refused = dates.as_ref().is_some_and(|finding| finding.severity == Severity::Error);
            report.findings.extend(dates);
            if refused {
                return None;
            }
            remark(certificate, &new, about, report);
            new
        }
        (Err(problem), Some(old)) => {
            report.push(kept(problem, certificate, subject));
            old
        }
        (Err(problem), None) => {
            report.push(finding(problem, Severity::Error, certificate, subject));
            return None;
        }
    };
    store.use_pair(chain, key, &chosen);
    Some(chosen)
}

/// LB604 to LB607: usable, and yet.
fn remark(certificate: &Certificate, identity: &Identity, about: About<'_>, report: &mut Report) {
    let file = certificate.chain.display();
    // Servers look for no name in what a client shows.
    let remarks = identity.remarks.iter().filter(|remark| about.is_server || remark.code != "LB604");
    let problems = remarks.map(|remark| {
        let problem = Problem::new(remark.code, format!("certificate `{file}` {}", remark.says), remark.help);
        let moves = if remark.code == "LB605" { identity.moves.clone() } else { Vec::new() };
        Problem { moves, ..problem }
    });
    for problem in problems.chain(exposed_key(&certificate.key)) {
        report.push(finding(problem, Severity::Warning, certificate, about.subject));
    }
}

/// What is shown with `identity`, if anything is; LB615 when it lies there and is not fit.
fn staple(
    certificate: &Certificate,
    identity: &Identity,
    about: About<'_>,
    report: &mut Report,
) -> Option<Staple> {
    let leaf = identity.certified.cert.first().filter(|_| certificate.staple)?;
    staple::read(&certificate.chain, leaf, unix_now()).unwrap_or_else(|problem| {
        report.push(finding(problem, Severity::Warning, certificate, about.subject));
        None
    })
}

fn check_dates(certificate: &Certificate, not_after: i64, now: i64, about: About<'_>) -> Option<Diagnostic> {
    let About { subject, stage, expiry, .. } = about;
    let days = (not_after - now).div_euclid(DAY);
    if not_after < now {
        let severity = if stage == Stage::Start { Severity::Error } else { Severity::Warning };
        return Some(finding(expired(certificate, not_after), severity, certificate, subject));
    }
    let when = match days {
        0 => "today".into(),
        1 => "tomorrow".into(),
        days => format!("in {days} days"),
    };
    let file = certificate.chain.display();
    let message = format!("certificate `{file}` expires {when} ({})", date(not_after));
    let problem = Problem::new("LB603", message, "renew it; lbd takes the new file as soon as it is written");
    (not_after - now < expiry.as_secs() as i64)
        .then(|| finding(problem, Severity::Warning, certificate, subject))
}

fn expired(certificate: &Certificate, not_after: i64) -> Problem {
    let message = format!("certificate `{}` expired on {}", certificate.chain.display(), date(not_after));
    Problem::new("LB603", message, "clients refuse it; put a renewed certificate into the file")
}

fn kept(problem: Problem, certificate: &Certificate, subject: &str) -> Diagnostic {
    finding(problem, Severity::Warning, certificate, subject)
        .help("until then clients are shown the certificate that was there before")
}

fn finding(problem: Problem, severity: Severity, certificate: &Certificate, subject: &str) -> Diagnostic {
    let found = Diagnostic::new(problem.code, severity, Some(certificate.span), problem.message)
        .help(problem.help)
        .subject(subject);
    if problem.moves.is_empty() {
        return found;
    }
    let files = problem.moves.into_iter().map(|it| it.in_file(&certificate.chain)).collect();
    found
        .help("`lbd lint --fix` puts the certificates of the file in order; a key in it stays where it is")
        .fix_with(Fix { safe: true, files, ..Fix::default() })
}

fn server_config(
    store: &mut Store,
    shown: &[Shown],
    tls: &ListenerTls,
    protocols: &[Protocol],
    clients: Option<(Arc<Authorities>, bool)>,
) -> Arc<ServerConfig> {
    let clients_key = clients.as_ref().map(|(authorities, required)| (authorities.hash, *required));
    let key = ListenerKey {
        identities: shown
            .iter()
            .map(|one| (one.identity.hash, one.staple.as_ref().map(Staple::hash)))
            .collect(),
        only_tls13: tls.min_version == TlsVersion::V1_3,
        reject_unknown: tls.unknown_sni == UnknownSni::Reject,
        clients: clients_key,
        protocols: protocols.to_vec(),
    };
    if let Some(config) = store.listeners.get(&key) {
        if let Some(clients) = &clients_key {
            store.tickets().of(Some(*clients));
        }
        return config;
    }
    let builder = ServerConfig::builder_with_provider(store.provider.clone())
        .with_protocol_versions(versions(tls.min_version))
        .expect("the provider has suites for both versions");
    let builder = match &clients {
        None => builder.with_no_client_auth(),
        Some((authorities, required)) => {
            builder.with_client_cert_verifier(client_verifier(store, authorities, *required))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Resolver::new(shown, tls.unknown_sni)));
    config.ticketer = store.tickets().of(clients_key);
    config.alpn_protocols = protocols.iter().map(|protocol| alpn(*protocol).to_vec()).collect();
    store.listeners.insert(key, Arc::new(config))
}

/// Whom clients may be. One that shows a certificate of somebody else is refused, required or not.
fn client_verifier(
    store: &Store,
    authorities: &Authorities,
    required: bool,
) -> Arc<dyn rustls::server::danger::ClientCertVerifier> {
    let roots = Arc::new(authorities.roots.clone());
    let builder = WebPkiClientVerifier::builder_with_provider(roots, store.provider.clone());
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().expect("a bundle has a root, and there are no revocation lists to be wrong")
}

/// The name of a protocol in a handshake.
fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http1 => b"http/1.1",
        Protocol::Http2 => b"h2",
    }
}

/// The versions from `least` on.
pub(super) fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_1_2: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match least {
        TlsVersion::V1_2 => &FROM_1_2,
        TlsVersion::V1_3 => &FROM_1_2[..1],
    }
}

pub(super) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

pub(super) fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "an unknown date".into(), |time| time.strftime("%Y-%m-%d").to_string())
}
