//! What `lbd fmt` and `lbd migrate` have in common: files are read, rewritten, and put back, or only compared.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use super::replace::{bounded, files, replace};
use crate::config::diagnostic::Report;
use crate::config::render;
use crate::config::source::Sources;

/// A way to write a text anew; a text that it cannot understand is a report.
pub(super) type Change = fn(&Path, &str) -> Result<String, (Report, Sources)>;

/// What is done with which files.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// Files, directories, or `-`.
    pub(super) paths: Vec<PathBuf>,
    /// Only name the files that differ.
    pub(super) check: bool,
    /// Only show how they differ.
    pub(super) diff: bool,
    /// How texts are written anew.
    pub(super) change: Change,
    /// What a file is then: `formatted`.
    pub(super) result: &'static str,
    /// What is said of a file that was changed.
    pub(super) done: &'static str,
    /// What is said of a file that needs nothing, if anything.
    pub(super) left: Option<&'static str>,
    /// What is said of a file that cannot be.
    pub(super) failed: &'static str,
}

/// What became of one file; the worst decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It was as it shall be already, or is now.
    Fine,
    /// `--check` or `--diff` found something to do.
    Differs,
    /// It could not be read, written or understood.
    Failed,
}

impl Rewrite {
    /// 0: all are as they shall be; 1: `check` or `diff` found what is not; 2: a file could not be read, written or
    /// understood.
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
        let changed = match (self.change)(path, &text) {
            Ok(changed) => changed,
            Err((report, sources)) => {
                let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                eprint!("{}", render::human(&report, &sources, color));
                eprintln!("{}: {}", path.display(), self.failed);
                return Ok(Outcome::Failed);
            }
        };
        let mut out = io::stdout().lock();
        if self.diff && changed != text {
            let name = path.display().to_string();
            let diff = similar::TextDiff::from_lines(&text, &changed);
            write!(out, "{}", diff.unified_diff().header(&name, &format!("{name} ({})", self.result)))?;
        } else if self.check && changed != text {
            writeln!(out, "{}", path.display())?;
        }
        if self.check || self.diff {
            return Ok(if changed == text { Outcome::Fine } else { Outcome::Differs });
        }
        if standard {
            out.write_all(changed.as_bytes())?;
        } else if changed != text {
            replace(path, &changed)?;
            eprintln!("{}: {}", path.display(), self.done);
        } else if let Some(left) = self.left {
            eprintln!("{}: {left}", path.display());
        }
        Ok(Outcome::Fine)
    }
}
