//! Findings, drawn.

use super::diagnostic::{Diagnostic, Report};
use super::source::Sources;

/// Every finding as a person in a terminal wants it: the line, a caret, help, and the fix as a diff.
pub fn human(_report: &Report, _sources: &Sources, _color: bool) -> String {
    String::new()
}

/// One finding on one line, for logs and `lbctl status`: `lbd.kdl:7:10 message (KDL001)`.
pub fn line(_finding: &Diagnostic, _sources: &Sources) -> String {
    String::new()
}
