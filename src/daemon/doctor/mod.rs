//! `lbd doctor`: looks at a machine, and at what a configuration needs of it, for what would go wrong.
//!
//! Changes nothing. What the files themselves say wrong is the linter's; what is looked at over the network is what
//! `lbd lint --online` looks at, told here as lines like the others. Each line says how to mend what it found.

mod network;
mod places;
mod ports;
mod running;
mod system;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::diagnostic::{Report, Severity};
use crate::config::model::Model;
use crate::config::source::{FsLoader, Sources};
use crate::tls;

use running::Running;

/// What is looked at, in the order of the lines.
pub const CHECKS: &[&str] = &[
    "configuration",
    "control",
    "open-files",
    "backlog",
    "source-ports",
    "memory",
    "listeners",
    "state",
    "watching",
    "certificates",
    "servers",
    "clock",
];

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It serves, and may disappoint.
    Warn,
    /// It does not serve, or not everybody.
    Fail,
}

impl Verdict {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which look: one of [`CHECKS`].
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found.
    pub what: String,
    /// What follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How to mend it, a sentence or a command each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
}

impl Line {
    fn new(check: &'static str, verdict: Verdict, what: impl Into<String>) -> Self {
        Self { check, verdict, what: what.into(), why: None, mend: Vec::new() }
    }

    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, what)
    }

    fn warn(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, what)
    }

    fn fail(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, what)
    }

    fn why(mut self, text: impl Into<String>) -> Self {
        self.why = Some(text.into());
        self
    }

    fn mend(mut self, text: impl Into<String>) -> Self {
        self.mend.push(text.into());
        self
    }
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Options {
    /// The main file.
    pub config: PathBuf,
    /// The state directory, if there is to be one.
    pub state_dir: Option<PathBuf>,
    /// Whether servers are asked.
    pub online: bool,
}

/// Looks at everything; the lines in the order of [`CHECKS`].
pub fn examine(options: &Options) -> Vec<Line> {
    let loaded = crate::config::load(&options.config, &FsLoader);
    let mut lines = vec![configuration(&options.config, &loaded.report)];
    let Some(model) = loaded.model else {
        lines.extend(places::state(options.state_dir.as_deref()));
        return lines;
    };
    let running = Running::find(&model);
    lines.extend(places::control(&model, &running));
    lines.extend(system::look(&model, running.process()));
    lines.extend(ports::look(&model, running.process()));
    lines.extend(places::state(options.state_dir.as_deref()));
    lines.extend(places::watching(&model, &loaded.sources));
    lines.extend(outside(&model, &loaded.sources, options.online));
    lines
}

/// What certificates and servers say.
fn outside(model: &Model, sources: &Sources, online: bool) -> Vec<Line> {
    let mut report = Report::default();
    let tls = tls::prepare(&mut tls::Store::default(), model, tls::Stage::Start, &mut report);
    let mut lines = network::certificates(&report, &tls.certificates);
    if online && !report.has_errors() {
        lines.extend(network::servers(model, &tls, sources));
        lines.extend(network::clock(model, &tls, sources));
    }
    lines
}

fn configuration(path: &Path, report: &Report) -> Line {
    let of = |severity| report.findings.iter().filter(|found| found.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let path = path.display();
    let look = format!("lbd lint {path}");
    match (errors, warnings) {
        (0, 0) => Line::ok("configuration", format!("{path} loads")),
        (0, warnings) => {
            let what = format!("{path} loads, with {}", counted(warnings, "warning"));
            Line::warn("configuration", what).mend(look)
        }
        (errors, _) => {
            let first = report.findings.iter().find(|found| found.severity == Severity::Error);
            let what = format!("{path} does not load: {}", counted(errors, "error"));
            let line = Line::fail("configuration", what).mend(look);
            match first {
                Some(first) => line.why(format!("{}: {}", first.code, first.message)),
                None => line,
            }
        }
    }
}

/// `1 server`, `2 servers`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A file of the system's, or nothing where there is none.
fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{BASE, load_text};

    #[test]
    fn a_configuration_is_judged_by_its_worst_finding() {
        let judged = |text: &str| {
            let line = configuration(Path::new("lbd.kdl"), &load_text(text).report);
            (line.verdict, line.mend.len())
        };
        assert_eq!(judged(&format!("{BASE}listen \":8080\"")), (Verdict::Ok, 0));
        assert_eq!(judged(&format!("{BASE}listen \":8080\" nonsense=1")), (Verdict::Fail, 1));
        let line = configuration(Path::new("x.kdl"), &load_text("listen").report);
        assert!(line.what.contains("x.kdl does not load") && line.why.is_some(), "{line:?}");
    }

    #[test]
    fn a_machine_without_a_configuration_is_told_so_and_ends_there() {
        let options = Options { config: "/nonexistent/lbd.kdl".into(), state_dir: None, online: true };
        let lines = examine(&options);
        assert_eq!((lines[0].check, lines[0].verdict), ("configuration", Verdict::Fail));
        assert!(lines.iter().all(|line| CHECKS.contains(&line.check)));
    }
}
