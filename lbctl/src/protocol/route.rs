//! Routes, and why a request would go where.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One route; `GET /v1/routes` is a list of them in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Route {
    /// Its name: as written, or site and pattern.
    pub name: String,
    /// The hosts of its site; empty is the default site.
    pub hosts: Vec<String>,
    /// Patterns as written.
    pub patterns: Vec<String>,
    /// Each alternative set of conditions in words.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// What happens, in words.
    pub action: String,
    /// The pool, when the action is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// `file:line`.
    #[serde(default)]
    pub place: String,
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The body of `POST /v1/routes/explain`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The method; GET when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The URL: absolute, or a path when a Host header is given.
    pub url: String,
    /// Header fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Field>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    /// The listener on which it would arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
}

/// Where it would go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explanation {
    /// The method that was asked.
    pub method: String,
    /// The path as it is compared.
    pub path: String,
    /// The listener that would take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The site; absent: none answers to that host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The route that wins; absent: nothing matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The pattern that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Path parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Field>,
    /// What each `sticky` of the pool knows of the client, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sticky: Vec<String>,
    /// The server that it would go to, where that is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_to: Option<String>,
    /// How a server would be found, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server: Vec<String>,
    /// Every route that was looked at, best first.
    #[serde(default)]
    pub candidates: Vec<Candidate>,
}

/// One route that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// The route's name.
    pub route: String,
    /// The pattern that was compared.
    pub pattern: String,
    /// Whether it wins.
    pub wins: bool,
    /// Why it won or lost.
    pub why: String,
    /// `file:line`.
    #[serde(default)]
    pub place: String,
}

/// What became of one request: `GET /v1/requests/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Decision {
    /// Its `X-Request-Id`.
    pub id: String,
    /// When it ended, or became a long-lived stream.
    pub at: Timestamp,
    /// The client's address.
    pub client: String,
    /// The listener.
    pub listener: String,
    /// The generation that it saw.
    pub generation: u64,
    /// The route; absent: none matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The last server that it was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How the server was chosen, or `lbd` when none was.
    pub how: String,
    /// How often it was sent again.
    #[serde(default)]
    pub retries: u32,
    /// The answer's status; 0 when there was none.
    pub status: u16,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// Until its end.
    pub took_us: u64,
}
