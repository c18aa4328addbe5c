//! Which identity a client is shown: exact name, then wildcard, then the first one or nobody. With it goes the
//! authority's answer about it, as long as that is valid.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::Identity;
use super::listener::unix_now;
use super::staple::Staple;
use crate::config::model::UnknownSni;

/// An identity with the authority's answer about it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) identity: Arc<Identity>,
    pub(super) staple: Option<Staple>,
}

/// Identities by name. Of several for one name (RSA and ECDSA), the first that the client can verify.
#[derive(Debug)]
pub(super) struct Resolver {
    exact: HashMap<String, Vec<Candidate>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<Candidate>>,
    /// Empty when unknown names, and clients that say none, are refused.
    fallback: Vec<Candidate>,
}

impl Resolver {
    /// A resolver of `all`, in the order in which they were written.
    pub(super) fn new(all: &[Shown], unknown: UnknownSni) -> Self {
        let mut resolver = Self { exact: HashMap::new(), wildcard: HashMap::new(), fallback: Vec::new() };
        let first = all.first().map(|shown| &shown.identity.names);
        for (at, shown) in all.iter().enumerate() {
            let candidate = Candidate::new(shown);
            let names = &shown.identity.names;
            for name in names {
                let entry = match name.strip_prefix("*.") {
                    Some(suffix) => resolver.wildcard.entry(suffix.to_owned()),
                    None => resolver.exact.entry(name.clone()),
                };
                entry.or_default().push(candidate.clone());
            }
            if unknown == UnknownSni::Fallback && (at == 0 || first == Some(names)) {
                resolver.fallback.push(candidate);
            }
        }
        resolver
    }

    fn candidates(&self, name: Option<&str>) -> &[Candidate] {
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
        let usable = |one: &&Candidate| one.plain.key.choose_scheme(hello.signature_schemes()).is_some();
        candidates.iter().find(usable).or_else(|| candidates.first()).map(Candidate::at_present)
    }
}

/// An identity, with and without the authority's answer.
#[derive(Debug, Clone)]
struct Candidate {
    plain: Arc<CertifiedKey>,
    /// With the end of its time.
    stapled: Option<(Arc<CertifiedKey>, i64)>,
}

impl Candidate {
    fn new(shown: &Shown) -> Self {
        let plain = shown.identity.certified.clone();
        let stapled = shown.staple.as_ref().map(|staple| {
            let ocsp = Some(staple.bytes.clone());
            (Arc::new(CertifiedKey { ocsp, ..CertifiedKey::clone(&plain) }), staple.until)
        });
        Self { plain, stapled }
    }

    /// An answer that is out of date is worse than none: clients that find one refuse the handshake.
    fn at_present(&self) -> Arc<CertifiedKey> {
        match &self.stapled {
            Some((stapled, until)) if unix_now() < *until => stapled.clone(),
            _ => self.plain.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Pair;
    use super::*;

    #[test]
    fn an_answer_is_shown_until_its_time_is_over() {
        let made = rcgen::generate_simple_self_signed(["site.test".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let path = std::path::Path::new("site.pem");
        let pair = Pair { chain_path: path, chain: chain.as_bytes(), key_path: path, key: key.as_bytes() };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let identity = Arc::new(pair.identity(&provider).unwrap());
        for (until, expected) in [(unix_now() + 600, Some(vec![1, 2])), (unix_now(), None)] {
            let staple = Some(Staple { bytes: vec![1, 2], until });
            let shown = Shown { identity: identity.clone(), staple };
            let resolver = Resolver::new(&[shown], UnknownSni::Reject);
            assert_eq!(resolver.candidates(Some("site.test"))[0].at_present().ocsp, expected);
        }
    }
}
