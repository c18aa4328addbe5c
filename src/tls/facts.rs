//! What operators want to know of the certificates in use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::Store;
use super::identity::Identity;
use super::sites_on;
use crate::config::model::Model;

/// One certificate, as a generation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The name of its file without the ending: what people call it.
    pub name: String,
    /// Its file.
    pub chain: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    /// Where it is shown: `listen/https`, `pool/app`; sorted.
    pub used_by: Vec<String>,
    /// Names that it is for.
    pub names: Vec<String>,
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number, in hexadecimal.
    pub serial: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Sha-256 of the leaf, in hexadecimal.
    pub fingerprint: String,
    /// How many certificates are in the chain.
    pub chain_length: usize,
}

/// The certificates that `model` names, as this round of `store` read them, by name.
pub(super) fn of(store: &Store, model: &Model) -> Arc<[CertificateFacts]> {
    let mut used: BTreeMap<(&Path, &Path), BTreeSet<String>> = BTreeMap::new();
    let mut all = Vec::new();
    for listener in &model.listeners {
        let Some(tls) = &listener.tls else { continue };
        let sites = sites_on(model, &listener.name);
        let certificates =
            tls.certificates.iter().chain(sites.into_iter().flat_map(|site| &site.certificates));
        all.extend(certificates.map(|one| (one, format!("listen/{}", listener.name))));
    }
    for pool in model.pools.values() {
        let shown = pool.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        all.extend(shown.map(|one| (one, format!("pool/{}", pool.name))));
    }
    for (certificate, by) in all {
        used.entry((&certificate.chain, &certificate.key)).or_default().insert(by);
    }
    let facts = used.into_iter().filter_map(|((chain, key), used_by)| {
        let identity = store.in_use(chain, key)?;
        facts(chain, key, used_by.into_iter().collect(), &identity)
    });
    let mut facts: Vec<CertificateFacts> = facts.collect();
    facts.sort_by(|a, b| (&a.name, &a.chain).cmp(&(&b.name, &b.chain)));
    facts.into()
}

fn facts(chain: &Path, key: &Path, used_by: Vec<String>, identity: &Identity) -> Option<CertificateFacts> {
    let leaf = identity.certified.cert.first()?;
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    Some(CertificateFacts {
        name: chain.file_stem().unwrap_or(chain.as_os_str()).to_string_lossy().into_owned(),
        chain: chain.to_owned(),
        key: key.to_owned(),
        used_by,
        names: identity.names.clone(),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: certificate.raw_serial_as_string(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: identity.not_after,
        fingerprint: data_encoding::HEXLOWER.encode(&Sha256::digest(leaf)),
        chain_length: identity.certified.cert.len(),
    })
}
