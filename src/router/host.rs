//! Which site a host belongs to: the exact one, else the longest `*.suffix`, else the default.

use super::table::{Table, short};

/// No name in DNS is longer; longer ones belong to the default site. Bounds the work per request.
const MAX_HOST: usize = 255;

/// "Parents" in the table.
const EXACT: u32 = 0;
const SUFFIX: u32 = 1;

/// Sites by host. Blind to ASCII case.
#[derive(Debug, Clone)]
pub struct HostRouter<S> {
    table: Table,
    /// Whether any host is a `*.suffix`.
    suffixes: bool,
    sites: Vec<S>,
    default: Option<S>,
}

impl<S> HostRouter<S> {
    /// Builds from hosts (`shop.example.com`, `*.example.com`, `[::1]`) and what they mean. Of two sites
    /// that claim one host the first stays; the configuration refuses that earlier.
    pub fn build(sites: Vec<(Vec<String>, S)>, default: Option<S>) -> Self {
        let mut table = Table::new(true);
        let mut values = Vec::with_capacity(sites.len());
        let mut suffixes = false;
        for (hosts, site) in sites {
            for host in &hosts {
                let (parent, name) = match host.strip_prefix("*.") {
                    Some(suffix) => (SUFFIX, suffix),
                    None => (EXACT, host.as_str()),
                };
                suffixes |= parent == SUFFIX;
                if table.get(parent, name.as_bytes()).is_none() {
                    table.insert(parent, name.as_bytes(), short(values.len()));
                }
            }
            values.push(site);
        }
        HostRouter { table, suffixes, sites: values, default }
    }

    /// The site of a host as received: in any case, with or without port and trailing dot. A site owns
    /// its hosts: when none of its routes matches, the default site is not asked.
    pub fn find(&self, host: &[u8]) -> Option<&S> {
        if self.sites.is_empty() {
            return self.default.as_ref();
        }
        let name = name(host);
        let found = (name.len() <= MAX_HOST).then(|| self.site(name)).flatten();
        found.or(self.default.as_ref())
    }

    /// Every site, the default one last.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.sites.iter().chain(&self.default)
    }

    fn site(&self, name: &[u8]) -> Option<&S> {
        let exact = self.table.get(EXACT, name);
        let number = exact.or_else(|| {
            if !self.suffixes {
                return None;
            }
            // `*.a.b` takes at least one label, so `.a.b` is none of its hosts.
            let mut dots = memchr::memchr_iter(b'.', name).skip_while(|at| *at == 0);
            dots.find_map(|at| self.table.get(SUFFIX, &name[at + 1..]))
        });
        self.sites.get(number? as usize)
    }
}

/// The host without its port and trailing dot.
fn name(host: &[u8]) -> &[u8] {
    let name = match memchr::memrchr(b':', host) {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => {
            // Within brackets the colon belongs to an IPv6 address.
            let unclosed = host.first() == Some(&b'[') && host[..colon].last() != Some(&b']');
            if unclosed { host } else { &host[..colon] }
        }
        _ => host,
    };
    name.strip_suffix(b".").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn router() -> HostRouter<&'static str> {
        let sites = [
            (vec!["shop.example.com", "www.shop.example.com"], "shop"),
            (vec!["*.example.com"], "wild"),
            (vec!["*.tenant.example.com"], "tenants"),
            (vec!["[::1]"], "six"),
            (vec!["shop.example.com"], "late"),
        ];
        let owned = sites.map(|(hosts, site)| (hosts.into_iter().map(str::to_owned).collect(), site));
        HostRouter::build(owned.into(), Some("default"))
    }

    #[test]
    fn exact_beats_the_longest_suffix_beats_the_default() {
        for (host, site) in [
            ("shop.example.com", "shop"),
            ("SHOP.Example.COM", "shop"),
            ("shop.example.com:8443", "shop"),
            ("shop.example.com.", "shop"),
            ("www.shop.example.com.:443", "shop"),
            ("shop.example.com:", "shop"),
            ("a.shop.example.com", "wild"),
            ("a.tenant.example.com", "tenants"),
            ("a.b.Tenant.example.com:80", "tenants"),
            ("tenant.example.com", "wild"),
            ("example.com", "default"),
            (".example.com", "default"),
            ("example.com.evil.org", "default"),
            ("shop.example.com:80x", "default"),
            ("[::1]", "six"),
            ("[::1]:8080", "six"),
            ("[::2]", "default"),
            ("10.0.0.1:80", "default"),
            ("", "default"),
        ] {
            assert_eq!(router().find(host.as_bytes()), Some(&site), "{host}");
        }
    }

    #[test]
    fn a_host_that_cannot_be_a_name_costs_little() {
        let host = "a.".repeat(30_000) + "example.com";
        assert_eq!(router().find(host.as_bytes()), Some(&"default"));
    }

    #[test]
    fn without_a_default_an_unknown_host_has_no_site() {
        let router = HostRouter::build(vec![(vec!["a".to_owned()], 1)], None);
        assert_eq!((router.find(b"a:1"), router.find(b"b")), (Some(&1), None));
    }

    proptest! {
        #[test]
        fn arbitrary_hosts_never_panic(host in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(router().find(&host).is_some());
        }
    }
}
