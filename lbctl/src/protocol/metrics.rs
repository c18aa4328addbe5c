//! Metrics: `GET /v1/metrics` is Prometheus text (exposition format 0.0.4), the same page as the status endpoint's.
//! Here it is taken apart for those who want JSON, or a part of it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One metric with all that it was measured of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Family {
    /// `lbd_pool_requests_total`.
    pub name: String,
    /// `counter`, `gauge`, `histogram`.
    pub kind: String,
    /// What it says.
    pub help: String,
    /// Its values.
    pub samples: Vec<Sample>,
    /// Its lines of the page.
    #[serde(skip)]
    pub text: String,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sample {
    /// The family's name; of a histogram with `_bucket`, `_sum` or `_count` behind it.
    pub name: String,
    /// What it was measured of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The value; `null` where the page has no number.
    pub value: Option<serde_json::Number>,
}

impl Family {
    /// The families of a page. A line that is none of Prometheus' is left out.
    pub fn read(page: &str) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in page.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                all.push(Self { name: name.to_owned(), help: help.to_owned(), ..Self::default() });
            }
            let Some(family) = all.last_mut() else { continue };
            if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                kind.clone_into(&mut family.kind);
            }
            family.samples.extend(sample(line));
            family.text.push_str(line);
            family.text.push('\n');
        }
        all
    }
}

/// `name{label="text",...} value`.
fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    let whole = value.parse::<u64>().ok().map(serde_json::Number::from);
    let value = whole.or_else(|| serde_json::Number::from_f64(value.parse().ok()?));
    Some(Sample { name: name.to_owned(), labels: self::labels(labels), value })
}

/// `label="text",label="text"}`; in a text backslash, quote and newline are escaped by a backslash.
fn labels(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((label, after)) = rest.split_once("=\"") {
        let (mut value, mut end, mut escaped) = (String::new(), after.len(), false);
        for (at, c) in after.char_indices() {
            match (escaped, c) {
                (true, 'n') => value.push('\n'),
                (true, c) => value.push(c),
                (false, '\\') => {}
                (false, '"') => {
                    end = at + 1;
                    break;
                }
                (false, c) => value.push(c),
            }
            escaped = !escaped && c == '\\';
        }
        found.insert(label.trim_start_matches(',').to_owned(), value);
        rest = &after[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(
        "# HELP lbd_config_generation The generation that serves.\n",
        "# TYPE lbd_config_generation gauge\n",
        "lbd_config_generation 7\n",
        "# HELP lbd_pool_first_byte_seconds Until the first byte.\n",
        "# TYPE lbd_pool_first_byte_seconds histogram\n",
        "lbd_pool_first_byte_seconds_bucket{pool=\"a\\\"b\\\\,c\",le=\"+Inf\"} 3\n",
        "lbd_pool_first_byte_seconds_sum{pool=\"app\"} 0.25\n",
        "lbd_pool_first_byte_seconds_count{pool=\"app\"} NaN\n",
    );

    #[test]
    fn a_page_is_taken_apart_and_nothing_of_it_is_lost() {
        let all = Family::read(PAGE);
        let names: Vec<_> = all.iter().map(|family| (family.name.as_str(), family.kind.as_str())).collect();
        assert_eq!(names, [("lbd_config_generation", "gauge"), ("lbd_pool_first_byte_seconds", "histogram")]);
        assert_eq!(all.iter().map(|family| family.text.as_str()).collect::<String>(), PAGE);
        let values: Vec<_> = all.iter().flat_map(|family| &family.samples).collect();
        assert_eq!(values[0].value, Some(7.into()));
        assert_eq!(values[1].labels["pool"], "a\"b\\,c");
        assert_eq!(values[1].labels["le"], "+Inf");
        assert_eq!(values[2].value, serde_json::Number::from_f64(0.25));
        assert_eq!((values[3].labels["pool"].as_str(), &values[3].value), ("app", &None));
    }
}
