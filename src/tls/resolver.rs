//! Which identity a client is shown: exact name, then wildcard, then the first one or nobody.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::Identity;
use crate::config::model::UnknownSni;

/// Identities by name. Of several for one name (RSA and ECDSA), the first that the client can verify.
#[derive(Debug)]
pub(super) struct Resolver {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// Empty when unknown names, and clients that say none, are refused.
    fallback: Vec<Arc<CertifiedKey>>,
}

impl Resolver {
    /// A resolver of `identities`, in the order in which they were written.
    pub(super) fn new(identities: &[Arc<Identity>], unknown: UnknownSni) -> Self {
        let mut resolver = Self { exact: HashMap::new(), wildcard: HashMap::new(), fallback: Vec::new() };
        for identity in identities {
            for name in &identity.names {
                let entry = match name.strip_prefix("*.") {
                    Some(suffix) => resolver.wildcard.entry(suffix.to_owned()),
                    None => resolver.exact.entry(name.clone()),
                };
                entry.or_default().push(identity.certified.clone());
            }
        }
        if let (UnknownSni::Fallback, Some(first)) = (unknown, identities.first()) {
            let twins = identities.iter().skip(1).filter(|other| other.names == first.names);
            resolver.fallback.extend([first].into_iter().chain(twins).map(|i| i.certified.clone()));
        }
        resolver
    }

    fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let suffix = name.split_once('.').map(|(_, suffix)| suffix);
            self.exact.get(&name).or_else(|| self.wildcard.get(suffix?))
        });
        named.unwrap_or(&self.fallback)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.candidates(hello.server_name());
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        candidates.iter().find(usable).or_else(|| candidates.first()).cloned()
    }
}
