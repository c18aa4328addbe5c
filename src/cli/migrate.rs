//! `lbd migrate`: configurations in version 1 of KDL, as version 2.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use super::replace::{bounded, files, replace};
use crate::config::{migrate, render};

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
        let mut worst = 0;
        for path in &self.paths {
            let found = files(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
            let found = found.and_then(|files| match files.is_empty() {
                true => Err(format!("no .kdl file is in {}", path.display())),
                false => Ok(files),
            });
            match found {
                Ok(files) => {
                    for file in files {
                        worst = worst.max(self.one(&file).unwrap_or_else(|error| {
                            eprintln!("error: {}: {error}", file.display());
                            2
                        }));
                    }
                }
                Err(error) => {
                    eprintln!("error: {error}");
                    worst = 2;
                }
            }
        }
        ExitCode::from(worst)
    }

    fn one(&self, path: &Path) -> io::Result<u8> {
        let standard = path == Path::new("-");
        let text = if standard { bounded(io::stdin())? } else { bounded(fs::File::open(path)?)? };
        let migrated = match migrate::migrate(path, &text) {
            Ok(migrated) => migrated,
            Err((report, sources)) => {
                let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                eprint!("{}", render::human(&report, &sources, color));
                eprintln!("{}: not migrated", path.display());
                return Ok(2);
            }
        };
        let differs = migrated != text;
        let mut out = io::stdout().lock();
        if self.diff && differs {
            let name = path.display().to_string();
            let diff = similar::TextDiff::from_lines(&text, &migrated);
            write!(out, "{}", diff.unified_diff().header(&name, &format!("{name} (version 2)")))?;
        } else if self.check && differs {
            writeln!(out, "{}", path.display())?;
        }
        if self.check || self.diff {
            return Ok(u8::from(differs));
        }
        if standard {
            out.write_all(migrated.as_bytes())?;
        } else if differs {
            replace(path, &migrated)?;
            eprintln!("{}: version 2 now", path.display());
        } else {
            eprintln!("{}: nothing of version 1 in it", path.display());
        }
        Ok(0)
    }
}
