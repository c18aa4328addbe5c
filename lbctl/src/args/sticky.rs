//! What `lbctl sticky` may be told.

use super::duration_text;
use clap::{Args, Subcommand, ValueEnum};
/// `lbctl sticky`.
#[derive(Debug, Subcommand)]
pub enum StickyCommand {
    /// All tables and cookies
    List,
    /// Entries of a pool's table
    Show {
        /// The pool
        pool: String,
        /// Which entries.
        #[command(flatten)]
        filter: StickyFilter,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Used last first, or oldest first
        #[arg(long, value_enum, default_value = "idle")]
        sort: StickySort,
    },
    /// Which server holds an address, a cookie or another value
    Get {
        /// The pool
        pool: String,
        /// A client address, or the value of the cookie, header or session
        key: String,
    },
    /// Put entries on another server; their clients follow with their next request, and do not go home by themselves
    Move {
        /// The pool
        pool: String,
        /// The server that has them
        #[arg(long, value_name = "SERVER")]
        from: String,
        /// The server that gets them
        #[arg(long, value_name = "SERVER")]
        to: String,
        /// At most so many, idle longest first
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Say how many, do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Write all entries to stdout, one a line
    Export {
        /// The pool
        pool: String,
        /// How a line is written
        #[arg(long, value_enum, default_value = "ndjson")]
        format: ExportFormat,
    },
    /// Read entries from stdin, as `export` writes them
    Import {
        /// The pool
        pool: String,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Forget entries; their clients are balanced anew
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["key", "server", "older", "all"])))]
    Clear {
        /// The pool
        pool: String,
        /// Which entries.
        #[command(flatten)]
        filter: StickyFilter,
        /// Every entry
        #[arg(long, conflicts_with_all = ["key", "server", "older"])]
        all: bool,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Say how many, do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StickySort {
    /// Used last first
    Idle,
    /// Oldest first
    Age,
}

/// How exported entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// JSON, one object a line
    Ndjson,
    /// Comma-separated values, with a line of names
    Csv,
}

/// Which entries.
#[derive(Debug, Args)]
pub struct StickyFilter {
    /// Only this client: an address, or the value of the header or session
    #[arg(long)]
    pub key: Option<String>,
    /// Only those of this server
    #[arg(long)]
    pub server: Option<String>,
    /// Only those not used for this time
    #[arg(long, value_name = "TIME", value_parser = duration_text)]
    pub older: Option<String>,
}
