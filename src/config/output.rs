//! Findings for programs: one line each, JSON, SARIF, annotations of GitHub, GitLab's code quality, JUnit.
//!
//! One document for all that was checked. Lines and columns count from 1, columns in code points; the end of a
//! place is the first column behind it. What people read in a terminal is drawn by [`super::render`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::diagnostic::{Diagnostic, Report, Severity, Span};
use super::source::{File, Sources};

pub mod github;
pub mod gitlab;
pub mod json;
pub mod junit;
pub mod plain;
pub mod sarif;
#[cfg(test)]
mod tests;

/// A file set and what was found in it.
#[derive(Debug)]
pub struct Checked {
    /// The file that it begins with, as the user named it.
    pub main: PathBuf,
    /// What was found.
    pub report: Report,
    /// What was read.
    pub sources: Sources,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line each.
    Plain,
    /// lbd's own.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// A code quality report of GitLab.
    Gitlab,
    /// JUnit's XML.
    Junit,
}

/// Everything found, as one document. `fail_on`: what counts as a failure where the format knows failures.
pub fn write(format: Format, checked: &[Checked], fail_on: Severity) -> String {
    match format {
        Format::Plain => plain::write(checked),
        Format::Json => json::write(checked),
        Format::Sarif => sarif::write(checked),
        Format::Github => github::write(checked),
        Format::Gitlab => gitlab::write(checked),
        Format::Junit => junit::write(checked, fail_on),
    }
}

/// Where the page of a rule can be read.
pub fn url(code: &str) -> String {
    format!("{}/blob/main/docs/lint/{code}.md", env!("CARGO_PKG_REPOSITORY"))
}

/// How many findings of each severity there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Hints.
    pub hints: usize,
    /// Those of them that `--fix` mends.
    pub fixable: usize,
    /// Those that `--fix --unsafe` mends besides.
    pub fixable_unsafe: usize,
    /// Those that are allowed; they are in no other count.
    pub silenced: usize,
}

impl Counts {
    /// Over several file sets.
    pub fn of<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Self {
        let mut counts = Self::default();
        for report in reports {
            counts.errors += report.count(Severity::Error);
            counts.warnings += report.count(Severity::Warning);
            counts.hints += report.count(Severity::Hint);
            counts.silenced += report.ruling.silenced.len();
            for finding in &report.findings {
                match finding.fixes.iter().any(|fix| fix.safe) {
                    true => counts.fixable += 1,
                    false => counts.fixable_unsafe += usize::from(!finding.fixes.is_empty()),
                }
            }
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    /// `2 errors, 1 warning (1 fixable with --fix)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [(self.errors, "error"), (self.warnings, "warning"), (self.hints, "hint")];
        let part = |&(count, word): &(usize, &str)| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        };
        let parts: Vec<String> = named.iter().filter_map(part).collect();
        f.write_str(&if parts.is_empty() { "nothing to report".to_owned() } else { parts.join(", ") })?;
        match (self.fixable, self.fixable_unsafe) {
            (0, 0) => Ok(()),
            (0, n) => write!(f, " ({n} fixable with --fix --unsafe)"),
            (n, _) => write!(f, " ({n} fixable with --fix)"),
        }
    }
}

/// `error`, `warning`, `hint`.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    }
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Region {
    file: String,
    start: Position,
    end: Position,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    line: u32,
    column: u32,
    byte: u32,
}

impl Region {
    fn of(span: Span, sources: &Sources) -> Self {
        let position = |byte: u32| {
            let (line, column) = sources.line_column(Span { start: byte, end: byte, ..span });
            Position { line, column, byte }
        };
        let file = sources.file(span.file).map(File::path).map(shown).unwrap_or_default();
        Self { file, start: position(span.start), end: position(span.end.max(span.start)) }
    }
}

/// A path as programs want it: from the working directory on, when it is below that.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(path);
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// A fingerprint for each finding that stays the same while lines come and go around it: made of the code, of what
/// it is about and of the message; the number makes equal ones differ.
#[derive(Debug, Default)]
struct Fingerprints(BTreeMap<String, u32>);

impl Fingerprints {
    fn next(&mut self, finding: &Diagnostic, file: &str) -> String {
        let mut all = Sha256::new();
        let subject = finding.subject.as_deref().unwrap_or_default();
        for part in [finding.code, file, subject, &finding.message] {
            all.update((part.len() as u64).to_le_bytes());
            all.update(part);
        }
        let print = data_encoding::HEXLOWER.encode(&all.finalize()[..16]);
        let count = self.0.entry(print.clone()).or_default();
        *count += 1;
        if *count == 1 { print } else { format!("{print}-{count}") }
    }
}
