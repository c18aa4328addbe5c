//! The daemon itself, and its log.

use super::duration_text;
use clap::Subcommand;
use std::path::PathBuf;

/// `lbctl log`.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Which lines are written; with a filter, other ones for a while
    Level {
        /// Such as debug, or info,lbd::reload=trace
        filter: Option<String>,
        /// For how long; then the file counts again
        #[arg(long = "for", value_name = "TIME", value_parser = duration_text, default_value = "10m")]
        time: String,
        /// As the file says, from now on
        #[arg(long, conflicts_with = "filter")]
        reset: bool,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// `lbctl daemon`.
#[derive(Debug, Subcommand)]
pub enum DaemonCommand {
    /// Version, instance, workers, what you may do
    Info,
    /// Let another binary take over, without losing a connection; the old process finishes what it serves
    Upgrade {
        /// The new binary; without it whatever stands now where the running one was started from
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
        /// How long streams of the old process may go on; without it as long as a drain of their pools
        #[arg(long, value_name = "TIME", value_parser = duration_text)]
        drain: Option<String>,
        /// How long the new process has to be ready [default: 60s]
        #[arg(long, value_name = "TIME", value_parser = duration_text)]
        within: Option<String>,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// End the daemon
    Shutdown {
        /// How long streams have to finish
        #[arg(long, value_name = "TIME", value_parser = duration_text)]
        drain: Option<String>,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}
