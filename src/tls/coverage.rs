//! Which names of a listener may share a connection: those that the certificate shown on it is for.

use std::collections::HashMap;
use std::sync::Arc;

use super::identity::Identity;
use super::{Store, sites_on};
use crate::config::model::{Listener, Model};

/// The certificates of a listener by name, each by its place among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    exact: HashMap<String, Vec<usize>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<usize>>,
    /// Those with the names of the first, which is shown where no name fits.
    fallback: Vec<usize>,
}

impl Coverage {
    /// Of `listener`, as this round of `store` read its certificates.
    pub(super) fn of(store: &Store, model: &Model, listener: &Listener) -> Option<Self> {
        let tls = listener.tls.as_ref()?;
        let sites = sites_on(model, &listener.name);
        let written = tls.certificates.iter().chain(sites.into_iter().flat_map(|site| &site.certificates));
        let identities: Vec<Arc<Identity>> =
            written.filter_map(|one| store.in_use(&one.chain, &one.key)).collect();
        let names: Vec<&[String]> = identities.iter().map(|identity| &identity.names[..]).collect();
        Some(Self::new(&names))
    }

    /// Of certificates with these names, in the order in which they were written.
    fn new(certificates: &[&[String]]) -> Self {
        let mut coverage = Self::default();
        for (index, names) in certificates.iter().enumerate() {
            for name in *names {
                let entry = match name.strip_prefix("*.") {
                    Some(suffix) => coverage.wildcard.entry(suffix.to_owned()),
                    None => coverage.exact.entry(name.clone()),
                };
                entry.or_default().push(index);
            }
            if certificates.first() == Some(names) {
                coverage.fallback.push(index);
            }
        }
        coverage
    }

    /// Whether a connection that was opened for `opened` may carry requests for `host`. A host that no certificate
    /// is for may come by any: a new connection would show nothing better.
    pub fn may_share(&self, opened: &str, host: &[u8]) -> bool {
        let Some(host) = std::str::from_utf8(host).ok().map(bare) else { return true };
        if host.eq_ignore_ascii_case(bare(opened)) {
            return true;
        }
        let (exact, wildcard) = self.named(host);
        if exact.is_empty() && wildcard.is_empty() {
            return true;
        }
        let shown = match self.named(bare(opened)) {
            ([], []) => &self.fallback,
            ([], wildcard) => wildcard,
            (exact, _) => exact,
        };
        shown.iter().any(|index| exact.contains(index) || wildcard.contains(index))
    }

    /// The certificates that are for a name: by the name itself, and by a wildcard.
    fn named(&self, name: &str) -> (&[usize], &[usize]) {
        let name = name.to_ascii_lowercase();
        let suffix = name.split_once('.').map(|(_, suffix)| suffix);
        let exact = self.exact.get(&name).map_or(&[][..], Vec::as_slice);
        let wildcard = suffix.and_then(|suffix| self.wildcard.get(suffix)).map_or(&[][..], Vec::as_slice);
        (exact, wildcard)
    }
}

/// Without the dot that ends an absolute name.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_share_a_connection_when_they_share_its_certificate() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = [
            names(&["a.test", "b.test"]),
            names(&["a.test", "b.test"]),
            names(&["c.test"]),
            names(&["*.d.test"]),
            names(&["x.d.test"]),
        ];
        let coverage = Coverage::new(&all.each_ref().map(|names| &names[..]));
        let table = [
            ("a.test", "A.test", true),
            ("a.test", "b.test", true),
            ("a.test", "b.test.", true),
            ("a.test", "c.test", false),
            ("c.test", "a.test", false),
            ("v.d.test", "w.d.test", true),
            ("v.d.test", "x.d.test", true),
            ("x.d.test", "v.d.test", false),
            ("a.test", "v.d.test", false),
            ("c.test", "unknown.test", true),
            ("unknown.test", "a.test", true),
            ("unknown.test", "c.test", false),
            ("a.test", "127.0.0.1", true),
            ("a.test", "", true),
        ];
        for (opened, host, expected) in table {
            assert_eq!(coverage.may_share(opened, host.as_bytes()), expected, "{opened} {host}");
        }
        assert!(coverage.may_share("a.test", b"\xff"));
        assert!(Coverage::default().may_share("a.test", b"c.test"));
    }
}
