//! The overview: who answers, what runs, which pools.

use super::{Finding, Operation, Pinned, Rejected, Server, StickyTable, Unconfirmed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a caller may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look; keys of stickiness and client addresses are shortened.
    #[default]
    Read,
    /// And drain, weigh, clear, close.
    Operate,
    /// And reload and stop.
    Admin,
}

/// `GET /v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Api {
    /// The version of the protocol.
    pub api: String,
    /// The version of the daemon.
    pub lbd: String,
    /// This run of the daemon; another after a restart.
    pub instance: String,
    /// The daemon's process.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// Worker threads.
    pub workers: usize,
    /// The generation that runs.
    pub generation: u64,
    /// What this daemon can do beyond the first version.
    pub features: Vec<String>,
    /// What the caller may do.
    pub role: Role,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// The version of the daemon.
    pub lbd: String,
    /// How long it runs.
    pub uptime_ms: u64,
    /// Which configuration runs.
    pub config: ConfigSummary,
    /// Listeners.
    pub listeners: Vec<Listener>,
    /// Pools, by name.
    pub pools: Vec<PoolSummary>,
    /// Names of servers that have no answer of DNS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Unresolved>,
    /// Processes before this one that have not ended yet: an upgrade lets them finish what they serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predecessors: Vec<Predecessor>,
    /// Drains that go on.
    #[serde(default)]
    pub operations: Vec<Operation>,
}

/// A process that an upgrade replaced, and what it still waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Predecessor {
    /// The process.
    pub pid: u32,
    /// Its version.
    pub lbd: String,
    /// For how long it has been ending.
    pub since_ms: u64,
    /// After this long what is left is cut.
    pub left_ms: u64,
    /// Open client connections, those that wait for nothing included.
    pub connections: u64,
    /// Requests in flight.
    pub requests: u64,
    /// WebSockets.
    pub websockets: u64,
    /// Other upgraded streams.
    pub tunnels: u64,
    /// TCP connections that are passed on.
    pub tcp: u64,
    /// Answers that stream for long.
    pub streams: u64,
}

/// A name that has no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unresolved {
    /// The name.
    pub name: String,
    /// `a` or `srv`.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// For how long.
    pub since_ms: u64,
    /// Addresses of the last answer; 0 when there never was one.
    pub known: u64,
}

/// Which configuration runs, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigSummary {
    /// The generation that runs.
    pub generation: u64,
    /// For how long.
    pub since_ms: u64,
    /// What made lbd read it: see [`super::Generation::cause`].
    pub cause: String,
    /// Present when the files on disk were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// Present while what runs waits for a confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
    /// Present while a generation is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pinned>,
    /// Warnings of the last attempt.
    #[serde(default)]
    pub warnings: Vec<Finding>,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listener {
    /// The name given in the file, or the address.
    pub name: String,
    /// The bound address.
    pub address: String,
    /// Whether TLS ends here.
    pub tls: bool,
    /// Whether every request is redirected to HTTPS.
    pub redirect: bool,
    /// Client connections that are open.
    pub connections: u64,
    /// Client connections since it opened.
    pub accepted: u64,
    /// Connections that are passed on as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<Passage>,
}

/// Connections of a listener that are passed on as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Passage {
    /// Those whose ClientHello names this host; absent: all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// Where to.
    pub pool: String,
}

/// One pool in short, and `GET /v1/pools` as a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoolSummary {
    /// Its name.
    pub name: String,
    /// How it balances.
    pub balance: String,
    /// Servers that may take new clients.
    pub up: usize,
    /// Servers in all.
    pub servers: usize,
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests that wait for a server with room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queued: u64,
    /// Long-lived streams.
    pub sessions: u64,
    /// Requests since the pool is known.
    pub requests: u64,
    /// Responses with a 5xx status since then.
    pub errors_5xx: u64,
    /// Requests a second, over the last seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Share of 5xx among them, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_share: Option<f64>,
    /// Time to the first byte that 99 of 100 responses keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    /// Its means of stickiness.
    #[serde(default)]
    pub sticky: Vec<StickyTable>,
    /// Servers that are not simply up: down, draining, in maintenance, of another weight.
    #[serde(default)]
    pub notable: Vec<Server>,
}

/// `GET /v1/pools/{p}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pool {
    /// The overview.
    pub summary: PoolSummary,
    /// Every server, in the order of the file.
    pub servers: Vec<Server>,
}

/// The body of `POST /v1/shutdown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// How long streams have to finish; `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<String>,
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The body of `POST /v1/upgrade`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// The new binary, absolute; absent: the path that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<std::path::PathBuf>,
    /// How long streams of the old process may go on; absent: as long as the pools say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<String>,
    /// How long the new process has to be ready; `60s` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to `POST /v1/upgrade`: another process serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Upgraded {
    /// The process that serves.
    pub pid: u32,
    /// Its version.
    pub lbd: String,
    /// The process that finishes what it serves, and ends.
    pub old_pid: u32,
}

/// `GET /v1/log`: which lines the daemon's log has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogFilter {
    /// `info`, or `info,lbd::reload=debug`.
    pub filter: String,
    /// Until when, where an operator asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The body of `PUT /v1/log`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetLog {
    /// The filter; absent: as the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// For how long; `10m` unless said, at most `24h`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
