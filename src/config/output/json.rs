//! lbd's own JSON: everything that is known about a finding. Fields are added, never renamed or removed, while
//! `version` is 1.
//!
//! ```text
//! { "version": 1,
//!   "files": ["lbd.kdl"],            every file that was read
//!   "findings": [{
//!     "code": "LB101", "severity": "error" | "warning" | "hint",
//!     "message": "…", "subject": "pool/app/server" | null,
//!     "file": "lbd.kdl" | null,      null: it is about no place in a file
//!     "start": {"line": 3, "col": 5, "byte": 40} | null, "end": … (the first place behind it),
//!     "label": "…" | null,           a few words for that place
//!     "labels": [{"file", "start", "end", "text"}],
//!     "help": ["…"],
//!     "fixes": [{"safe": true, "edits": [{"file", "start_byte", "end_byte", "text"}]}],
//!     "url": "…" }],
//!   "silenced": [{"code", "message", "file", "start", "end", "reason": "…" | null}],
//!   "summary": {"errors": 1, "warnings": 0, "hints": 0, "fixable": 1, "fixable_unsafe": 0, "silenced": 0} }
//! ```

use std::ops::Range;

use serde_json::{Value, json};

use super::{Checked, Counts, Position, Region, shown, url, word};
use crate::config::diagnostic::{Diagnostic, Fix, Span};
use crate::config::source::Sources;

/// The document.
pub fn write(checked: &[Checked]) -> String {
    let files: Vec<String> =
        checked.iter().flat_map(|one| one.sources.files()).map(|(_, file)| shown(file.path())).collect();
    let findings: Vec<Value> = checked
        .iter()
        .flat_map(|one| one.report.findings.iter().map(|found| finding(found, &one.sources)))
        .collect();
    let silenced: Vec<Value> = checked.iter().flat_map(silenced).collect();
    let counts = Counts::of(checked.iter().map(|one| &one.report));
    let summary = json!({
        "errors": counts.errors, "warnings": counts.warnings, "hints": counts.hints,
        "fixable": counts.fixable, "fixable_unsafe": counts.fixable_unsafe, "silenced": counts.silenced,
    });
    let document = json!({
        "version": 1, "files": files, "findings": findings, "silenced": silenced, "summary": summary,
    });
    format!("{document:#}\n")
}

fn finding(finding: &Diagnostic, sources: &Sources) -> Value {
    let mut value = json!({
        "code": finding.code,
        "severity": word(finding.severity),
        "message": finding.message,
        "subject": finding.subject,
        "label": finding.label,
        "labels": [],
        "help": finding.help,
        "fixes": finding.fixes.iter().map(|one| fix(one, sources)).collect::<Vec<_>>(),
        "url": url(finding.code),
    });
    place(&mut value, finding.span, sources);
    let labels = finding.labels.iter().map(|label| {
        let mut value = json!({ "text": label.text });
        place(&mut value, Some(label.span), sources);
        value
    });
    value["labels"] = labels.collect();
    value
}

fn silenced(one: &Checked) -> impl Iterator<Item = Value> {
    one.report.ruling.silenced.iter().map(|silenced| {
        let finding = &silenced.finding;
        let mut value =
            json!({ "code": finding.code, "message": finding.message, "reason": silenced.reason });
        place(&mut value, finding.span, &one.sources);
        value
    })
}

fn place(value: &mut Value, span: Option<Span>, sources: &Sources) {
    let region = span.map(|span| Region::of(span, sources));
    value["file"] = json!(region.as_ref().map(|region| &region.file));
    value["start"] = json!(region.as_ref().map(|region| position(region.start)));
    value["end"] = json!(region.as_ref().map(|region| position(region.end)));
}

fn position(at: Position) -> Value {
    json!({ "line": at.line, "col": at.column, "byte": at.byte })
}

fn fix(fix: &Fix, sources: &Sources) -> Value {
    let edits = fix.edits.iter().map(|edit| {
        let region = Region::of(edit.span, sources);
        json!({
            "file": region.file, "start_byte": region.start.byte, "end_byte": region.end.byte, "text": edit.text,
        })
    });
    let files = fix.files.iter().map(|edit| {
        let Range { start, end } = edit.range;
        json!({ "file": shown(&edit.path), "start_byte": start, "end_byte": end, "text": edit.new })
    });
    json!({ "safe": fix.safe, "edits": edits.chain(files).collect::<Vec<_>>() })
}
