//! `lbd fmt`: configurations with their blanks in order.

use std::path::PathBuf;
use std::process::ExitCode;

use super::rewrite::Rewrite;
use crate::config::format;

/// Options of `lbd fmt`.
#[derive(Debug, clap::Args)]
pub(super) struct Fmt {
    /// Files, or directories for the .kdl files in them; - for standard input to standard output
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Change nothing, name the files that are not formatted, exit with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Change nothing, show what would change, exit with 1 if anything would
    #[arg(long)]
    diff: bool,
}

impl Fmt {
    /// 0: formatted; 1: `--check` or `--diff` found what is not; 2: a file could not be read, written or understood.
    pub(super) fn execute(self) -> ExitCode {
        let Self { paths, check, diff } = self;
        let (result, done, failed) = ("formatted", "formatted", "not formatted");
        Rewrite { paths, check, diff, change: format::format, result, done, left: None, failed }.execute()
    }
}
