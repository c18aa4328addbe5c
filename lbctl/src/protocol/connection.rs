//! Long-lived streams: WebSockets, tunnels, connections of `tcp` listeners.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/connections/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Connection {
    /// Its name.
    pub id: String,
    /// `websocket`, `tunnel`, `tcp`.
    pub kind: String,
    /// Its pool.
    pub pool: String,
    /// Its server.
    pub server: String,
    /// The client's address.
    pub client: String,
    /// The route by which it came; absent for a connection of a `tcp` listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// Time since it began.
    pub age_ms: u64,
    /// Time since bytes went either way, to the second.
    pub idle_ms: u64,
    /// Bytes from the client.
    pub bytes_up: u64,
    /// Bytes to the client.
    pub bytes_down: u64,
    /// Messages of a WebSocket from the client.
    #[serde(default)]
    pub messages_up: u64,
    /// Messages of a WebSocket to the client.
    #[serde(default)]
    pub messages_down: u64,
    /// How long a WebSocket's client took to answer the last ping of lbd's own (`websocket ping=`); absent while no
    /// ping was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
    /// `open`, `closing`, or `opaque`: a WebSocket whose bytes are no frames, which can only be cut.
    pub state: String,
}

/// `GET /v1/connections`, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Connections {
    /// Those of this page.
    pub connections: Vec<Connection>,
    /// How many match in all.
    pub total: u64,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The body of `POST /v1/pools/{pool}/rebalance`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rebalance {
    /// How fast; `20/s`. Absent: the pool's rate of drains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Change nothing, say what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer: what is closed, server by server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rebalanced {
    /// The pool.
    pub pool: String,
    /// Nothing was done.
    #[serde(default)]
    pub dry_run: bool,
    /// The rate.
    pub rate: String,
    /// Servers that take new clients.
    pub servers: Vec<Share>,
}

/// One server's part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Share {
    /// Its name.
    pub server: String,
    /// WebSockets that it has.
    pub websockets: u64,
    /// WebSockets that would be its share.
    pub share: u64,
    /// How many are closed, to come back elsewhere.
    pub closed: u64,
}
