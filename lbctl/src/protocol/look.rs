//! What a screen shows.

use super::{Event, Server, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of `GET /v1/stream`: everything at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Look {
    /// The moment.
    pub at: Timestamp,
    /// The run of the daemon.
    pub instance: String,
    /// The overview.
    pub status: Status,
    /// Every server, by pool.
    pub servers: Vec<Server>,
    /// What happened since the look before; the latest hundred at most.
    #[serde(default)]
    pub events: Vec<Event>,
}

/// What happened to one pool in the last minutes: one number a second each, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Past {
    /// The pool.
    pub pool: String,
    /// Requests a second.
    pub rate: Vec<f32>,
    /// Share of 5xx among the answers, in percent; 0 without answers.
    pub error_percent: Vec<f32>,
    /// Time to the first byte that 99 of 100 answers kept; 0 without answers.
    pub p99_us: Vec<u32>,
}
