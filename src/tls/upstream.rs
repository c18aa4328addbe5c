//! Which certificates of servers are believed: those of a `ca=` bundle, or of the system.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

use super::Store;
use super::identity::{ContentHash, Problem};
use super::listener::{About, identity, versions};
use super::pem::Pem;
use super::verifier::ServerVerifier;
use crate::config::diagnostic::{Diagnostic, Report, Severity, Span};
use crate::config::model::{TlsVersion, UpstreamTls, Verify};

/// Server names, or addresses, whose sessions one configuration remembers.
const SESSIONS: usize = 1024;

/// Whom to trust: as servers, or as clients.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) hash: ContentHash,
    pub(super) roots: RootCertStore,
    /// The certificates of a `ca=` bundle as they stand: a server may show one of them itself, which
    /// is how self-signed certificates are trusted. Empty for the system's.
    pub(super) pinned: Vec<CertificateDer<'static>>,
}

/// All that a [`ClientConfig`] is made from: equal keys share one, and its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    authorities: Option<ContentHash>,
    shown: Option<ContentHash>,
    names: bool,
    only_tls13: bool,
}

/// The client side towards the servers of one pool. Equal settings give the same `Arc`, so sessions
/// are resumed over reloads and between pools. `None` when `report` got an error.
pub fn upstream(
    store: &mut Store,
    tls: &UpstreamTls,
    about: About<'_>,
    report: &mut Report,
) -> Option<Arc<ClientConfig>> {
    let authorities = match (tls.verify, &tls.ca) {
        (Verify::None, _) => None,
        (_, Some(path)) => Some(bundle(store, path, tls.span, report)?),
        (_, None) => Some(system(store, tls, report)?),
    };
    let shown = match &tls.certificate {
        None => None,
        Some(certificate) => Some(identity(store, certificate, about, report)?),
    };
    let key = ClientKey {
        authorities: authorities.as_ref().map(|a| a.hash),
        shown: shown.as_ref().map(|identity| identity.hash),
        names: tls.verify == Verify::Full,
        only_tls13: tls.min_version == TlsVersion::V1_3,
    };
    if let Some(config) = store.clients.get(&key) {
        return Some(config);
    }
    let verifier = ServerVerifier::new(authorities, key.names, &store.provider);
    let builder = ClientConfig::builder_with_provider(store.provider.clone())
        .with_protocol_versions(versions(tls.min_version))
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified.clone())))
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Some(store.clients.insert(key, Arc::new(config)))
}

/// A bundle of authorities: as it is, or as it was when it was good.
pub(super) fn bundle(
    store: &mut Store,
    path: &Path,
    span: Span,
    report: &mut Report,
) -> Option<Arc<Authorities>> {
    let finding = |severity, problem: Problem| {
        Diagnostic::new(problem.code, severity, Some(span), problem.message).help(problem.help)
    };
    let chosen = match (read_bundle(store, path), store.bundles.good.get(path).cloned()) {
        (Ok(new), _) => new,
        (Err(problem), Some(old)) => {
            report.push(
                finding(Severity::Warning, problem)
                    .help("until then the bundle that was there before is trusted"),
            );
            old
        }
        (Err(problem), None) => {
            report.push(finding(Severity::Error, problem));
            return None;
        }
    };
    store.bundles.now.insert(path.to_owned(), chosen.clone());
    Some(store.authorities.insert(chosen.hash, chosen))
}

fn read_bundle(store: &mut Store, path: &Path) -> Result<Arc<Authorities>, Problem> {
    let bytes = std::fs::read(path).map_err(|error| Problem::unreadable("CA file", path, &error))?;
    let hash: ContentHash = Sha256::digest(&bytes).into();
    if let Some(known) = store.authorities.get(&hash) {
        return Ok(known);
    }
    let pinned = Pem::parse(&bytes).map_err(|error| Problem::not_pem("CA file", path, &error))?.certificates;
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(pinned.iter().cloned());
    if usable == 0 {
        return Err(Problem::unusable(
            format!("no usable certificate is in CA file `{}`", path.display()),
            "name a PEM file with certificates: of the authorities that signed what is shown to lbd, \
             or (`ca=`) the servers' own",
        ));
    }
    Ok(Arc::new(Authorities { hash, roots, pinned }))
}

/// The system's roots, read once in a round.
fn system(store: &mut Store, tls: &UpstreamTls, report: &mut Report) -> Option<Arc<Authorities>> {
    if let Some(known) = &store.system {
        return Some(known.clone());
    }
    let found = rustls_native_certs::load_native_certs().certs;
    let mut hash = Sha256::new();
    found.iter().for_each(|certificate| hash.update(certificate));
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found);
    if usable == 0 {
        report.push(
            Diagnostic::error("LB601", tls.span, "the system has no trusted certificate authorities")
                .help("install the package `ca-certificates`, or name a bundle with `ca=`"),
        );
        return None;
    }
    let authorities = Arc::new(Authorities { hash: hash.finalize().into(), roots, pinned: Vec::new() });
    store.system = Some(authorities.clone());
    Some(authorities)
}
