//! What a TLS listener shows its clients, and what is wrong with the files it should show.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::{ServerConfig, SupportedProtocolVersion, version};

use super::identity::{ContentHash, Identity, Problem};
use super::resolver::Resolver;
use super::{Stage, Store};
use crate::config::diagnostic::{Diagnostic, Report, Severity};
use crate::config::model::{Certificate, Listener, ListenerTls, Protocol, Site, TlsVersion, UnknownSni};

/// A certificate that expires within this many days gets a warning.
const WARN_DAYS: i64 = 30;
const DAY: i64 = 24 * 60 * 60;

/// All that a [`ServerConfig`] is made from: equal keys share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ListenerKey {
    identities: Vec<ContentHash>,
    only_tls13: bool,
    reject_unknown: bool,
    protocols: Vec<Protocol>,
}

/// The server side of `listener`, with the certificates of its own `tls` node first and those of
/// `sites` after them. `None` when the listener is plain, or when `report` got an error.
pub fn listener_config(
    store: &mut Store,
    listener: &Listener,
    sites: &[&Site],
    stage: Stage,
    report: &mut Report,
) -> Option<Arc<ServerConfig>> {
    let tls = listener.tls.as_ref()?;
    let subject = format!("listen/{}", listener.name);
    let written: Vec<&Certificate> =
        tls.certificates.iter().chain(sites.iter().flat_map(|site| &site.certificates)).collect();
    if written.is_empty() {
        report.push(
            Diagnostic::error("LB610", tls.span, format!("listener `{}` has no certificate", listener.name))
                .label("no certificate for any name")
                .help("add `certificate \"FILE\"` with a PEM chain and its key here, or in a site on this listener")
                .subject(subject),
        );
        return None;
    }
    let mut identities: Vec<Arc<Identity>> = Vec::with_capacity(written.len());
    let mut complete = true;
    for certificate in written {
        match identity(store, certificate, stage, &subject, report) {
            Some(known) if identities.iter().any(|other| other.hash == known.hash) => {}
            Some(identity) => identities.push(identity),
            None => complete = false,
        }
    }
    complete.then(|| server_config(store, &identities, tls, &listener.protocols))
}

/// The identity that `certificate` names: what its files hold, or what they held when they were good.
fn identity(
    store: &mut Store,
    certificate: &Certificate,
    stage: Stage,
    subject: &str,
    report: &mut Report,
) -> Option<Arc<Identity>> {
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
            let dates = check_dates(certificate, new.not_after, now, stage, subject);
            let refused = dates.as_ref().is_some_and(|finding| finding.severity == Severity::Error);
            report.findings.extend(dates);
            if refused {
                return None;
            }
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

fn check_dates(
    certificate: &Certificate,
    not_after: i64,
    now: i64,
    stage: Stage,
    subject: &str,
) -> Option<Diagnostic> {
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
    let problem = Problem {
        code: "LB603",
        message: format!("certificate `{file}` expires {when} ({})", date(not_after)),
        help: "renew it; lbd takes the new file as soon as it is written".into(),
    };
    (days < WARN_DAYS).then(|| finding(problem, Severity::Warning, certificate, subject))
}

fn expired(certificate: &Certificate, not_after: i64) -> Problem {
    Problem {
        code: "LB603",
        message: format!("certificate `{}` expired on {}", certificate.chain.display(), date(not_after)),
        help: "clients refuse it; put a renewed certificate into the file".into(),
    }
}

fn kept(problem: Problem, certificate: &Certificate, subject: &str) -> Diagnostic {
    finding(problem, Severity::Warning, certificate, subject)
        .help("until then clients are shown the certificate that was there before")
}

fn finding(problem: Problem, severity: Severity, certificate: &Certificate, subject: &str) -> Diagnostic {
    Diagnostic::new(problem.code, severity, Some(certificate.span), problem.message)
        .help(problem.help)
        .subject(subject)
}

fn server_config(
    store: &mut Store,
    identities: &[Arc<Identity>],
    tls: &ListenerTls,
    protocols: &[Protocol],
) -> Arc<ServerConfig> {
    let key = ListenerKey {
        identities: identities.iter().map(|identity| identity.hash).collect(),
        only_tls13: tls.min_version == TlsVersion::V1_3,
        reject_unknown: tls.unknown_sni == UnknownSni::Reject,
        protocols: protocols.to_vec(),
    };
    if let Some(config) = store.listeners.get(&key) {
        return config;
    }
    let mut config = ServerConfig::builder_with_provider(store.provider.clone())
        .with_protocol_versions(versions(tls.min_version))
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver::new(identities, tls.unknown_sni)));
    config.ticketer = store.ticketer.clone();
    config.alpn_protocols = protocols.iter().map(|protocol| alpn(*protocol).to_vec()).collect();
    store.listeners.insert(key, Arc::new(config))
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

fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "an unknown date".into(), |time| time.strftime("%Y-%m-%d").to_string())
}
