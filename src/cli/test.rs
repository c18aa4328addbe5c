//! `lbd test`: whether a configuration does with requests what the files of expectations beside it say.

mod files;
mod outcome;
mod report;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::ValueEnum;

use self::outcome::Outcome;
use crate::config::format::format;
use crate::config::render;
use crate::explain;

/// Options of `lbd test`.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// A configuration, whose *.test.kdl lie beside it; or such a file; or a directory with some
    #[arg(value_name = "PATH", default_value = "/etc/lbd/lbd.kdl")]
    paths: Vec<PathBuf>,
    /// How results are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Name the routes, and conditions of routes, that no expectation reaches
    #[arg(long)]
    coverage: bool,
    /// Fail when a smaller share of the routes is reached, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Write a file of expectations from what the configuration does now, as a start
    #[arg(long, conflicts_with_all = ["format", "coverage", "min_coverage"])]
    init: bool,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Failures drawn, for a person
    Human,
    /// JUnit's XML
    Junit,
    /// JSON
    Json,
}

impl Test {
    /// 0: all is as expected; 1: something is not; 2: could not be tested.
    pub(super) fn execute(self) -> ExitCode {
        if self.init {
            let written = self.paths.iter().map(|path| init(path)).fold(true, |all, one| all & one);
            return ExitCode::from(if written { 0 } else { 2 });
        }
        let began = Instant::now();
        let Some(outcome) = self.run() else { return ExitCode::from(2) };
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let text = match self.format {
            Format::Human => report::human(&outcome, color, self.coverage),
            Format::Junit => report::junit(&outcome),
            Format::Json => report::json(&outcome),
        };
        if std::io::stdout().write_all(text.as_bytes()).is_err() {
            return ExitCode::from(2);
        }
        eprintln!("{} in {} ms", report::summary(&outcome), began.elapsed().as_millis());
        let short = self.min_coverage.filter(|least| outcome.percent() < f64::from(*least));
        if let Some(least) = short {
            eprintln!("error: less than {least} % of the routes are reached; --coverage names the others");
        }
        ExitCode::from(u8::from(outcome.failed() > 0 || short.is_some()))
    }

    fn run(&self) -> Option<Outcome> {
        let mut outcome = Outcome::default();
        let mut whole = true;
        for (config, files) in files::find(&self.paths)? {
            // All that is wrong is told before nothing is tested.
            match explain_all(&config, files) {
                Some(group) => outcome.groups.push(group),
                None => whole = false,
            }
        }
        whole.then_some(outcome)
    }
}

fn explain_all(config: &Path, files: Vec<files::File>) -> Option<outcome::Group> {
    let mut readable = true;
    for file in &files {
        if !file.read.report.findings.is_empty() {
            let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            eprint!("{}", render::human(&file.read.report, &file.read.sources, color));
            readable &= !file.read.report.has_errors();
        }
    }
    let world = super::explain::world(config)?;
    readable.then(|| outcome::Group::of(config, &world, files))
}

/// Writes expectations beside a configuration; false when it could not.
fn init(path: &Path) -> bool {
    let config = if path.is_dir() { path.join("lbd.kdl") } else { path.to_owned() };
    let Some(world) = super::explain::world(&config) else { return false };
    let name = config.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".kdl").unwrap_or(&name);
    let stem = if stem == "lbd" { "routes" } else { stem };
    let target = config.with_file_name(format!("{stem}{}", crate::config::expectations::SUFFIX));
    let text = explain::expectations(&world, &name);
    let text = format(&target, &text).unwrap_or(text);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&target);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            eprintln!("{}: written; read it, and keep what must stay so", target.display());
            true
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let target = target.display();
            eprintln!("error: {target} is there already\nhelp: add to it, or take it away to begin anew");
            false
        }
        Err(error) => {
            eprintln!("error: cannot write {}: {error}", target.display());
            false
        }
    }
}
