//! `lbd import`: another balancer's configuration made into lbd's, with a verdict on each line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::ValueEnum;

use crate::config::guard;
use crate::config::source::FsLoader;
use crate::import::{Imported, Kind, haproxy};

/// Options of `lbd import`.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// HAProxy's configuration
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where lbd.kdl and routes.test.kdl are written; it is made if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// How the verdicts are written, to stdout
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    report: Format,
    /// Write over files that are there already
    #[arg(long)]
    force: bool,
}

/// How verdicts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line each, for a person
    Table,
    /// JSON
    Json,
    /// None: the configuration itself, when no directory is given
    None,
}

impl Import {
    /// 0: every line is mapped or approximated; 1: some are refused; 2: a file could not be read or written.
    pub(super) fn execute(self) -> ExitCode {
        match self.run() {
            Ok(refused) => ExitCode::from(u8::from(refused)),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        }
    }

    fn run(&self) -> Result<bool, String> {
        let text =
            read(&self.file).map_err(|error| format!("cannot read {}: {error}", self.file.display()))?;
        let imported = haproxy::import(&text, &self.file, &FsLoader);
        let failed = |error: io::Error| format!("cannot write: {error}");
        let mut out = io::stdout().lock();
        match self.report {
            Format::Table => write!(out, "{}", imported.report.table()).map_err(failed)?,
            Format::Json => {
                let json = serde_json::to_string_pretty(&imported.report).expect("a report is plain data");
                writeln!(out, "{json}").map_err(failed)?;
            }
            Format::None if self.output.is_none() => write!(out, "{}", imported.config).map_err(failed)?,
            Format::None => {}
        }
        if let Some(folder) = &self.output {
            self.write(folder, &imported)?;
        }
        eprintln!("{}: {}", self.file.display(), imported.report.summary());
        Ok(imported.report.count(Kind::Refused) > 0)
    }

    fn write(&self, folder: &Path, imported: &Imported) -> Result<(), String> {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        for (name, text) in [("lbd.kdl", &imported.config), ("routes.test.kdl", &imported.tests)] {
            let path = folder.join(name);
            let mut options = fs::OpenOptions::new();
            options.write(true).create(self.force).truncate(self.force).create_new(!self.force);
            let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            match written {
                Ok(()) => eprintln!("{}: written", path.display()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(format!("{} exists\nhelp: --force writes over it", path.display()));
                }
                Err(error) => return Err(format!("cannot write {}: {error}", path.display())),
            }
        }
        Ok(())
    }
}

/// A text of at most the size that a configuration may have; bytes that are no text are replaced.
fn read(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(guard::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > guard::MAX_BYTES {
        return Err(io::Error::other("larger than 4 MiB"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
