//! One server: what the operator wishes, what the checks find, what it carries.

use super::{Choice, Connection, Event, Operation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/pools/{p}/servers/{s}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Server {
    /// Its pool.
    pub pool: String,
    /// Its name.
    pub name: String,
    /// Host and port as the file says.
    pub address: String,
    /// The address in use, once the host is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Which `discover` found it; absent when the file names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// That names it no longer: it has no new clients, and leaves soon.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unnamed: bool,
    /// What the operator wishes.
    pub admin: Admin,
    /// What the checks find.
    pub health: Health,
    /// `ready`, `sticky-only` or `no`.
    pub eligible: String,
    /// Why not, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// For how long requests that failed keep it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ejected_ms: Option<u64>,
    /// What they saw: `5 failures`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ejected_reason: Option<String>,
    /// The share that it has so far, in percent, after it became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_percent: Option<u32>,
    /// The weight in use.
    pub weight: u32,
    /// The weight that the file says.
    pub file_weight: u32,
    /// Used only when no other is eligible.
    pub backup: bool,
    /// Requests in flight.
    pub in_flight: u64,
    /// Long-lived streams.
    pub sessions: u64,
    /// Idle connections that we keep to it.
    pub idle_connections: u64,
    /// Requests since it is known.
    pub requests: u64,
    /// Responses with a 5xx status.
    pub errors_5xx: u64,
    /// Requests that got no response from it.
    pub failures: u64,
    /// Time to the first byte that 99 of 100 responses keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    /// Its streams, oldest first; only when one server is shown, and at most 1000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Connection>,
    /// What became of it, oldest first: its last 60 events, kept longer than those of everything; only when one server is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Event>,
}

/// The operator's wish, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AdminState {
    /// Serve.
    #[default]
    Ready,
    /// No new clients.
    Drain,
    /// Nobody.
    Maint,
}

/// What a draining server's existing clients do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DrainSticky {
    /// Keep coming.
    #[default]
    Keep,
    /// Go to another server with their next request.
    Move,
}

/// The operator's wish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Admin {
    /// In one word.
    pub state: AdminState,
    /// For a drain: what existing clients do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<DrainSticky>,
    /// For a drain: when the rest is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// For a drain: when the server comes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// For a drain: nobody is closed for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// For a drain: which WebSockets are closed before the deadline; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Choice>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the checks find, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// Not checked (yet).
    #[default]
    #[serde(other)]
    Unknown,
}

/// What the checks find.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// In one word.
    pub state: HealthState,
    /// For how long.
    pub since_ms: u64,
    /// Why, as the last transition said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the pool defines a check at all.
    pub checked: bool,
    /// Good checks in a row.
    pub good: u32,
    /// Bad checks in a row.
    pub bad: u32,
    /// Time since the last check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check_ms: Option<u64>,
}

/// The body of `PUT /v1/pools/{p}/servers/{s}/admin`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetAdmin {
    /// The wish.
    pub state: AdminState,
    /// For a drain: after this the rest is cut; `30m`. Absent: what the pool says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// For a drain: what existing clients do. Absent: keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<DrainSticky>,
    /// For a drain: how fast WebSockets are closed; `20/s`. Absent: what the pool says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_rate: Option<String>,
    /// For a drain: what their clients are told. Absent: what the pool says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    /// For a drain: which WebSockets are closed first. Absent: `idle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseOrder>,
    /// For a drain: which WebSockets are closed before the deadline. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Choice>,
    /// For a drain: when the server comes back by itself; a span such as `2h`, or an instant (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// For ready: how long its share grows this time; `60s`. Absent: what the pool says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<String>,
    /// For maint: what is open is closed at once too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub now: bool,
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force: bool,
    /// Change nothing, say what would change.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// The body of `PUT /v1/pools/{p}/servers/{s}/weight`; DELETE goes back to the file's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetWeight {
    /// The weight.
    pub weight: Weight,
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force: bool,
}

/// A weight: a number, or a percentage of what the file says as text (`"50%"`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Weight {
    /// The number itself.
    Absolute(u32),
    /// `50%`.
    Percent(String),
}

/// The answer of a change to a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Changed {
    /// The server as it is now, or as it was for a dry run.
    pub server: Server,
    /// The drain that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// What it means for clients.
    pub effect: Effect,
}

/// What a change to a server means for clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effect {
    /// Nothing was done.
    #[serde(default)]
    pub dry_run: bool,
    /// The servers that new clients go to, by name.
    pub others: Vec<String>,
    /// Requests in flight on this server.
    pub requests: u64,
    /// Streams on this server.
    pub sessions: u64,
    /// What a drain is expected to do; absent for other changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Guards that object, in words; they were overridden unless this is a dry run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
}

/// What a drain is expected to do, by what is on the server now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// WebSockets: closed at a rate, by a frame.
    pub websockets: u64,
    /// WebSockets that the drain does not choose: they stay until the deadline.
    #[serde(default)]
    pub staying: u64,
    /// Streams that can only be cut, at the deadline.
    pub others: u64,
    /// Until the last WebSocket is closed; absent when none is closed before the deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing_ms: Option<u64>,
    /// Half of the streams are older than this: so long they last, about, when nobody closes them.
    pub median_age_ms: u64,
    /// The oldest stream.
    pub oldest_ms: u64,
}

/// Which WebSockets a drain closes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CloseOrder {
    /// The longest silent; of equals the oldest.
    #[default]
    Idle,
    /// The oldest.
    Oldest,
    /// The youngest.
    Newest,
    /// Nobody before the deadline.
    Nobody,
}

/// The answer of `POST /v1/pools/{p}/servers/{s}/check`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Probe {
    /// Whether the server passed.
    pub passed: bool,
    /// What was asked, in words.
    pub asked: String,
    /// The verdict, in words.
    pub verdict: String,
    /// The response status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took.
    pub took_us: u64,
    /// The TLS version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Response header fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<super::Field>,
}

fn is_false(value: &bool) -> bool {
    !*value
}
