//! A request for tests of the router, from simple lists.

use std::net::{IpAddr, Ipv4Addr};

use super::{Facts, NormalPath, PathOptions, Pattern, PatternKind};

/// What a test says about its request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) cookies: Vec<(&'static str, &'static str)>,
    pub(super) query: Option<&'static str>,
    pub(super) client: IpAddr,
    pub(super) websocket: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            method: "GET",
            headers: Vec::new(),
            cookies: Vec::new(),
            query: None,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            websocket: false,
        }
    }
}

impl Facts for Asked {
    fn method(&self) -> &str {
        self.method
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.headers.iter().any(|(sent, value)| *sent == name && test(value.as_bytes()))
    }

    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.cookies.iter().any(|(sent, value)| *sent == name && test(value.as_bytes()))
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.map(str::as_bytes)
    }

    fn client_ip(&self) -> IpAddr {
        self.client
    }

    fn is_websocket(&self) -> bool {
        self.websocket
    }
}

/// A pattern as KDL would write it: `(exact)/a`, `(regex)^/a`, `(starts-with)/a`, `/a`.
pub(super) fn pattern(written: &str) -> Pattern {
    let kinds = [
        ("(exact)", PatternKind::Exact),
        ("(regex)", PatternKind::Regex),
        ("(starts-with)", PatternKind::StartsWith),
        ("", PatternKind::Prefix),
    ];
    let found = kinds.iter().find_map(|(mark, kind)| Some((*kind, written.strip_prefix(mark)?)));
    let (kind, text) = found.unwrap();
    Pattern::parse(kind, text).unwrap()
}

/// A path that is none of those refused.
pub(super) fn path(text: &str, options: PathOptions) -> NormalPath<'_> {
    NormalPath::parse(text.as_bytes(), options).unwrap()
}
