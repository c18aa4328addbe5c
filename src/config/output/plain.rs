//! One line for each finding, as compilers write them: `lbd.kdl:7:10: error KDL001 message`.

use super::{Checked, Region, shown, word};

/// All findings.
pub fn write(checked: &[Checked]) -> String {
    let mut out = String::new();
    for one in checked {
        for finding in &one.report.findings {
            let place = match finding.span.map(|span| Region::of(span, &one.sources)) {
                Some(Region { file, start, .. }) => format!("{file}:{}:{}", start.line, start.column),
                None => shown(&one.main),
            };
            let (severity, message) = (word(finding.severity), finding.message.replace('\n', " "));
            out.push_str(&format!("{place}: {severity} {} {message}\n", finding.code));
        }
    }
    out
}
