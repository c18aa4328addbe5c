//! Workflow commands of GitHub Actions, which it shows beside the lines of a change.
//!
//! It shows about ten of each level and step, so errors come first, and the last line counts them all.

use super::{Checked, Counts, Region, shown};
use crate::config::diagnostic::{Diagnostic, Severity};

/// All findings.
pub fn write(checked: &[Checked]) -> String {
    let all = || checked.iter().flat_map(|one| one.report.findings.iter().map(move |found| (one, found)));
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Hint] {
        all()
            .filter(|(_, finding)| finding.severity == severity)
            .for_each(|(one, finding)| out.push_str(&command(one, finding)));
    }
    if !out.is_empty() {
        out.push_str(&format!("{}\n", Counts::of(checked.iter().map(|one| &one.report))));
    }
    out
}

fn command(one: &Checked, finding: &Diagnostic) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "notice",
    };
    let place = match finding.span.map(|span| Region::of(span, &one.sources)) {
        Some(Region { file, start, end }) => {
            let mut place = format!("file={},line={},endLine={}", property(&file), start.line, end.line);
            // Columns are believed on one line only.
            if start.line == end.line {
                place.push_str(&format!(",col={},endColumn={}", start.column, end.column));
            }
            place
        }
        None => format!("file={}", property(&shown(&one.main))),
    };
    let mut text = finding.message.clone();
    for line in finding.label.iter().chain(&finding.help) {
        text.push_str(&format!("\n{line}"));
    }
    format!("::{level} {place},title={}::{}\n", property(finding.code), data(&text))
}

/// What may not stand in the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What may not stand in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
