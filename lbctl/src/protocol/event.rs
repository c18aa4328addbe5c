//! Events: one JSON line each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kind of the last line of a stream whose reader was too slow.
pub const LAGGED: &str = "lagged";

/// One line of `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Grows by one.
    #[serde(default)]
    pub seq: u64,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// `server.up`, `config.applied`, `lagged`, …
    pub kind: String,
    /// What it is about: `platform/tw1`.
    #[serde(default)]
    pub subject: String,
    /// Facts that belong to the kind.
    #[serde(default)]
    pub data: serde_json::Value,
    /// The generation that ran.
    #[serde(default)]
    pub generation: u64,
    /// Who caused it, when someone did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// How many events were lost; only in `lagged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}
