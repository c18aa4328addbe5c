//! Results as text: for a person, as JUnit's XML, as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::outcome::{Case, Outcome, Tested};
use crate::config::output::junit::escaped;
use crate::config::render;

/// Each failure drawn; with `coverage` also what was not reached.
pub(super) fn human(outcome: &Outcome, color: bool, coverage: bool) -> String {
    let mut out = String::new();
    for group in &outcome.groups {
        for file in &group.files {
            out.push_str(&render::human(&file.report(), &file.sources, color));
        }
        if coverage {
            for part in group.coverage.missed() {
                let _ = writeln!(out, "not reached: {part}");
            }
        }
    }
    out
}

/// `12 expectations: 11 hold, 1 fails; 9 of 10 routes reached (90 %)`
pub(super) fn summary(outcome: &Outcome) -> String {
    let (all, failed) = (outcome.cases().count(), outcome.failed());
    let (routes, reached) = outcome.reached();
    let count = |n: usize| format!("{n} expectation{}", if n == 1 { "" } else { "s" });
    let result = match failed {
        0 => format!("{}: all hold", count(all)),
        1 => format!("{}: {} hold, 1 fails", count(all), all - 1),
        n => format!("{}: {} hold, {n} fail", count(all), all - n),
    };
    format!(
        "{result}; {reached} of {routes} routes and conditions reached ({:.0} %)",
        outcome.percent().floor()
    )
}

/// JSON: every expectation, and what was not reached.
pub(super) fn json(outcome: &Outcome) -> String {
    let groups: Vec<Value> = outcome
        .groups
        .iter()
        .map(|group| {
            let missed: Vec<String> = group.coverage.missed().map(ToString::to_string).collect();
            json!({
                "config": group.config.display().to_string(),
                "files": group.files.iter().map(file_json).collect::<Vec<_>>(),
                "not_reached": missed,
            })
        })
        .collect();
    let value = json!({
        "expectations": outcome.cases().count(),
        "failed": outcome.failed(),
        "coverage_percent": outcome.percent(),
        "configurations": groups,
    });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

fn file_json(file: &Tested) -> Value {
    let case = |case: &Case| {
        let mismatches = case.mismatches.iter();
        let mismatches: Vec<Value> =
            mismatches.map(|one| json!({ "expected": one.expected, "found": one.found })).collect();
        let route = case.answer.as_ref().and_then(|answer| answer.route.as_ref());
        json!({
            "place": case.expectation.place.to_string(),
            "method": case.expectation.method,
            "url": case.expectation.url.value,
            "holds": case.finding.is_none(),
            "mismatches": mismatches,
            "error": case.finding.as_ref().filter(|_| case.answer.is_none()).map(|finding| &finding.message),
            "route": route.map(|route| &route.name),
            "route_place": route.map(|route| &route.place),
        })
    };
    json!({
        "file": file.path.display().to_string(),
        "expectations": file.cases.iter().map(case).collect::<Vec<_>>(),
    })
}

/// JUnit's XML, as CI servers read it: a suite for each file, a case for each expectation.
pub(super) fn junit(outcome: &Outcome) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"lbd test\" tests=\"{}\" failures=\"{}\">",
        outcome.cases().count(),
        outcome.failed()
    );
    for file in outcome.groups.iter().flat_map(|group| &group.files) {
        let name = escaped(&file.path.display().to_string());
        let failures = file.cases.iter().filter(|case| case.finding.is_some()).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\">",
            file.cases.len()
        );
        for case in &file.cases {
            let place = &case.expectation.place;
            let (title, file) = (escaped(&case.name()), escaped(&place.file.display().to_string()));
            let _ = write!(
                out,
                "    <testcase name=\"{title}\" classname=\"{name}\" file=\"{file}\" line=\"{}\"",
                place.line
            );
            match &case.finding {
                None => out.push_str("/>\n"),
                Some(finding) => {
                    let said: Vec<&str> = std::iter::once(finding.message.as_str())
                        .chain(finding.help.iter().map(String::as_str))
                        .collect();
                    let _ = writeln!(
                        out,
                        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        escaped(&finding.message),
                        escaped(&format!("{place}\n{}", said.join("\n")))
                    );
                }
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out + "</testsuites>\n"
}
