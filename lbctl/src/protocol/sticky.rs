//! Stickiness on the wire: tables that the daemon keeps, and cookies that clients keep.

use serde::{Deserialize, Serialize};

/// One means of stickiness of a pool; `GET /v1/sticky` lists them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickyTable {
    /// The pool.
    pub pool: String,
    /// `cookie`, `source-ip`, `header` or `learn`.
    pub kind: String,
    /// The cookie's name; absent for a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// The name of the header or session that a table is by; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Entries now; absent for a cookie, which clients keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// How many it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How long an entry lives without use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Entries that ever went before their time, to make room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evicted: Option<u64>,
    /// Requests of the pool that stickiness decided.
    pub hits: u64,
    /// Requests that came without.
    pub misses: u64,
}

/// `GET /v1/sticky/{pool}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickyEntries {
    /// The pool.
    pub pool: String,
    /// The entries that were asked for, longest idle last.
    pub entries: Vec<StickyEntry>,
    /// How many match in all.
    pub total: u64,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickyEntry {
    /// The masked address, or a hash of the value.
    pub key: String,
    /// The server's name; absent when no server of that name is in the pool any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Time since its first use.
    #[serde(default)]
    pub age_ms: u64,
    /// Time since its last use.
    pub idle_ms: u64,
    /// Time until it is forgotten, if it is not used.
    pub left_ms: u64,
    /// Open streams that hold it: it is not forgotten before they end.
    #[serde(default)]
    pub streams: u64,
}

/// `GET /v1/sticky/{pool}?lookup=KEY`: which server an address, a cookie or another value is held by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickyLookup {
    /// The pool.
    pub pool: String,
    /// What was asked.
    pub key: String,
    /// What it was taken for: `cookie`, `source-ip`, `header` or `learn`.
    pub kind: String,
    /// The server's name; absent: it is held by none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// In words why.
    pub why: String,
}

/// The answer of `DELETE /v1/sticky/{pool}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickyCleared {
    /// The pool.
    pub pool: String,
    /// How many entries went, or would go.
    pub cleared: u64,
    /// Nothing was done: this says what would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /v1/sticky/{pool}/move`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StickyMove {
    /// The server that has the entries.
    pub from: String,
    /// The server that gets them.
    pub to: String,
    /// At most so many, idle longest first; all, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why; goes into log and events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Say how many, do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer of `POST /v1/sticky/{pool}/move`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickyMoved {
    /// The pool.
    pub pool: String,
    /// The server that had the entries.
    pub from: String,
    /// The server that has them now.
    pub to: String,
    /// How many moved, or would move.
    pub moved: u64,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// One line of `GET /v1/sticky/{pool}/export`, and of the body of `POST /v1/sticky/{pool}/import`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StickyLine {
    /// What the table is by: `source-ip`, `header` or `learn`.
    pub kind: String,
    /// The name of the header or session; absent for `source-ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The masked address, or `#` and a hash.
    pub key: String,
    /// The server's name.
    pub server: String,
    /// When the entry was made (unix seconds).
    pub since: u64,
    /// When it was last used (unix seconds).
    pub used: u64,
    /// An operator put it there: it does not go home by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub placed: bool,
}

/// The answer of `POST /v1/sticky/{pool}/import`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StickyImported {
    /// The pool.
    pub pool: String,
    /// How many entries were taken in.
    pub imported: u64,
}
