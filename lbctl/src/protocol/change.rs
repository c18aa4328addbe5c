//! Changes of the configuration: what a candidate would change, and what a change did.

use super::{Report, Traffic};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The texts of a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The main file.
    pub main: String,
    /// What it includes, named from its directory; `null` for a file that is not there: then the daemon's is meant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Option<String>>,
    /// What patterns match there; where that is nothing, the daemon's matches are meant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub globs: BTreeMap<String, Vec<String>>,
}

/// The body of `POST /v1/config/plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanAsk {
    /// The candidate; absent: the files as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
}

/// The body of `POST /v1/config/apply`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApplyAsk {
    /// The candidate; absent: the files as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// Only if this is still the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Taken back unless confirmed in this time; `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within: Option<String>,
    /// Taken back at once when more of a pool's answers are 5xx, in percent; 5 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_errors: Option<f64>,
    /// Taken back at once when more of a pool's servers go down, in percent; 50 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_down: Option<f64>,
    /// Also over edits of the files that do not run.
    #[serde(default)]
    pub force: bool,
    /// Why; goes into log, events and history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The body of `POST /v1/config/rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RollbackAsk {
    /// The generation; absent: the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Also over edits of the files that do not run.
    #[serde(default)]
    pub force: bool,
    /// Why; goes into log, events and history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The body of `POST /v1/config/pin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PinAsk {
    /// The generation.
    pub generation: u64,
    /// Until the files change.
    #[serde(default)]
    pub until_change: bool,
    /// Why; goes into log, events and history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The body of `POST /v1/config/confirm` and `/unpin`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReasonAsk {
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a change would do, or did; and the difference between two generations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Planned {
    /// The generation that runs.
    pub generation: u64,
    /// Whether something else runs than before; of a plan, whether it would.
    pub changed: bool,
    /// Names the plan for `apply`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// In one line.
    #[serde(default)]
    pub summary: String,
    /// Everything that is different.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// What it means for what is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Warnings.
    #[serde(default)]
    pub report: Report,
    /// Files that were written or taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<String>,
    /// Until when it must be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_by: Option<Timestamp>,
    /// Files and patterns that the candidate names and the offer lacks: nothing was done; ask again with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
}

/// What became of a thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another one.
    #[default]
    #[serde(other)]
    Changed,
}

/// One thing that is different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// `listener`, `site`, `route`, `pool`, `server`, `settings`.
    pub kind: String,
    /// Its identity: `platform/tw1`.
    pub name: String,
    /// What became of it.
    pub what: What,
    /// What it is, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// `file:line`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The settings that are different; none where only something within it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
}

/// One setting that is different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Setting {
    /// `balance`, `health interval`.
    pub name: String,
    /// Before; absent for what is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// After; absent for what is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}
