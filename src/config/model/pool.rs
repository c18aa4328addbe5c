//! What a pool means: servers, balance, stickiness, checks, connections, drain.

use std::path::PathBuf;
use std::time::Duration;

use super::super::diagnostic::{Place, Span};
use super::super::values::Rate;
use super::{Certificate, Name, SendProxy, Sticky, TlsVersion};

/// A `pool`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// Servers, sorted by name.
    pub servers: Vec<Server>,
    /// Names of DNS that lead to more of them, sorted.
    pub discover: Vec<Discover>,
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
    /// What is said in WebSockets.
    pub websocket: WebSocket,
    /// Ejection by what requests saw.
    pub passive: Option<Passive>,
    /// Who waits while every server is full.
    pub queue: Option<Queue>,
    /// How many upgrades are let in.
    pub admission: Option<Admission>,
    /// How long a server's share grows after it becomes ready.
    pub slow_start: Option<Duration>,
    /// With fewer than this many percent healthy all are used.
    pub panic_percent: Option<f64>,
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
    /// Most requests in flight.
    pub max_requests: Option<u32>,
    /// Most connections in use.
    pub max_connections: Option<u32>,
    /// Where it stands; near ones are preferred.
    pub zone: Option<Name>,
    /// Where it was written.
    pub place: Place,
}

/// `discover`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discover {
    /// The name that is asked for.
    pub name: Name,
    /// What of it.
    pub kind: DiscoverKind,
    /// Between two questions, unless the answer says that it holds for less.
    pub refresh: Duration,
    /// How long a server that an answer no longer names stays, without new clients.
    pub hold: Duration,
    /// When there is no answer.
    pub on_failure: OnFailure,
}

/// What is asked of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscoverKind {
    /// Its addresses (A, AAAA).
    Address {
        /// The port of each.
        port: u16,
    },
    /// Its services (SRV): hosts with ports, weights, priorities.
    Service,
}

/// What becomes of discovered servers when a name has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Those of the last answer stay.
    KeepLast,
    /// None are left.
    Empty,
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
    /// The quicker of two drawn at random, by peak EWMA.
    Ewma,
    /// Weighted draw.
    Random,
    /// Rendezvous hash of a key.
    Hash {
        /// Of what.
        key: Key,
        /// How many percent above the mean load a server may be.
        headroom: Option<f64>,
    },
}

/// `passive`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passive {
    /// Failures in a row.
    pub failures: u32,
    /// Failures in percent of the requests in the window.
    pub failure_percent: Option<f64>,
    /// Requests in the window that make a share.
    pub min_requests: u32,
    /// What counts as recent.
    pub window: Duration,
    /// How long the first time.
    pub eject: Duration,
    /// Most servers that are out at once, in percent.
    pub max_ejected_percent: f64,
}

/// `queue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Most requests that wait.
    pub size: u32,
    /// How long.
    pub timeout: Duration,
}

/// `admission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// How many upgrades in how much time.
    pub rate: Rate,
    /// How many at once after a quiet time.
    pub burst: u32,
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
    /// `grpc.health.v1.Health/Check`, over HTTP/2.
    Grpc {
        /// The service asked for; empty is the server as a whole.
        service: Name,
        /// `:authority`, when not the server's host.
        host: Option<Name>,
        /// More fields.
        headers: Vec<(Name, Name)>,
    },
    /// A WebSocket handshake.
    WebSocket {
        /// Path and query.
        path: Name,
        /// `Host`, when not the server's host.
        host: Option<Name>,
        /// More fields.
        headers: Vec<(Name, Name)>,
    },
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
    /// What lbd shows to servers that ask.
    pub certificate: Option<Certificate>,
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

/// Which version of HTTP a pool's servers are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHttp {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, and nothing else.
    Http2,
    /// Over TLS what the server prefers, else HTTP/1.1.
    Auto,
}

/// `connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// What requests go over.
    pub http: ServerHttp,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept to each server by each worker.
    pub max_idle: u32,
    /// Requests a connection may carry.
    pub max_uses: Option<u32>,
    /// Which PROXY header opens each connection.
    pub send_proxy: Option<SendProxy>,
}

/// `drain` inside `pool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// After this long what is left is cut.
    pub deadline: Duration,
    /// Whether sticky clients keep coming.
    pub sticky: DrainSticky,
    /// How many WebSockets are closed in how much time.
    pub close_rate: Rate,
    /// What their clients are told.
    pub close_code: u16,
}

/// `websocket` inside `pool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocket {
    /// The silence after which both sides are pinged.
    pub ping: Option<Duration>,
    /// The close code for a client whose server is gone.
    pub lost_code: u16,
}

/// What a drain does to sticky clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainSticky {
    /// They keep coming.
    Keep,
    /// They are moved at their next request.
    Move,
}
