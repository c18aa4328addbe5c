//! What a configuration *means*: plain, validated, comparable data with every default filled in.
//!
//! No handles, no locks, no KDL. Two equal models behave the same; [`crate::snapshot`] compiles one.

mod pool;
mod process;
mod route_parts;
mod sticky;
mod tcp;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::diagnostic::{Place, Span};
use crate::router::{Conditions, PathOptions, Pattern};

pub use pool::*;
pub use process::*;
pub use route_parts::*;
pub use sticky::*;
pub use tcp::*;

/// A name as written: pool, server, listener, route.
pub type Name = Arc<str>;

/// Everything that one file set says.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Listeners, sorted by name.
    pub listeners: Vec<Listener>,
    /// Sites, sorted by their first host; the default site (top-level routes) has no host and comes last.
    pub sites: Vec<Site>,
    /// Pools by name.
    pub pools: BTreeMap<Name, Pool>,
    /// Pages for errors, the first that fits; sites and routes take them over.
    pub error_pages: Vec<ErrorPage>,
    /// The plain-HTTP endpoint for the balancer above.
    pub status: Option<Status>,
    /// The control sockets.
    pub control: Control,
    /// Logs.
    pub log: Log,
    /// Spans; `None` is none.
    pub trace: Option<Trace>,
    /// How files are watched.
    pub reload: Reload,
    /// How names are asked for.
    pub resolver: Resolver,
    /// What the rules that look at certificates and other files need to know.
    pub lint: LintSettings,
}

/// What `lint` says to rules that run after the model is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintSettings {
    /// A certificate that ends sooner than this is worth a warning.
    pub cert_expiry: Duration,
}

impl Default for LintSettings {
    fn default() -> Self {
        Self { cert_expiry: Duration::from_secs(30 * 24 * 3600) }
    }
}

/// An address to accept on. No `ip` means every interface, IPv4 and IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenAddress {
    /// The interface's address; `None` is every one.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ip {
            None => write!(f, ":{}", self.port),
            Some(ip) => std::net::SocketAddr::new(ip, self.port).fmt(f),
        }
    }
}

/// A `listen` node.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// `name=`, else the address as written.
    pub name: Name,
    /// Where to accept.
    pub address: ListenAddress,
    /// Terminate TLS.
    pub tls: Option<ListenerTls>,
    /// What it speaks, the preferred first: by ALPN with TLS, by the first bytes without.
    pub protocols: Vec<Protocol>,
    /// Answer everything with a redirect to https.
    pub redirect_to_https: Option<RedirectToHttps>,
    /// Connections that are passed on as they are; at most one for each `sni`.
    pub tcp: Vec<TcpRoute>,
    /// Who sends a PROXY header.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Hard caps.
    pub limits: Limits,
    /// Client-side clocks.
    pub timeout: ClientTimeouts,
    /// Whose X-Forwarded-* is believed (the root's and the listener's own).
    pub trust_forwarded: Vec<IpNet>,
    /// Share the port between workers.
    pub reuse_port: bool,
    /// `listen(2)` backlog.
    pub backlog: u32,
    /// Where it was written.
    pub place: Place,
}

/// An HTTP version that a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 and 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// `tls` inside `listen`.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerTls {
    /// Certificates named by the listener; those of its sites are in [`Site::certificates`].
    pub certificates: Vec<Certificate>,
    /// Least protocol version.
    pub min_version: TlsVersion,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// What a name without a certificate gets.
    pub unknown_sni: UnknownSni,
    /// Whose certificates clients show.
    pub client_ca: Option<ClientCa>,
    /// Where it was written.
    pub span: Span,
}

/// `client-ca`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCa {
    /// PEM bundle of the authorities.
    pub file: PathBuf,
    /// Whether a client without a certificate is refused.
    pub required: bool,
    /// Where it was written.
    pub span: Span,
}

/// A TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2
    V1_2,
    /// 1.3
    V1_3,
}

/// What a name without a certificate gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSni {
    /// The first certificate.
    Fallback,
    /// A refused handshake.
    Reject,
}

/// A chain and its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// PEM chain, leaf first.
    pub chain: PathBuf,
    /// PEM key; the chain's file when none was named.
    pub key: PathBuf,
    /// Whether clients are shown the authority's answer that lies beside the chain.
    pub staple: bool,
    /// Where the node was written, for findings about the files.
    pub span: Span,
}

/// `redirect-to-https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectToHttps {
    /// The https port; 443 is not written into the URL.
    pub port: u16,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// `limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open client connections, over all workers; [`Limits::CONNECTIONS`] where the file does not say.
    pub max_connections: Option<u32>,
    /// Open connections from one address; `None` is unlimited.
    pub max_connections_per_ip: Option<u32>,
    /// Bytes of a request head.
    pub header_bytes: u32,
    /// Fields of a request head.
    pub headers: u32,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Bytes a second that a client must send of a body, and take of an answer; `None` is any rate.
    pub min_rate: Option<u64>,
}

impl Limits {
    /// The cap on open client connections where the file does not say.
    pub const CONNECTIONS: u32 = 100_000;
}

/// `timeout` inside `listen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From the first byte of a request to the end of its head.
    pub request_header: Duration,
    /// Between requests.
    pub keep_alive: Duration,
    /// No progress while we write, or while we wait for more of a body.
    pub write: Duration,
}

/// A `site`, or the default site.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Lower-case hosts, exact or `*.suffix`; empty for the default site.
    pub hosts: Vec<Name>,
    /// How paths are compared here.
    pub paths: PathOptions,
    /// Certificates of its own, for every TLS listener that the site is on.
    pub certificates: Vec<Certificate>,
    /// Its routes, in no meaningful order.
    pub routes: Vec<Route>,
    /// Pages for errors of requests that no route takes: the site's, then those of the top level.
    pub error_pages: Vec<ErrorPage>,
    /// Where it was written; the first top-level route for the default site.
    pub place: Place,
}

/// A `route`, with what its site and pool gave it already merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `name=`, else the first pattern.
    pub name: Name,
    /// One of these must match.
    pub patterns: Vec<Pattern>,
    /// One of these must hold; empty means no condition.
    pub matches: Vec<Conditions>,
    /// The last tie-breaker.
    pub priority: i32,
    /// Compare this route's paths in any case: as the route says, else as its site does.
    pub ignore_case: bool,
    /// Names of the listeners it is on; `None` is every one.
    pub on: Option<Vec<Name>>,
    /// What is done.
    pub action: Action,
    /// Edits of the request head: the site's, then the route's.
    pub request_headers: Vec<HeaderEdit>,
    /// Edits of the response head: the site's, then the route's.
    pub response_headers: Vec<HeaderEdit>,
    /// Only these networks; each list must admit the client (site's, route's).
    pub allow_from: Vec<Vec<IpNet>>,
    /// Not these networks.
    pub deny_from: Vec<IpNet>,
    /// Largest request body; `None` is unlimited.
    pub body_limit: Option<u64>,
    /// Server-side clocks: the route's, else the pool's, else the defaults.
    pub timeout: Timeouts,
    /// When another server is tried.
    pub retry: Retry,
    /// What is changed before it is forwarded.
    pub rewrite: Option<Rewrite>,
    /// All must have a token; the site's and the route's, sorted by name.
    pub rate_limits: Vec<RateLimit>,
    /// Where copies of its requests go.
    pub mirror: Option<Mirror>,
    /// How answers are compressed: as the route says, else as its site does.
    pub compress: Option<Compress>,
    /// Pages for errors, the first that fits: the route's, the site's, those of the top level.
    pub error_pages: Vec<ErrorPage>,
    /// Where it was written.
    pub place: Place,
    /// The same, in bytes.
    pub span: Span,
}

/// What a route does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Forward to a pool.
    Pool(Name),
    /// Forward to one of several.
    Split(Split),
    /// Answer with a redirect.
    Redirect {
        /// The `Location`, with holes.
        location: Vec<LocationPart>,
        /// The status.
        status: u16,
    },
    /// Answer directly.
    Respond {
        /// The status.
        status: u16,
        /// The body.
        body: Arc<[u8]>,
        /// Its type.
        content_type: Arc<str>,
    },
}

/// A piece of a redirect's location, or of a header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocationPart {
    /// Text as it stands.
    Text(String),
    /// The request's host, without port.
    Host,
    /// The request's path, as forwarded.
    Path,
    /// The request's query with its `?`, or nothing.
    Query,
    /// A path parameter or named regex group.
    Param(String),
}

/// One edit of a head.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderEdit {
    /// Replace every field of this name by one.
    Set {
        /// Lower-case name.
        name: Name,
        /// Value, with holes.
        value: Vec<LocationPart>,
        /// Whether the value was read from a file or the environment: it is never shown.
        secret: bool,
    },
    /// Append a field.
    Add {
        /// Lower-case name.
        name: Name,
        /// Value, with holes.
        value: Vec<LocationPart>,
        /// Whether the value was read from a file or the environment: it is never shown.
        secret: bool,
    },
    /// Remove every field of this name.
    Remove {
        /// Lower-case name.
        name: Name,
    },
}

/// Server-side clocks. An upgraded stream obeys only the tunnel ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP (and TLS) connect.
    pub connect: Duration,
    /// From the request's end to the first byte of the answer.
    pub response: Duration,
    /// Between bytes of a body.
    pub idle: Duration,
    /// The whole exchange.
    pub request: Option<Duration>,
    /// An upgraded stream without bytes either way.
    pub tunnel_idle: Option<Duration>,
    /// An upgraded stream in all.
    pub tunnel_max: Option<Duration>,
}

/// `retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Causes. Where no `retry` is written: a connection that could not be made, and one that ended before
    /// an answer to an idempotent request. (A kept connection that turns out to be closed is replaced in any case.)
    pub on: RetryOn,
    /// How many more servers are tried after a request was sent; 1 by default. 0 is none, also after a failed connect.
    pub attempts: u32,
    /// Share of requests that may be retries, in percent, over all of the pool.
    pub budget_percent: f64,
    /// Also methods that are not idempotent.
    pub all_methods: bool,
}

/// Causes for a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOn {
    /// The connection could not be made.
    pub connect: bool,
    /// The connection ended before an answer.
    pub reset: bool,
    /// The response clock struck.
    pub timeout: bool,
    /// The server said 502.
    pub status_502: bool,
    /// The server said 503.
    pub status_503: bool,
    /// The server said 504.
    pub status_504: bool,
}
