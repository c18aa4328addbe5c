//! `lbd lint`: every finding of a configuration, on stdout; a summary on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::config::diagnostic::{Report, Severity};
use crate::config::source::FsLoader;
use crate::config::{self, render};
use crate::tls;

/// Options of `lbd lint`.
#[derive(Debug, clap::Args)]
pub(super) struct Lint {
    /// Configurations; a directory stands for its lbd.kdl
    #[arg(value_name = "PATH", default_value = "/etc/lbd/lbd.kdl")]
    paths: Vec<PathBuf>,
    /// Exit with 1 also for warnings
    #[arg(long)]
    warn_as_error: bool,
    /// Whether certificates and other named files are looked at
    #[arg(long, value_name = "yes|no", default_value = "yes", value_parser = ["yes", "no"])]
    files: String,
}

impl Lint {
    /// 0: nothing wrong; 1: findings; 2: could not check.
    pub(super) fn execute(self) -> ExitCode {
        let mut worst = 0;
        for path in &self.paths {
            let path = if path.is_dir() { path.join("lbd.kdl") } else { path.clone() };
            worst = worst.max(self.one(&path));
        }
        ExitCode::from(worst)
    }

    fn one(&self, path: &std::path::Path) -> u8 {
        let started = Instant::now();
        let loaded = config::load(path, &FsLoader);
        let mut report = loaded.report;
        if let Some(model) = loaded.model.filter(|_| self.files == "yes") {
            tls::prepare(&mut tls::Store::default(), &model, tls::Stage::Start, &mut report);
            report.sort();
        }
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let text = render::human(&report, &loaded.sources, color);
        if std::io::stdout().write_all(text.as_bytes()).is_err() {
            return 2;
        }
        eprintln!("{}: {} in {} ms", path.display(), summary(&report), started.elapsed().as_millis());
        // A main file that cannot be read has nothing to check.
        if loaded.sources.files().next().is_none() {
            return 2;
        }
        let failed = report.has_errors() || (self.warn_as_error && report.count(Severity::Warning) > 0);
        u8::from(failed)
    }
}

fn summary(report: &Report) -> String {
    let count = |severity, word: &str| match report.count(severity) {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let parts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning"), count(Severity::Hint, "hint")]
            .into_iter()
            .flatten()
            .collect();
    if parts.is_empty() { "nothing to report".to_owned() } else { parts.join(", ") }
}
