//! `lbd migrate`: configurations in version 1 of KDL, as version 2.

use std::path::PathBuf;
use std::process::ExitCode;

use super::rewrite::Rewrite;
use crate::config::migrate;

/// Options of `lbd migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// Files, or directories for the .kdl files in them; - for standard input to standard output
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Change nothing, name the files that are not version 2, exit with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Change nothing, show what would change, exit with 1 if anything would
    #[arg(long)]
    diff: bool,
}

impl Migrate {
    /// 0: version 2; 1: `--check` or `--diff` found what is not; 2: a file could not be read, written or understood.
    pub(super) fn execute(self) -> ExitCode {
        let Self { paths, check, diff } = self;
        let (result, done, failed) = ("version 2", "version 2 now", "not migrated");
        let left = Some("nothing of version 1 in it");
        Rewrite { paths, check, diff, change: migrate::migrate, result, done, left, failed }.execute()
    }
}
