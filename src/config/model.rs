//! What a configuration *means*: plain, validated, comparable data with every default filled in.
//!
//! No handles, no locks, no KDL. Two equal models behave the same; [`crate::snapshot`] compiles one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::diagnostic::{Place, Span};
use crate::router::{Conditions, PathOptions, Pattern};

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
    /// The plain-HTTP endpoint for the balancer above.
    pub status: Option<Status>,
    /// The control sockets.
    pub control: Control,
    /// Logs.
    pub log: Log,
    /// How files are watched.
    pub reload: Reload,
    /// What the rules that look at certificates and other files need to know.
    pub lint: LintSettings,
}

/// What `lint` says to rules that run after the model is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintSettings {
    /// A certificate that ends sooner than this is worth a warning.
    pub cert_expiry: Duration,
    /// Rules (`LB603`) whose warnings are silenced.
    pub allow: Vec<Name>,
    /// Rules whose warnings are errors.
    pub deny: Vec<Name>,
}

impl Default for LintSettings {
    fn default() -> Self {
        Self { cert_expiry: Duration::from_secs(30 * 24 * 3600), allow: Vec::new(), deny: Vec::new() }
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

/// A `listen` node.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// `name=`, else the address as written.
    pub name: Name,
    /// Where to accept.
    pub address: ListenAddress,
    /// Terminate TLS.
    pub tls: Option<ListenerTls>,
    /// Answer everything with a redirect to https.
    pub redirect_to_https: Option<RedirectToHttps>,
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
    /// Open client connections, over all workers.
    pub max_connections: u32,
    /// Open connections from one address; `None` is unlimited.
    pub max_connections_per_ip: Option<u32>,
    /// Bytes of a request head.
    pub header_bytes: u32,
    /// Fields of a request head.
    pub headers: u32,
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
    },
    /// Append a field.
    Add {
        /// Lower-case name.
        name: Name,
        /// Value, with holes.
        value: Vec<LocationPart>,
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
    /// Causes, besides those that are always safe (a connect that failed; a reused connection that
    /// was closed under an idempotent request).
    pub on: RetryOn,
    /// How many more servers are tried; 1 by default.
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// `status`.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where it answers.
    pub address: ListenAddress,
    /// Path that says the process lives.
    pub live: Name,
    /// Path that says it takes traffic.
    pub ready: Name,
    /// Path of the metrics.
    pub metrics: Name,
    /// Not-ready this long before the listeners close.
    pub drain_delay: Duration,
    /// Only these networks; empty is everyone.
    pub allow_from: Vec<IpNet>,
    /// Where it was written.
    pub place: Place,
}

/// `control`.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// The socket; `None` when the node does not say (the daemon's default holds).
    pub socket: Option<PathBuf>,
    /// Its mode.
    pub mode: u32,
    /// Its group; `None` when not said (then `lbd` if that group exists).
    pub group: Option<Name>,
    /// A second socket that only reads.
    pub read_socket: Option<PathBuf>,
    /// Its mode.
    pub read_mode: u32,
    /// Roles by user name.
    pub grants: BTreeMap<Name, Role>,
}

/// What a caller of the control socket may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Read,
    /// Look, drain, weigh, clear.
    Operate,
    /// Everything.
    Admin,
}

/// `log`.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// `error` … `trace`.
    pub level: Level,
    /// How the daemon's log looks.
    pub json: bool,
    /// The access log; `None` is none.
    pub access: Option<AccessLog>,
}

/// A log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// error
    Error,
    /// warn
    Warn,
    /// info
    Info,
    /// debug
    Debug,
    /// trace
    Trace,
}

/// `log { access }`.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// Line format.
    pub format: AccessFormat,
    /// `stdout`, `stderr`, or a file.
    pub to: AccessTarget,
    /// Share of requests that are logged, in percent.
    pub sample_percent: f64,
    /// Also a line when a WebSocket opens.
    pub websocket_open: bool,
    /// More fields.
    pub captures: Vec<Capture>,
}

/// A further field of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// What.
    pub key: Key,
    /// Only a hash of it.
    pub hash: bool,
}

/// Access-log line format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object a line.
    Json,
    /// NCSA combined.
    Combined,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(PathBuf),
}

/// `reload`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reload {
    /// Watch the files.
    pub watch: bool,
    /// Quiet time before a change is read.
    pub settle: Duration,
    /// Look this often in any case.
    pub poll: Duration,
    /// Generations kept.
    pub history: u32,
    /// Refuse an unattended reload that removes more than this share of routes or servers, in percent.
    pub max_removal_percent: Option<f64>,
}
