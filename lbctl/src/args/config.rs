//! `lbctl config`: look at configurations, change them, take changes back.

use super::duration_text;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `lbctl config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// The files of the running generation, or of another one
    Show {
        /// Its number
        generation: Option<u64>,
        /// As one text: what includes, templates, defaults and variables make of the files; secrets are not shown
        #[arg(long)]
        expanded: bool,
    },
    /// What the running generation means, or another one: every setting, written or default; secrets are not shown
    Model {
        /// Its number
        generation: Option<u64>,
    },
    /// What is different: between what runs and the files, or between generations
    Diff {
        /// The older generation; what runs, when it is left out
        from: Option<u64>,
        /// The newer generation; what runs, when only the older is named
        to: Option<u64>,
    },
    /// What a file would change, and what that means for what is going on; changes nothing
    Plan {
        /// The candidate, with what it includes beside it; - is standard input; the daemon's files when left out
        path: Option<PathBuf>,
        /// Exit with 10 when there are changes
        #[arg(long)]
        exit_code: bool,
    },
    /// Run a file and write it to the daemon's files: both, or neither
    Apply(ApplyArgs),
    /// What was applied stays
    Confirm {
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Run an earlier generation and write it to the daemon's files
    Rollback {
        /// Its number; the one before, or what waits for no confirmation, when left out
        generation: Option<u64>,
        /// Also over edits of the files that do not run
        #[arg(long)]
        force: bool,
        /// Why; goes into log, events and history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Run an earlier generation whatever the files say; for files that are not lbd's to write
    Pin {
        /// Its number
        generation: u64,
        /// Until the files change
        #[arg(long)]
        until_change: bool,
        /// Why; goes into log, events and history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// The files count again
    Unpin {
        /// Why; goes into log, events and history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Read the files now; returns when they are live or refused
    Reload,
    /// The generations: when, by whom, why, what
    History,
    /// What is wrong with the files on disk
    ShowReport,
}

/// `lbctl config apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The candidate, with what it includes beside it; - is standard input; the daemon's files when left out
    pub path: Option<PathBuf>,
    /// Only if this is still the plan
    #[arg(long, value_name = "ID")]
    pub plan: Option<String>,
    /// Take it back unless lbctl config confirm comes in this time
    #[arg(long, value_name = "TIME", value_parser = duration_text)]
    pub confirm_within: Option<String>,
    /// Take it back at once when more of a pool's answers are 5xx within 10 s, and more than twice its share before
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent, requires = "confirm_within")]
    pub max_errors: f64,
    /// Take it back at once when more of a pool's servers that were up go down
    #[arg(long, value_name = "PERCENT", default_value_t = 50.0, value_parser = percent, requires = "confirm_within")]
    pub max_down: f64,
    /// Also over edits of the files that do not run
    #[arg(long)]
    pub force: bool,
    /// Why; goes into log, events and history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `5` or `5%`.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    let share = number.filter(|share: &f64| (0.0..=100.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is no share; write it like 5%, from 0 to 100 (100 is never)"))
}
