//! Long work as a resource: a lost client never stops it.

use super::Choice;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/operations/{id}`, and each line of its `/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Operation {
    /// Its name: `op_7`.
    pub id: String,
    /// Grows with each change.
    pub seq: u64,
    /// What is being done: `drain`, or `remove` for a server that the file no longer names.
    pub verb: String,
    /// To what: `platform/tw1`.
    pub subject: String,
    /// Where it stands.
    pub phase: Phase,
    /// What the server still holds.
    pub left: Left,
    /// Sessions that ended since it began, by themselves or by us.
    pub closed: u64,
    /// Sessions that were cut at the deadline.
    pub forced: u64,
    /// When it began.
    pub started: Timestamp,
    /// When the rest is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// How fast WebSockets are closed: `50/s`; absent: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_rate: Option<String>,
    /// Which of them; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Choice>,
    /// Nobody is closed for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// When the server comes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a server still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Left {
    /// Requests in flight.
    pub requests: u64,
    /// Long-lived streams.
    pub sessions: u64,
}

/// Where a drain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Workers take notice.
    Settling,
    /// Requests or sessions are left; nothing is closed.
    InFlight,
    /// Sessions are being closed: at a rate, or all of them, at the deadline.
    Closing,
    /// Nothing was left; nothing was cut.
    Drained,
    /// The deadline came and something was cut.
    Forced,
    /// Someone brought the server back, or stopped the operation.
    Cancelled,
}

impl Phase {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Drained | Self::Forced | Self::Cancelled)
    }
}
