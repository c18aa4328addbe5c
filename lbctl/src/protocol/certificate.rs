//! Certificates in use.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One certificate; `GET /v1/certificates` is a list of them by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Certificate {
    /// The name of its file, without the ending.
    pub name: String,
    /// Its file.
    pub chain: String,
    /// The file of its key.
    pub key: String,
    /// Where it is shown: `listen/NAME` to clients, `pool/NAME` to servers.
    pub used_by: Vec<String>,
    /// Names that it is for.
    pub names: Vec<String>,
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Its number, in hexadecimal.
    pub serial: String,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Whole days until then; negative once it is over.
    pub days_left: i64,
    /// Sha-256 of it, in hexadecimal.
    pub fingerprint: String,
    /// How many certificates are in its chain.
    pub chain_length: usize,
}
