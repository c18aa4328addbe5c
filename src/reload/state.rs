//! What reloading has done so far, for whoever asks: the control socket, the log, the metrics.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::diagnostic::{Report, Severity};
use crate::config::output::word;
use crate::config::source::Sources;

/// What made somebody read the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The process started.
    Boot,
    /// The files changed.
    Watch,
    /// SIGHUP.
    Signal,
    /// A caller of the control socket.
    Api {
        /// Who: the peer's user name, or its id.
        actor: String,
    },
    /// An operator changed what runs: `apply`, `rollback`, `pin`, `unpin`.
    Operator {
        /// Which of these.
        verb: &'static str,
        /// Who.
        by: By,
    },
    /// What was applied to be confirmed was taken back.
    Return {
        /// Why, in words.
        why: String,
    },
}

/// Who asked for a change, and what for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct By {
    /// The peer's user name, or its id.
    pub actor: String,
    /// In the operator's words.
    pub reason: Option<String>,
}

impl Cause {
    /// `boot`, `watch`, `signal`, `api`, `apply`, `rollback`, `pin`, `unpin`, `return`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Watch => "watch",
            Self::Signal => "signal",
            Self::Api { .. } => "api",
            Self::Operator { verb, .. } => verb,
            Self::Return { .. } => "return",
        }
    }

    /// Who asked, when somebody did.
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::Api { actor } => Some(actor),
            Self::Operator { by, .. } => Some(&by.actor),
            _ => None,
        }
    }

    /// What for, when somebody said.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Operator { by, .. } => by.reason.as_deref(),
            Self::Return { why } => Some(why),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The findings of one attempt with what is needed to show them.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The findings, in reading order.
    pub report: Report,
    /// The texts that their spans point into.
    pub sources: Arc<Sources>,
}

impl Findings {
    /// How many there are of each severity, the worst first.
    pub fn counts(&self) -> [(&'static str, usize); 3] {
        let count = |severity| (word(severity), self.report.count(severity));
        [Severity::Error, Severity::Warning, Severity::Hint].map(count)
    }
}

/// A reload that succeeded.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What runs now.
    pub generation: u64,
    /// False when the files said what was running already.
    pub changed: bool,
    /// `+1 server, ~1 pool`; empty when nothing changed.
    pub summary: String,
    /// Warnings and hints.
    pub findings: Arc<Findings>,
}

/// Why a file set was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The main file is not there or cannot be read.
    Missing,
    /// The text has errors.
    Findings,
    /// A certificate is unusable.
    Tls,
    /// It could not be put in place: a port is taken, for example.
    Apply,
    /// It removes more than `reload max-removal` allows, without a person asking, or closes a
    /// listener with open streams.
    Removal,
    /// The files kept changing while they were read.
    Unstable,
    /// Reading it failed inside lbd.
    Internal,
    /// A generation is pinned: files are not read.
    Pinned,
}

impl Reason {
    /// A word for metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Findings => "findings",
            Self::Tls => "tls",
            Self::Apply => "apply",
            Self::Removal => "removal",
            Self::Unstable => "unstable",
            Self::Internal => "internal",
            Self::Pinned => "pinned",
        }
    }
}

/// A file set that was refused. The generation before it goes on.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// When these bytes were first refused.
    pub since: SystemTime,
    /// What made us read them.
    pub cause: Cause,
    /// Why.
    pub reason: Reason,
    /// One line: the first error, and how many more there are.
    pub message: String,
    /// Everything.
    pub findings: Arc<Findings>,
    /// Digest of the refused set, hexadecimal.
    pub digest: String,
    /// What goes on instead; 0 when nothing runs.
    pub generation: u64,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejected {}

/// One line of `lbctl config history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationInfo {
    /// Its number; never used again, not even after a restart.
    pub number: u64,
    /// The one before; 0 for none.
    pub parent: u64,
    /// Digest of the file set, hexadecimal.
    pub digest: String,
    /// What made us read it.
    pub cause: String,
    /// Who asked, when somebody did.
    pub actor: Option<String>,
    /// When it was published.
    pub time: SystemTime,
    /// `+1 server, ~1 pool`.
    pub summary: String,
    /// How many warnings it has.
    pub warnings: usize,
    /// What for, when somebody said.
    pub reason: Option<String>,
}

/// What runs until somebody confirms it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconfirmed {
    /// Its number.
    pub generation: u64,
    /// What comes back without a confirmation.
    pub previous: u64,
    /// When.
    pub until: SystemTime,
    /// Who applied it.
    pub by: By,
}

/// A generation that runs whatever the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Whose texts run.
    pub generation: u64,
    /// Since when.
    pub since: SystemTime,
    /// Whether it ends when the files change.
    pub until_change: bool,
    /// Who asked for it.
    pub by: By,
}

/// What reloading has done so far.
#[derive(Debug, Clone)]
pub struct ReloadState {
    /// What runs; 0 before the first publish.
    pub generation: u64,
    /// Since when.
    pub since: SystemTime,
    /// What made us read it.
    pub cause: Cause,
    /// Digest of its file set, hexadecimal.
    pub digest: String,
    /// Findings of the last attempt, good or bad.
    pub findings: Arc<Findings>,
    /// Set while the files on disk are refused.
    pub rejected: Option<Arc<Rejected>>,
    /// Refusals since start, by [`Reason::name`].
    pub rejected_total: std::collections::BTreeMap<&'static str, u64>,
    /// True while a stored generation runs because the files were bad at start.
    pub from_last_good: bool,
    /// Generations, newest last, as many as `reload history` says.
    pub history: Vec<GenerationInfo>,
    /// Every file that is looked at: the configuration's, certificates, secrets.
    pub files: Vec<PathBuf>,
    /// Set while what runs waits for a confirmation.
    pub unconfirmed: Option<Unconfirmed>,
    /// Set while a generation is pinned.
    pub pinned: Option<Pinned>,
}

/// Before the first file is read.
impl Default for ReloadState {
    fn default() -> Self {
        Self {
            generation: 0,
            since: SystemTime::now(),
            cause: Cause::Boot,
            digest: String::new(),
            findings: Arc::default(),
            rejected: None,
            rejected_total: std::collections::BTreeMap::new(),
            from_last_good: false,
            history: Vec::new(),
            files: Vec::new(),
            unconfirmed: None,
            pinned: None,
        }
    }
}

impl Rejected {
    /// The answer when there is no reloader any more.
    pub(super) fn stopped(cause: Cause, generation: u64) -> Self {
        Self {
            since: SystemTime::now(),
            cause,
            reason: Reason::Internal,
            message: "lbd is stopping and reads no files any more".into(),
            findings: Arc::default(),
            digest: String::new(),
            generation,
        }
    }
}
