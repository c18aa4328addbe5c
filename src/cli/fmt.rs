//! `lbd fmt`: configurations with their blanks in order.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use super::replace::{bounded, files, replace};
use crate::config::{format, render};

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

/// What became of one file; the worst decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It was formatted already, or is now.
    Fine,
    /// `--check` or `--diff` found something to do.
    Differs,
    /// It could not be read, written or understood.
    Failed,
}

impl Fmt {
    /// 0: formatted; 1: `--check` or `--diff` found what is not; 2: a file could not be read, written or understood.
    pub(super) fn execute(self) -> ExitCode {
        let mut worst = Outcome::Fine;
        for path in &self.paths {
            let files = match files(path) {
                Ok(files) => files,
                Err(error) => {
                    eprintln!("error: cannot read {}: {error}", path.display());
                    worst = Outcome::Failed;
                    continue;
                }
            };
            if files.is_empty() {
                eprintln!("error: no .kdl file is in {}", path.display());
                worst = Outcome::Failed;
            }
            for file in files {
                let outcome = self.one(&file).unwrap_or_else(|error| {
                    eprintln!("error: {}: {error}", file.display());
                    Outcome::Failed
                });
                worst = worst.max(outcome);
            }
        }
        ExitCode::from(worst as u8)
    }

    fn one(&self, path: &Path) -> io::Result<Outcome> {
        let standard = path == Path::new("-");
        let text = if standard { bounded(io::stdin())? } else { bounded(fs::File::open(path)?)? };
        let formatted = match format::format(path, &text) {
            Ok(formatted) => formatted,
            Err((report, sources)) => {
                let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                eprint!("{}", render::human(&report, &sources, color));
                eprintln!("{}: not formatted", path.display());
                return Ok(Outcome::Failed);
            }
        };
        let mut out = io::stdout().lock();
        if self.diff && formatted != text {
            let name = path.display().to_string();
            let diff = similar::TextDiff::from_lines(&text, &formatted);
            write!(out, "{}", diff.unified_diff().header(&name, &format!("{name} (formatted)")))?;
        } else if self.check && formatted != text {
            writeln!(out, "{}", path.display())?;
        }
        if self.check || self.diff {
            return Ok(if formatted == text { Outcome::Fine } else { Outcome::Differs });
        }
        if standard {
            out.write_all(formatted.as_bytes())?;
        } else if formatted != text {
            replace(path, &formatted)?;
            eprintln!("{}: formatted", path.display());
        }
        Ok(Outcome::Fine)
    }
}
