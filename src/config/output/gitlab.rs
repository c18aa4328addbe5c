//! GitLab's code quality report: a list, each finding with a fingerprint that outlives edits elsewhere.

use serde_json::{Value, json};

use super::{Checked, Fingerprints, Region, shown};
use crate::config::diagnostic::{Diagnostic, Severity};

/// The document.
pub fn write(checked: &[Checked]) -> String {
    let mut prints = Fingerprints::default();
    let all = checked.iter().flat_map(|one| one.report.findings.iter().map(move |found| (one, found)));
    let list: Vec<Value> = all.map(|(one, finding)| issue(one, finding, &mut prints)).collect();
    format!("{:#}\n", Value::Array(list))
}

fn issue(one: &Checked, finding: &Diagnostic, prints: &mut Fingerprints) -> Value {
    let severity = match finding.severity {
        Severity::Error => "critical",
        Severity::Warning => "minor",
        Severity::Hint => "info",
    };
    // A finding about a whole file stands at its first line: a place is due.
    let (file, begin, end) = match finding.span.map(|span| Region::of(span, &one.sources)) {
        Some(Region { file, start, end }) => (file, start.line, end.line),
        None => (shown(&one.main), 1, 1),
    };
    json!({
        "description": finding.message,
        "check_name": finding.code,
        "fingerprint": prints.next(finding, &file),
        "severity": severity,
        "location": { "path": file, "lines": { "begin": begin, "end": end } },
    })
}
