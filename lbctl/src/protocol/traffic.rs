//! What a change of the configuration means for connections, sessions, stickiness, checks, and recent requests.

use super::Finding;
use serde::{Deserialize, Serialize};

/// The effect of a change, as of now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Traffic {
    /// Addresses that would be listened on.
    #[serde(default)]
    pub opened: Vec<String>,
    /// Listeners that would close, with their connections.
    #[serde(default)]
    pub closed: Vec<Leaving>,
    /// Servers that would leave, with what is open on them.
    #[serde(default)]
    pub leaving: Vec<Leaving>,
    /// Entries of sticky tables that would be kept, of how many.
    #[serde(default)]
    pub sticky_kept: u64,
    /// Entries of sticky tables.
    #[serde(default)]
    pub sticky: u64,
    /// Servers that would be checked from the beginning: new ones, and those whose check is another one.
    #[serde(default)]
    pub rechecked: Vec<String>,
    /// Recent requests, as they would be routed; absent when none are remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// What is worth a second look.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// Something that would go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Leaving {
    /// Its name.
    pub name: String,
    /// Requests in flight, or connections of a listener.
    pub requests: u64,
    /// Long-lived streams.
    pub sessions: u64,
}

/// The last requests, routed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replay {
    /// How many were looked at.
    pub requests: u64,
    /// How many no route would match any more.
    pub lost: u64,
    /// How many would be matched that are not now.
    pub found: u64,
    /// How many would go elsewhere.
    pub moved: u64,
    /// How many cannot be told: they depend on header fields, cookies or queries, which are not remembered.
    pub unknown: u64,
    /// Where most of those would go, most first.
    #[serde(default)]
    pub moves: Vec<Move>,
}

/// Requests that would go elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Move {
    /// The target now.
    pub from: String,
    /// The target then; `404` for none.
    pub to: String,
    /// How many.
    pub requests: u64,
    /// One of them: host and path.
    pub example: String,
}
