//! Which long-lived streams are meant: the same words choose those of a list and those that a drain closes.

use serde::{Deserialize, Serialize};

/// All that is said must hold; where nothing is said, all are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Clients of this network: `10.0.0.0/8`, or one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Streams that came by the route of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Open for so long: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<String>,
    /// Silent for so long: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}

impl Choice {
    /// What is said, each with its name.
    pub fn parts(&self) -> Vec<(&'static str, &str)> {
        let all =
            [("from", &self.from), ("route", &self.route), ("older", &self.older), ("idle", &self.idle)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }

    /// In words: `from 10.0.0.0/8, idle 5m`.
    pub fn words(&self) -> String {
        let words: Vec<String> = self.parts().iter().map(|(name, value)| format!("{name} {value}")).collect();
        words.join(", ")
    }
}
