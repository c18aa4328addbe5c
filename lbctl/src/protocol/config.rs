//! Which configuration runs, and what the files say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigState {
    /// The main file.
    pub main: String,
    /// The generation that runs.
    pub running: Generation,
    /// Present when the files on disk were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// The files of the running generation, main file first.
    #[serde(default)]
    pub files: Vec<ConfigFile>,
}

/// One file of the running generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigFile {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A part of what a configuration means: one of `GET /v1/config/model`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Part {
    /// `listener`, `site`, `route`, `pool`, `server` or `settings`.
    pub kind: String,
    /// Its identity: `platform`, `platform/tw1`, `shop.test /cart`, `log`.
    pub name: String,
    /// Where it is written, `file:line`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// Every setting with its value, whether it was written or is the default; what may be secret is not shown.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// That the files on disk do not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rejected {
    /// When the last attempt was refused.
    pub at: Timestamp,
    /// How many attempts in a row were.
    pub attempts: u32,
    /// The first error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Finding>,
}

/// One generation; `GET /v1/config/generations` is a list of them, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Generation {
    /// Its number; grows, never used twice.
    pub number: u64,
    /// When it began to serve.
    pub since: Timestamp,
    /// `boot`, `watch`, `signal`, `api`, `apply`, `rollback`, `return`, `pin` or `unpin`.
    pub cause: String,
    /// Who asked, when someone did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What changed, in words.
    #[serde(default)]
    pub summary: String,
    /// The digest of its files.
    #[serde(default)]
    pub digest: String,
    /// Why, when someone said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// That what runs waits for a confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unconfirmed {
    /// What comes back without one.
    pub previous: u64,
    /// When.
    pub until: Timestamp,
    /// In how long.
    pub left_ms: u64,
    /// Who applied it.
    #[serde(default)]
    pub actor: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// That a generation runs whatever the files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pinned {
    /// Whose texts run.
    pub generation: u64,
    /// For how long.
    pub since_ms: u64,
    /// Whether it ends when the files change.
    pub until_change: bool,
    /// Who asked for it.
    #[serde(default)]
    pub actor: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `GET /v1/config/report`: the findings of the last attempt to read the files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// Errors first.
    pub findings: Vec<Finding>,
    /// The whole report as a human reads it.
    #[serde(default)]
    pub rendered: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Keeps the files from running.
    Error,
    /// Might be better otherwise.
    Hint,
    /// Likely a mistake.
    #[default]
    #[serde(other)]
    Warning,
}

/// One finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// `LB103`.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// The sentence.
    pub message: String,
    /// `file:line:column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

/// The answer of `POST /v1/config/reload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReloadDone {
    /// The generation that serves now.
    pub generation: u64,
    /// Whether the files differed from those that ran.
    pub changed: bool,
    /// What changed, in words.
    #[serde(default)]
    pub summary: String,
    /// Warnings.
    #[serde(default)]
    pub report: Report,
}
