//! What the router and the pools may ask of a request: a view over its head.

use std::net::IpAddr;

use super::head::RequestHead;
use crate::pool::sticky::any_param;
use crate::pool::{Affinity, HashKey, balance};
use crate::router::Facts;

/// A request, as rules and stickiness see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestFacts<'a> {
    /// Its head.
    pub(crate) head: &'a RequestHead,
    /// The client, behind trusted hops.
    pub(crate) client_ip: IpAddr,
}

impl Facts for RequestFacts<'_> {
    fn method(&self) -> &str {
        self.head.method()
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.head.any(name, test)
    }

    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.head.any_cookie(name, test)
    }

    fn query(&self) -> Option<&[u8]> {
        self.head.query()
    }

    fn client_ip(&self) -> IpAddr {
        self.client_ip
    }

    fn is_websocket(&self) -> bool {
        self.head.is_websocket()
    }
}

impl Affinity for RequestFacts<'_> {
    fn opens_session(&self) -> bool {
        self.head.is_websocket()
    }

    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.head.any_cookie(name, test)
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.head.any(name, test)
    }

    fn any_param(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        any_param(self.head.target(), name.as_bytes(), test)
    }

    fn hash_key(&self, key: &HashKey) -> u64 {
        let mut digest = None;
        let mut take = |value: &[u8]| {
            digest = Some(balance::hash(value));
            true
        };
        let found = match key {
            HashKey::SourceIp => false,
            HashKey::Header(name) => self.head.any(name, &mut take),
            HashKey::Cookie(name) => self.head.any_cookie(name, &mut take),
            HashKey::Query(name) => query_value(self.head.query(), name.as_bytes()).is_some_and(&mut take),
            HashKey::Path => take(self.head.path()),
            HashKey::Host => self.head.host().is_some_and(take),
        };
        // A request without the key would otherwise always land on one server.
        if found && let Some(digest) = digest { digest } else { hash_ip(self.client_ip) }
    }
}

/// The hash of an address.
pub(crate) fn hash_ip(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => balance::hash(&ip.octets()),
        IpAddr::V6(ip) => balance::hash(&ip.octets()),
    }
}

/// The first value of a query parameter, as sent.
pub(crate) fn query_value<'q>(query: Option<&'q [u8]>, name: &[u8]) -> Option<&'q [u8]> {
    query?.split(|&b| b == b'&').find_map(|pair| {
        let rest = pair.strip_prefix(name)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"=") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_parameter_is_found_by_its_whole_name() {
        let query = Some(&b"aa=1&a=2&b&a=3"[..]);
        assert_eq!(query_value(query, b"a"), Some(&b"2"[..]));
        assert_eq!(query_value(query, b"b"), Some(&b""[..]));
        assert_eq!(query_value(query, b"c"), None);
        assert_eq!(query_value(None, b"a"), None);
    }
}
