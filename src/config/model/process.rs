//! What the process itself is told: status, control, logs, reload, DNS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::super::diagnostic::Place;
use super::{Key, ListenAddress, Name, UpstreamTls};

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
    /// Whether there is a page for people.
    pub page: bool,
    /// Only these networks; empty is everyone.
    pub allow_from: Vec<IpNet>,
    /// Names by which the page is asked for, besides addresses and `localhost`; lower-case.
    pub hosts: Vec<Name>,
    /// Who may change something by the page; `None` is nobody.
    pub operate: Option<Operate>,
    /// Where it was written.
    pub place: Place,
}

/// `status { operate }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operate {
    /// SHA-256 of the token.
    pub token: [u8; 32],
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
    /// A stream, a file, or a syslog.
    pub to: AccessTarget,
    /// Share of requests that are logged, in percent.
    pub sample_percent: f64,
    /// Also a line when a WebSocket opens.
    pub websocket_open: bool,
    /// Also a line of each again and again.
    pub websocket_every: Option<Duration>,
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
    /// A syslog that listens on a socket of this machine.
    SyslogSocket(PathBuf),
    /// A syslog at `host:port`, over UDP.
    SyslogUdp(Name),
}

impl std::fmt::Display for AccessTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => path.display().fmt(f),
            Self::SyslogSocket(path) => write!(f, "syslog:{}", path.display()),
            Self::SyslogUdp(address) => write!(f, "syslog:{address}"),
        }
    }
}

/// `trace`.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Who takes the spans.
    pub collector: Collector,
    /// Share of the traces that begin here, in percent.
    pub sample_percent: f64,
    /// Whose decision is followed.
    pub follow: Follow,
    /// `service.name`.
    pub service: Name,
    /// For one message.
    pub timeout: Duration,
    /// Spans that may wait.
    pub queue: u32,
    /// Sent with each message.
    pub headers: Vec<(Name, Name)>,
    /// Said of the process.
    pub attributes: Vec<(Name, Name)>,
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq)]
pub struct Collector {
    /// A name, or a literal without brackets.
    pub host: Name,
    /// Its port.
    pub port: u16,
    /// Where it takes traces.
    pub path: Name,
    /// How it is believed; none over plain HTTP.
    pub tls: Option<UpstreamTls>,
}

impl std::fmt::Display for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}{}", self.host, self.port, self.path)
    }
}

/// Whose `traceparent` decides whether a request is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Everybody's.
    All,
    /// Of senders whose `X-Forwarded-*` is believed.
    Trusted,
    /// Nobody's.
    None,
}

/// `resolver`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// Between two questions for a name, unless the answer says that it holds for less.
    pub refresh: Duration,
    /// Which addresses are used where there are both.
    pub prefer: Prefer,
    /// Who is asked; empty is whom the system asks.
    pub name_servers: Vec<SocketAddr>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(30), prefer: Prefer::Any, name_servers: Vec::new() }
    }
}

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// IPv4, and IPv6 where there is none.
    V4,
    /// IPv6, and IPv4 where there is none.
    V6,
    /// All.
    Any,
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
    /// Keep by what requests were routed lately, for plans.
    pub replay: bool,
}
