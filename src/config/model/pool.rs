//! What a pool means: servers, balance, stickiness, checks, connections, drain.

use std::path::PathBuf;
use std::time::Duration;

use super::super::diagnostic::{Place, Span};
use super::{Name, TlsVersion};

/// A `pool`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// Servers, sorted by name.
    pub servers: Vec<Server>,
    /// Who gets what is not sticky.
    pub balance: Balance,
    /// Ways to keep a client on its server, in the order they are tried.
    pub sticky: Vec<Sticky>,
    /// The active check.
    pub health: Option<Health>,
    /// TLS to the servers.
    pub tls: Option<UpstreamTls>,
    /// Reuse of connections.
    pub connections: Connections,
    /// How servers leave.
    pub drain: Drain,
    /// Where it was written.
    pub place: Place,
    /// The same, in bytes.
    pub span: Span,
}

/// A `server`.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its identity.
    pub name: Name,
    /// Host (a name or an IP literal without brackets).
    pub host: Name,
    /// Port.
    pub port: u16,
    /// Share; 0 is never.
    pub weight: u32,
    /// Only when no other server is up.
    pub backup: bool,
    /// Port of its check, when not the pool's.
    pub health_port: Option<u16>,
    /// Where it was written.
    pub place: Place,
}

/// `balance`.
#[derive(Debug, Clone, PartialEq)]
pub enum Balance {
    /// Smooth weighted round robin.
    RoundRobin,
    /// Fewest requests in flight, by weight.
    LeastRequests,
    /// Fewest open connections and sessions, by weight.
    LeastConnections,
    /// The less busy of two drawn at random.
    P2c,
    /// Weighted draw.
    Random,
    /// Rendezvous hash of a key.
    Hash(Key),
}

/// What a hash is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The client's address.
    SourceIp,
    /// A request header, lower-case.
    Header(Name),
    /// A cookie.
    Cookie(Name),
    /// A query parameter.
    Query(Name),
    /// The path.
    Path,
    /// The host.
    Host,
}

/// `sticky`.
#[derive(Debug, Clone, PartialEq)]
pub enum Sticky {
    /// A cookie that lbd sets.
    Cookie(StickyCookie),
    /// A table by client address.
    SourceIp(StickySource),
}

/// What happens to a client whose server is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// Another server, from now on.
    Redispatch,
    /// 503 until it is back.
    Fail,
}

/// `sticky cookie` (mode insert).
#[derive(Debug, Clone, PartialEq)]
pub struct StickyCookie {
    /// Cookie name.
    pub name: Name,
    /// `Path`.
    pub path: Name,
    /// `Domain`.
    pub domain: Option<Name>,
    /// `Secure`.
    pub secure: Secure,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Partitioned`.
    pub partitioned: bool,
    /// Forget a client that stayed away this long.
    pub max_idle: Option<Duration>,
    /// Forget a client after this long in any case.
    pub max_life: Option<Duration>,
    /// When its server is down.
    pub on_down: OnDown,
}

/// When `Secure` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secure {
    /// When the client came over https.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `SameSite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Lax
    Lax,
    /// Strict
    Strict,
    /// None
    None,
}

/// `sticky source-ip`.
#[derive(Debug, Clone, PartialEq)]
pub struct StickySource {
    /// An entry's life after its last use.
    pub ttl: Duration,
    /// Most entries.
    pub max_entries: usize,
    /// Bits of an IPv4 address that count.
    pub mask_v4: u8,
    /// Bits of an IPv6 address that count.
    pub mask_v6: u8,
    /// When its server is down.
    pub on_down: OnDown,
}

/// `health`.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// Between checks of a server that is up.
    pub interval: Duration,
    /// Between checks of one that is down.
    pub down_interval: Duration,
    /// For the whole check.
    pub timeout: Duration,
    /// Good checks in a row to come up.
    pub rise: u32,
    /// Bad checks in a row to go down.
    pub fall: u32,
    /// Port, when not the server's.
    pub port: Option<u16>,
    /// Whether the check speaks TLS: as said, else as traffic does.
    pub tls: bool,
    /// Spread of the interval, in percent.
    pub jitter_percent: f64,
    /// Whether a new server starts up, before its first check.
    pub initial_up: bool,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// A connect.
    Tcp,
    /// A request.
    Http {
        /// Path and query.
        path: Name,
        /// `GET` or `HEAD`.
        method: Name,
        /// `Host`, when not the server's host.
        host: Option<Name>,
        /// More fields.
        headers: Vec<(Name, Name)>,
        /// Good statuses.
        status: StatusSet,
        /// What the body must say.
        body: Option<TextMatch>,
        /// Statuses that mean: no new clients, please.
        drain_status: Option<StatusSet>,
    },
}

/// A set of statuses, as ranges: `200`, `200-299`, `200,204`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(pub Vec<(u16, u16)>);

impl StatusSet {
    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&status))
    }
}

/// How a text is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// It is this. In a body: it contains this.
    Exact(String),
    /// It starts so.
    Prefix(String),
    /// It matches this regular expression.
    Regex(String),
}

/// `tls` inside `pool`.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamTls {
    /// PEM bundle to trust; the system's when none.
    pub ca: Option<PathBuf>,
    /// Name to ask for and to verify, when not the server's host.
    pub server_name: Option<Name>,
    /// How much is verified.
    pub verify: Verify,
    /// Least protocol version.
    pub min_version: TlsVersion,
    /// Where it was written.
    pub span: Span,
}

/// How much of a server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Chain and name.
    Full,
    /// Chain only.
    Chain,
    /// Nothing.
    None,
}

/// `connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept to each server by each worker.
    pub max_idle: u32,
    /// Requests a connection may carry.
    pub max_uses: Option<u32>,
}

/// `drain` inside `pool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// After this long what is left is cut.
    pub deadline: Duration,
    /// Whether sticky clients keep coming.
    pub sticky: DrainSticky,
}

/// What a drain does to sticky clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainSticky {
    /// They keep coming.
    Keep,
    /// They are moved at their next request.
    Move,
}
