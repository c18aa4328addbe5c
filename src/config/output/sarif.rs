//! SARIF 2.1.0, the form in which code scanning takes findings.
//!
//! Every rule is declared, also those that found nothing: an alert whose rule is gone would stay open. Columns are
//! code points, and the document says so. What is allowed is there as suppressed, with its reason.

use serde_json::{Value, json};

use super::{Checked, Fingerprints, Region, shown, url};
use crate::config::diagnostic::{Diagnostic, Fix, Severity};
use crate::config::rules::{self, Rule};
use crate::config::source::Sources;

/// What paths are relative to: the directory in which lbd was started.
const ROOT: &str = "SRCROOT";

/// The document.
pub fn write(checked: &[Checked]) -> String {
    let rules: Vec<Rule> = rules::all().collect();
    let mut prints = Fingerprints::default();
    let mut results = Vec::new();
    for one in checked {
        for finding in &one.report.findings {
            results.push(result(finding, one, &rules, &mut prints));
        }
        for silenced in &one.report.ruling.silenced {
            let mut value = result(&silenced.finding, one, &rules, &mut prints);
            let mut suppression = json!({ "kind": "inSource" });
            if let Some(reason) = &silenced.reason {
                suppression["justification"] = json!(reason);
            }
            value["suppressions"] = json!([suppression]);
            results.push(value);
        }
    }
    let driver = json!({
        "name": "lbd lint",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": rules.iter().map(|rule| declared(*rule)).collect::<Vec<_>>(),
    });
    let run = json!({
        "tool": { "driver": driver },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": { ROOT: { "description": { "text": "the directory in which lbd was started" } } },
        "results": results,
    });
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run],
    });
    format!("{document:#}\n")
}

/// A rule, with its page as help.
fn declared(rule: Rule) -> Value {
    let usual = rule.severities().next().map_or("none", level);
    let help: Vec<&str> = ["What", "Why"].map(|name| rule.section(name)).to_vec();
    json!({
        "id": rule.code,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": help[0] },
        "help": { "text": help.join("\n\n"), "markdown": rule.page },
        "helpUri": url(rule.code),
        "defaultConfiguration": { "level": usual },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}

fn result(finding: &Diagnostic, one: &Checked, rules: &[Rule], prints: &mut Fingerprints) -> Value {
    let sources = &one.sources;
    let region = finding.span.map(|span| Region::of(span, sources));
    let (file, place) = match &region {
        Some(region) => (region.file.clone(), physical(region)),
        None => {
            let main = shown(&one.main);
            (main.clone(), json!({ "artifactLocation": artifact(&main) }))
        }
    };
    let mut text = finding.message.clone();
    for line in finding.label.iter().chain(&finding.help) {
        text.push_str(&format!("\n{line}"));
    }
    let mut value = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": place }],
        "partialFingerprints": { "lbd/v1": prints.next(finding, &file) },
    });
    if let Ok(index) = rules.binary_search_by_key(&finding.code, |rule| rule.code) {
        value["ruleIndex"] = json!(index);
    }
    if !finding.labels.is_empty() {
        let related = finding.labels.iter().enumerate().map(|(id, label)| {
            let place = physical(&Region::of(label.span, sources));
            json!({ "id": id, "physicalLocation": place, "message": { "text": label.text } })
        });
        value["relatedLocations"] = related.collect();
    }
    if !finding.fixes.is_empty() {
        value["fixes"] = finding.fixes.iter().map(|one| fix(one, finding, sources)).collect();
    }
    value
}

fn fix(fix: &Fix, finding: &Diagnostic, sources: &Sources) -> Value {
    let mut changes: Vec<(String, Vec<Value>)> = Vec::new();
    let mut change = |file: String, deleted: Value, text: &str| {
        let mut replacement = json!({ "deletedRegion": deleted });
        if !text.is_empty() {
            replacement["insertedContent"] = json!({ "text": text });
        }
        match changes.iter_mut().find(|(other, _)| *other == file) {
            Some((_, replacements)) => replacements.push(replacement),
            None => changes.push((file, vec![replacement])),
        }
    };
    for edit in &fix.edits {
        let place = Region::of(edit.span, sources);
        let deleted = region(&place);
        change(place.file, deleted, &edit.text);
    }
    for edit in &fix.files {
        let deleted = json!({ "byteOffset": edit.range.start, "byteLength": edit.range.len() });
        change(shown(&edit.path), deleted, &edit.new);
    }
    let changes = changes.into_iter().map(
        |(file, replacements)| json!({ "artifactLocation": artifact(&file), "replacements": replacements }),
    );
    let help = finding.help.first().map_or("mend it", String::as_str);
    json!({ "description": { "text": help }, "artifactChanges": changes.collect::<Vec<_>>() })
}

fn physical(place: &Region) -> Value {
    json!({ "artifactLocation": artifact(&place.file), "region": region(place) })
}

fn region(place: &Region) -> Value {
    json!({
        "startLine": place.start.line, "startColumn": place.start.column,
        "endLine": place.end.line, "endColumn": place.end.column,
    })
}

fn artifact(file: &str) -> Value {
    match file.starts_with('/') {
        true => json!({ "uri": format!("file://{}", uri(file)) }),
        false => json!({ "uri": uri(file), "uriBaseId": ROOT }),
    }
}

/// A path as a URI holds it: what may not stand in one is written `%XX`.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(one).collect()
}
