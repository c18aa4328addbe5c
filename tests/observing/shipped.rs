//! The dashboard and the alert rules that come with lbd name only what lbd measures.

use std::collections::BTreeSet;

use lbd::admin::{Kind, families};
use serde_json::Value;

use super::read;

const DASHBOARD: &str = "packaging/grafana/lbd.json";
const RULES: &str = "packaging/prometheus/lbd.rules.yml";

/// Every name in a text that could be one of a metric.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| ["lbd_", "process_"].iter().any(|start| word.starts_with(start))).collect()
}

/// Every name that a query may use, with the labels of its metric.
fn series() -> Vec<(String, &'static [&'static str])> {
    let series = families().into_iter().flat_map(|family| {
        let ends: &[&str] = match family.kind {
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            Kind::Counter | Kind::Gauge => &[""],
        };
        ends.iter().map(move |end| (format!("{}{end}", family.name), family.labels))
    });
    series.collect()
}

fn queries(panel: &Value, found: &mut Vec<String>) {
    match panel {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "expr" || key == "query" => found.push(text.clone()),
                    value => queries(value, found),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| queries(one, found)),
        _ => {}
    }
}

#[test]
fn every_metric_that_is_shown_or_alerted_on_exists() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut shown = Vec::new();
    queries(&dashboard, &mut shown);
    assert!(shown.len() >= 20, "{shown:?}");
    let known: BTreeSet<String> = series().into_iter().map(|(name, _)| name).collect();
    for (file, text) in [(DASHBOARD, shown.join("\n")), (RULES, read(RULES))] {
        let named = names(&text);
        assert!(named.len() >= 10, "{file}: {named:?}");
        let strange: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
        assert!(strange.is_empty(), "{file} names {strange:?}, which lbd does not measure");
    }
}

#[test]
fn every_label_that_is_selected_or_summed_by_is_one_of_its_metric() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut texts = Vec::new();
    queries(&dashboard, &mut texts);
    texts.push(read(RULES));
    for text in &texts {
        for (name, labels) in series() {
            let use_of = format!("{name}{{");
            for (at, found) in text.match_indices(&use_of) {
                let inner = text[at + found.len()..].split('}').next().unwrap_or_default();
                for matcher in inner.split(',').filter(|matcher| !matcher.trim().is_empty()) {
                    let label = matcher.trim().split(['=', '!']).next().unwrap_or_default();
                    let general = ["instance", "job", "le"].contains(&label);
                    assert!(general || labels.contains(&label), "{name} has no label {label}: {inner}");
                }
            }
        }
    }
}

#[test]
fn every_alert_says_what_happens_and_what_to_do() {
    let rules = read(RULES);
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10, "{}", alerts.len());
    for alert in alerts {
        for part in ["expr:", "severity:", "summary:", "description:"] {
            assert!(alert.contains(part), "no {part} in {alert}");
        }
    }
}
