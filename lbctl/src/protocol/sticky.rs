//! Stickiness on the wire: tables that the daemon keeps, and cookies that clients keep.

use serde::{Deserialize, Serialize};

/// One means of stickiness of a pool; `GET /v1/sticky` lists them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StickyTable {
    /// The pool.
    pub pool: String,
    /// `cookie` or `source-ip`.
    pub kind: String,
    /// The cookie's name; absent for a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// Entries now; absent for a cookie, which clients keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// How many it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How long an entry lives without use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Requests of the pool that stickiness decided.
    pub hits: u64,
    /// Requests that came without.
    pub misses: u64,
}

/// `GET /v1/sticky/{pool}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
pub struct StickyEntry {
    /// The masked address.
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
}

/// `GET /v1/sticky/{pool}?lookup=KEY`: which server a cookie value or an address is held by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StickyLookup {
    /// The pool.
    pub pool: String,
    /// What was asked.
    pub key: String,
    /// What it was taken for: `cookie` or `source-ip`.
    pub kind: String,
    /// The server's name; absent: it is held by none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// In words why.
    pub why: String,
}

/// The answer of `DELETE /v1/sticky/{pool}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StickyCleared {
    /// The pool.
    pub pool: String,
    /// How many entries went, or would go.
    pub cleared: u64,
    /// Nothing was done: this says what would be.
    #[serde(default)]
    pub dry_run: bool,
}
