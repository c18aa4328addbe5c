//! How the sessions of a draining server are closed, and when it serves again: part of what an operator wishes, so
//! it is shown and saved with the wish.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::pool::Rate;

/// Which WebSockets are closed first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloseOrder {
    /// Those that have been silent for longest; of equals the oldest.
    #[default]
    Idle,
    /// The oldest.
    Oldest,
    /// The youngest.
    Newest,
}

/// How WebSockets are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pacing {
    /// How many in how much time.
    pub rate: Rate,
    /// In which order.
    pub order: CloseOrder,
}

/// What was asked of one drain beside what its gate is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainTerms {
    /// How WebSockets are closed before the deadline; `None`: they are not.
    pub pacing: Option<Pacing>,
    /// Which of them are closed before the deadline.
    #[serde(default, skip_serializing_if = "Choice::is_everybody")]
    pub only: Choice,
    /// What their clients are told.
    pub close_code: u16,
    /// Nobody is closed for now.
    #[serde(default)]
    pub paused: bool,
    /// When the server comes back by itself.
    #[serde(default)]
    pub until: Option<SystemTime>,
}
