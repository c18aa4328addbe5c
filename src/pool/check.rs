//! What a pool's check asks of a server: plain values that compile makes and the checkers read.
//!
//! Two equal specs are one check: across a reload its counts and its next time go on undisturbed.

use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;

/// A check definition.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckSpec {
    /// What is asked.
    pub probe: ProbeKind,
    /// Between checks of a server that is up.
    pub interval: Duration,
    /// Between checks of one that is not.
    pub down_interval: Duration,
    /// For the whole check.
    pub timeout: Duration,
    /// Good checks in a row to come up.
    pub rise: u32,
    /// Bad checks in a row to go down.
    pub fall: u32,
    /// Spread of the interval: 0.1 is ±10 %.
    pub jitter: f64,
    /// Port, when not the server's; a server's own `health_port` goes before it.
    pub port: Option<u16>,
    /// Whether a new server starts up, before its first check.
    pub initial_up: bool,
    /// Speak TLS.
    pub tls: Option<TlsToServer>,
    /// Sent ahead of everything, on the port of traffic: a PROXY header that names nobody.
    pub greeting: Option<&'static [u8]>,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeKind {
    /// A connect (and a handshake, with TLS).
    Tcp,
    /// A request.
    Http(HttpProbe),
    /// `grpc.health.v1.Health/Check`.
    Grpc(GrpcProbe),
    /// A WebSocket handshake.
    WebSocket(WebSocketProbe),
}

/// A gRPC check.
#[derive(Debug, Clone, PartialEq)]
pub struct GrpcProbe {
    /// The service asked for; empty is the server as a whole.
    pub service: Arc<str>,
    /// `:authority`, when not the server's host and port.
    pub host: Option<Arc<str>>,
    /// More fields.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
}

/// A WebSocket check.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSocketProbe {
    /// Path and query.
    pub path: Arc<str>,
    /// `Host`, when not the server's host and port.
    pub host: Option<Arc<str>>,
    /// More fields.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
}

/// An HTTP check.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpProbe {
    /// `GET` or `HEAD`.
    pub method: Arc<str>,
    /// Path and query.
    pub path: Arc<str>,
    /// `Host`, when not the server's host and port.
    pub host: Option<Arc<str>>,
    /// More fields.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Good statuses.
    pub status: Statuses,
    /// What the first 64 KiB of the body must say.
    pub body: Option<BodyMatch>,
    /// Statuses that mean: no new clients, please. They go before `status`.
    pub drain_status: Option<Statuses>,
    /// Which version of HTTP is spoken, as traffic does.
    pub version: ProbeVersion,
}

/// A set of statuses, as inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<(u16, u16)>);

impl Statuses {
    /// Just this one.
    pub fn one(status: u16) -> Self {
        Self(vec![(status, status)])
    }

    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&status))
    }
}

/// How a body is compared.
#[derive(Debug, Clone)]
pub enum BodyMatch {
    /// It contains this.
    Contains(String),
    /// It starts so.
    Prefix(String),
    /// It matches this.
    Regex(Regex),
}

impl BodyMatch {
    /// Whether a body passes.
    pub fn is_match(&self, body: &[u8]) -> bool {
        match self {
            Self::Contains(text) => memchr::memmem::find(body, text.as_bytes()).is_some(),
            Self::Prefix(text) => body.starts_with(text.as_bytes()),
            Self::Regex(regex) => regex.is_match(body),
        }
    }
}

impl PartialEq for BodyMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Contains(a), Self::Contains(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

/// Which version of HTTP a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProbeVersion {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 and nothing else.
    Http2,
    /// Over TLS what the server prefers, else HTTP/1.1.
    Auto,
}

impl ProbeVersion {
    /// What is offered over TLS.
    pub fn offers(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
            Self::Auto => &[b"h2", b"http/1.1"],
        }
    }
}

/// TLS towards a server. It stands here because both traffic and checks need it.
#[derive(Debug, Clone)]
pub struct TlsToServer {
    /// Trust, versions, session cache.
    pub config: Arc<rustls::ClientConfig>,
    /// The name to ask for and to verify, when not the server's host.
    pub server_name: Option<Arc<str>>,
}

impl TlsToServer {
    /// The name to ask a server at `host` for; `None` when it is neither a name nor an address.
    pub fn name_for(&self, host: &str) -> Option<rustls_pki_types::ServerName<'static>> {
        let name = self.server_name.as_deref().unwrap_or(host);
        rustls_pki_types::ServerName::try_from(name.to_owned()).ok()
    }
}

/// The same config (kept by its maker while its files are unchanged) and the same name.
impl PartialEq for TlsToServer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.server_name == other.server_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let check = |body: &BodyMatch, text: &str, expected: bool| {
            assert_eq!(body.is_match(text.as_bytes()), expected, "{body:?} on {text:?}");
        };
        check(&BodyMatch::Contains("OK".into()), "all OK here", true);
        check(&BodyMatch::Contains("OK".into()), "ok", false);
        check(&BodyMatch::Prefix("OK".into()), "OK then", true);
        check(&BodyMatch::Prefix("OK".into()), "not OK", false);
        check(&BodyMatch::Regex(Regex::new("^(up|ready)$").unwrap()), "ready", true);
        check(&BodyMatch::Regex(Regex::new("^(up|ready)$").unwrap()), "ready?", false);
    }

    #[test]
    fn specs_with_the_same_regex_are_equal() {
        let a = BodyMatch::Regex(Regex::new("a+").unwrap());
        assert_eq!(a, BodyMatch::Regex(Regex::new("a+").unwrap()));
        assert_ne!(a, BodyMatch::Regex(Regex::new("b+").unwrap()));
        assert_ne!(BodyMatch::Contains("a".into()), BodyMatch::Prefix("a".into()));
    }

    #[test]
    fn statuses() {
        let set = Statuses(vec![(200, 204), (404, 404)]);
        for (status, expected) in [(199, false), (200, true), (204, true), (205, false), (404, true)] {
            assert_eq!(set.contains(status), expected, "{status}");
        }
    }
}
