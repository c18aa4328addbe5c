//! What an operator may ask of the reloader beyond a reload, and what comes back.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::offer::Offer;
use super::plan::{Part, Plan};
use super::state::{By, Findings, Rejected};
use super::vitals::Limits;
use crate::config::model::Model;
use crate::tls::TlsConfigs;

/// Where a candidate's text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The files as they are now.
    Files,
    /// A caller.
    Offer(Offer),
    /// A generation that is kept.
    Generation(u64),
}

/// That a change is taken back unless it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confirmation {
    /// In this time.
    pub within: Duration,
    /// What takes it back at once.
    pub limits: Limits,
}

/// A question or a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// What would change?
    Plan {
        /// The candidate.
        source: Source,
    },
    /// Run it, and make the files say it.
    Apply {
        /// The candidate.
        source: Source,
        /// Who asks.
        by: By,
        /// Whether it must be confirmed.
        confirm: Option<Confirmation>,
        /// Also over edits of the files that do not run.
        force: bool,
        /// Only if this is still the plan: [`Answer::id`].
        id: Option<String>,
    },
    /// Run a generation that is kept, the one before when none is named; and make the files say it.
    Rollback {
        /// Its number.
        to: Option<u64>,
        /// Who asks.
        by: By,
        /// Also over edits of the files that do not run.
        force: bool,
    },
    /// What was applied stays.
    Confirm {
        /// Who asks.
        by: By,
    },
    /// Run a generation that is kept, whatever the files say.
    Pin {
        /// Its number.
        generation: u64,
        /// Until the files change.
        until_change: bool,
        /// Who asks.
        by: By,
    },
    /// The files count again.
    Unpin {
        /// Who asks.
        by: By,
    },
    /// What is different between two generations; `None` is what runs, or the files when both are.
    Diff {
        /// The older.
        from: Option<u64>,
        /// The newer.
        to: Option<u64>,
    },
    /// What a generation's files say.
    Texts {
        /// Its number.
        generation: u64,
    },
    /// The same as one text, with everything filled in but secrets.
    Expanded {
        /// Its number; `None` is what runs.
        generation: Option<u64>,
    },
    /// What a generation means, setting by setting.
    Model {
        /// Its number; `None` is what runs.
        generation: Option<u64>,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// What runs now.
    pub generation: u64,
    /// Whether something else runs than before; of a plan, whether it would.
    pub changed: bool,
    /// What is different.
    pub plan: Plan,
    /// Warnings and hints.
    pub findings: Arc<Findings>,
    /// Names this plan: the running generation and the candidate's digest.
    pub id: String,
    /// Files and patterns that an offer lacks. Where there are any, nothing else was answered or done.
    pub wanted: Vec<String>,
    /// Files that were written or taken away.
    pub written: Vec<PathBuf>,
    /// Until when it must be confirmed.
    pub until: Option<SystemTime>,
    /// What a plan would publish, for whoever weighs its effect.
    pub next: Option<Arc<(Arc<Model>, TlsConfigs)>>,
    /// What files say, where that was the question.
    pub texts: BTreeMap<PathBuf, String>,
    /// What a generation means, where that was the question.
    pub parts: Vec<Part>,
}

/// Why nothing was done.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The candidate has errors, or cannot be put in place.
    Rejected(Arc<Rejected>),
    /// There is no such generation.
    Unknown(String),
    /// Something would be lost, or the plan is no longer true; with what to do.
    Guard(String, String),
    /// Not in this state; with what to do.
    Conflict(String, String),
    /// The files cannot be written; with what to do.
    Unwritable(String, String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Unknown(text) => f.write_str(text),
            Self::Guard(text, _) | Self::Conflict(text, _) | Self::Unwritable(text, _) => f.write_str(text),
        }
    }
}
