//! JUnit's XML: a suite for each configuration, in it a test for each file and rule that found something, and a
//! passed one for a file in which nothing was found.

use std::collections::BTreeMap;

use super::{Checked, Region, shown, word};
use crate::config::diagnostic::{Diagnostic, Severity};

/// The document. Findings less severe than `fail_on` are told, and fail nothing.
pub fn write(checked: &[Checked], fail_on: Severity) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"lbd lint\">\n");
    checked.iter().for_each(|one| suite(one, fail_on, &mut out));
    out.push_str("</testsuites>\n");
    out
}

fn suite(one: &Checked, fail_on: Severity, out: &mut String) {
    let mut cases: BTreeMap<String, BTreeMap<&str, Vec<&Diagnostic>>> = BTreeMap::new();
    for (_, file) in one.sources.files() {
        cases.entry(shown(file.path())).or_default();
    }
    for finding in &one.report.findings {
        let file = finding.span.map_or_else(|| shown(&one.main), |span| Region::of(span, &one.sources).file);
        cases.entry(file).or_default().entry(finding.code).or_default().push(finding);
    }
    let fails = |findings: &[&Diagnostic]| findings.iter().any(|finding| finding.severity >= fail_on);
    let tests: usize = cases.values().map(|rules| rules.len().max(1)).sum();
    let failures = cases.values().flat_map(BTreeMap::values).filter(|findings| fails(findings)).count();
    let main = escaped(&shown(&one.main));
    out.push_str(&format!("  <testsuite name=\"{main}\" tests=\"{tests}\" failures=\"{failures}\">\n"));
    for (file, rules) in &cases {
        let file = escaped(file);
        if rules.is_empty() {
            out.push_str(&format!("    <testcase classname=\"{file}\" name=\"lint\"/>\n"));
        }
        for (code, findings) in rules {
            out.push_str(&format!("    <testcase classname=\"{file}\" name=\"{code}\">\n"));
            case(one, findings, fails(findings), out);
            out.push_str("    </testcase>\n");
        }
    }
    out.push_str("  </testsuite>\n");
}

fn case(one: &Checked, findings: &[&Diagnostic], fails: bool, out: &mut String) {
    let line = |finding: &&Diagnostic| {
        let place = finding.span.map(|span| Region::of(span, &one.sources));
        let place = place.map_or_else(String::new, |place| {
            format!("{}:{}:{}: ", place.file, place.start.line, place.start.column)
        });
        escaped(&format!("{place}{}", finding.message))
    };
    let text = findings.iter().map(line).collect::<Vec<_>>().join("\n");
    let worst = findings.iter().map(|finding| finding.severity).max().map_or("", word);
    let first = findings.first().map_or_else(String::new, |finding| escaped(&finding.message));
    out.push_str(&match fails {
        true => format!("      <failure type=\"{worst}\" message=\"{first}\">{text}</failure>\n"),
        false => format!("      <system-out>{text}</system-out>\n"),
    });
}

/// As text or an attribute of XML; what XML cannot hold is left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
