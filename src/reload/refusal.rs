//! Why a file set is refused although it can be read, what is said of one that cannot, and why nothing starts.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::plan::Plan;
use super::state::{Cause, Findings, Reason, Rejected};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::model::Reload;
use crate::config::render;

/// Why nothing could be started.
#[derive(Debug)]
pub enum BootError {
    /// The main file is not there. Nothing is guessed, also when an older generation is stored.
    Missing(Arc<Rejected>),
    /// The files are bad, and there is no older generation to run, or it is not wanted.
    Rejected(Arc<Rejected>),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(rejected) | Self::Rejected(rejected) => rejected.fmt(f),
        }
    }
}

impl std::error::Error for BootError {}

/// A listener that a change would close, and how many long-lived streams came by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severed {
    /// The listener.
    pub listener: String,
    /// The streams.
    pub streams: u64,
}

/// What lets a change close listeners with open streams.
pub(super) const MEANT: &str =
    "if it is meant, say so: `lbctl config apply --force`, or `lbctl config apply --confirm-within 5m`";

/// Listeners with open streams are closed by who knows of the streams: not by a save, and not by an order to read what
/// was saved. What takes a change back, and a process that starts, is not held up.
pub(super) fn severs_streams(cause: &Cause, severed: &[Severed]) -> Option<Diagnostic> {
    let guarded = matches!(cause, Cause::Watch | Cause::Signal | Cause::Api { .. });
    let message = closes(severed).filter(|_| guarded)?;
    Some(Diagnostic::new("LB908", Severity::Error, None, message).help(MEANT))
}

/// That a change closes listeners with open streams, in words.
pub(super) fn closes(severed: &[Severed]) -> Option<String> {
    let Severed { listener, streams } = severed.first()?;
    let more = match severed.len() {
        1 => String::new(),
        count => format!(", and {} more listeners with streams", count - 1),
    };
    let plural = if *streams == 1 { "" } else { "s" };
    Some(format!(
        "this change closes the listener {listener}, by which {streams} open WebSocket{plural} or tunnel{plural} \
         came{more}"
    ))
}

/// A file that was cut or emptied by accident must not take the site down while nobody looks.
pub(super) fn removes_too_much(cause: &Cause, settings: Reload, plan: &Plan) -> Option<Diagnostic> {
    let limit = settings.max_removal_percent.filter(|_| *cause == Cause::Watch)?;
    let (share, kind) = plan.removal();
    (share > limit).then(|| {
        let message = format!(
            "this change removes {share:.0}% of the {kind}s, and `reload max-removal` allows {limit}% \
             without a person asking"
        );
        Diagnostic::new("LB908", Severity::Error, None, message)
            .help("if it is meant, say so: `lbctl config reload`")
    })
}

/// The first error in one line, and how many more there are.
pub(super) fn headline(findings: &Findings, reason: Reason, main: &Path) -> String {
    let mut errors = findings.report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let Some(first) = errors.next() else {
        return match reason {
            Reason::Missing => format!("{} cannot be read", main.display()),
            Reason::Internal => format!("reading {} failed inside lbd; please report it", main.display()),
            _ => format!("{} cannot be used", main.display()),
        };
    };
    let first = render::line(first, &findings.sources);
    let more = match errors.count() {
        0 => String::new(),
        1 => ", and one more error".into(),
        count => format!(", and {count} more errors"),
    };
    first + &more
}
