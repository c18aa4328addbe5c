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
