//! `lbd lint`: every finding of a configuration, on stdout; a summary on stderr.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::config::diagnostic::{Report, Severity};
use crate::config::fix::{self, Fixed, Texts, Trust};
use crate::config::output::{self, Checked, Counts, Format};
use crate::config::ruling::{Order, Verdict};
use crate::config::source::Sources;
use crate::config::{self, guard, render};
use crate::daemon::online;
use crate::reload::fileset::{self, Edit};
use crate::tls;
use lbctl::protocol::DEFAULT_SOCKET;

mod against;
mod named;
mod outside;
mod rules;

use named::Named;
use outside::{Environment, Outside, STDIN};

/// Options of `lbd lint`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Lint {
    #[command(subcommand)]
    question: Option<rules::Question>,
    /// Configurations; a directory stands for its lbd.kdl, - for standard input
    #[arg(value_name = "PATH", default_value = "/etc/lbd/lbd.kdl")]
    paths: Vec<PathBuf>,
    /// How findings are written [default: human, and github when GITHUB_ACTIONS is set]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Shape>,
    /// Mend what can be mended without changing what was meant, and write the files: all of a configuration, or none
    #[arg(long)]
    fix: bool,
    /// With --fix or --diff: mend also where the fix decides something
    #[arg(long = "unsafe")]
    trust: bool,
    /// Write nothing, print what --fix would change
    #[arg(long)]
    diff: bool,
    /// Make errors of the findings of a rule, or of those that begin like LB2
    #[arg(long, value_name = "RULE", value_parser = rules::rule_or_prefix)]
    deny: Vec<String>,
    /// Silence the warnings and hints of a rule
    #[arg(long, value_name = "RULE", value_parser = rules::rule_or_prefix)]
    allow: Vec<String>,
    /// Of the warnings and hints, show those of this rule only
    #[arg(long, value_name = "RULE", value_parser = rules::rule_or_prefix)]
    select: Vec<String>,
    /// Exit with 1 also for warnings, like --fail-on warning
    #[arg(long)]
    warn_as_error: bool,
    /// The least severe finding that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "error")]
    fail_on: Least,
    /// Whether certificates and other named files are looked at
    #[arg(long, value_name = "yes|no", default_value = "yes", value_parser = ["yes", "no"])]
    files: String,
    /// Look at every server from here, too, those that DNS gives included: does its name resolve, does it answer,
    /// does its check pass
    #[arg(long)]
    online: bool,
    /// Ask the running daemon, too, what the files would do to what goes on; by its control socket, /run/lbd/control.sock
    /// or what LBD_SOCKET says unless another is named
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true, conflicts_with_all = ["fix", "diff", "assume_env"])]
    against: Option<Option<PathBuf>>,
    /// Take variables of the environment from a file of NAME=value lines first
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Take variables that are not set for set, with a value that fits; files are then not looked at
    #[arg(long)]
    assume_env: bool,
}

/// The formats as options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    /// For a terminal: the line, what is wrong with it, and how to mend it
    Human,
    /// A line for each finding
    Plain,
    /// lbd's own JSON
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// A code quality report of GitLab
    Gitlab,
    /// JUnit's XML
    Junit,
}

/// The severities as options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Least {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Everything
    Hint,
}

impl Lint {
    /// 0: nothing as severe as `--fail-on`; 1: findings; 2: could not check.
    pub(super) fn execute(self) -> ExitCode {
        if let Some(question) = &self.question {
            return question.answer();
        }
        match self.run() {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        }
    }

    fn run(&self) -> Result<u8, String> {
        if self.online && self.assume_env {
            return Err(
                "--online wants to know where servers are, and --assume-env says that nobody does".to_owned()
            );
        }
        if self.trust && !self.fix && !self.diff {
            return Err("--unsafe goes with --fix or --diff".to_owned());
        }
        let given = self.env_file.as_deref().map(Environment::read).transpose()?.unwrap_or_default();
        let environment = Environment { given, assumed: self.assume_env };
        let mut worst = 0;
        let mut all = Vec::new();
        let mut to_stdout = String::new();
        for path in &self.paths {
            let (checked, code) = self.one(path, &environment, &mut to_stdout)?;
            worst = worst.max(code);
            all.push(checked);
        }
        let written = self.written(&all);
        // Where a text goes to stdout, it is all that goes there.
        let shows_text = self.diff || (self.fix && self.paths.iter().any(|path| path == Path::new("-")));
        let out = match shows_text {
            true => {
                eprint!("{}", if self.diff { "" } else { &written });
                to_stdout
            }
            false => written,
        };
        std::io::stdout().write_all(out.as_bytes()).map_err(|error| format!("cannot write: {error}"))?;
        Ok(worst)
    }

    /// Checks one configuration, mends it when asked to, and says on stderr what came of it.
    fn one(&self, path: &Path, environment: &Environment, out: &mut String) -> Result<(Checked, u8), String> {
        let started = Instant::now();
        let standard = path == Path::new("-");
        let stdin = if standard { Some(bounded_stdin()?) } else { None };
        let main = match standard {
            true => PathBuf::from(STDIN),
            false if path.is_dir() => path.join("lbd.kdl"),
            false => path.to_owned(),
        };
        let is_here = self.files == "yes" && !self.assume_env;
        let check = |texts: &Texts| {
            self.check(&main, &Outside { environment, stdin: stdin.as_deref(), texts, is_here })
        };
        let (mut report, mut sources) = check(&Texts::new());
        if self.fix || self.diff {
            let trust = if self.trust { Trust::Unsafe } else { Trust::Safe };
            let fixed = fix::fix(trust, report.clone(), sources.clone(), &check);
            // Who gives a text and takes one wants no file changed.
            let named = if standard { Vec::new() } else { named::mended(&fixed.report)? };
            if self.diff {
                out.push_str(&diff(&fixed, &sources));
                named.iter().for_each(|one| out.push_str(&one.diff));
            } else {
                out.push_str(&keep(&fixed, &sources, &named, stdin.as_deref())?);
                (report, sources) = match named.is_empty() {
                    true => (fixed.report, fixed.sources),
                    false => check(&fixed.texts),
                };
            }
        }
        if let Some(socket) = self.daemon().filter(|_| !report.has_errors()) {
            let outside = Outside { environment, stdin: stdin.as_deref(), texts: &Texts::new(), is_here };
            against::look(&main, &outside, &socket, &mut report)?;
            self.select(&mut report);
        }
        let elapsed = started.elapsed().as_millis();
        eprintln!("{}: {} in {elapsed} ms", main.display(), Counts::of([&report]));
        let least = self.least();
        let failed = report.findings.iter().any(|finding| finding.severity >= least);
        // A main file that cannot be read has nothing to check.
        let code = if sources.files().next().is_none() { 2 } else { u8::from(failed) };
        Ok((Checked { main, report, sources }, code))
    }

    fn check(&self, main: &Path, outside: &Outside<'_>) -> (Report, Sources) {
        let loaded = config::load(main, outside);
        let mut report = loaded.report;
        let files = self.files == "yes" && !loaded.sources.assumed();
        if let Some(model) = loaded.model.filter(|_| files || self.online) {
            let tls = tls::prepare(&mut tls::Store::default(), &model, tls::Stage::Start, &mut report);
            // Texts that are being mended are not what would run.
            if self.online && outside.texts.is_empty() && !report.has_errors() {
                let looked = online::look(&model, &tls, &loaded.sources, &mut report);
                looked.unwrap_or_else(|error| eprintln!("{}: {error}", main.display()));
            }
        }
        report.judge_allowances(&loaded.sources, files);
        report
            .ruling
            .orders
            .extend(self.allow.iter().map(|rule| Order::everywhere(rule, Verdict::Allow(None))));
        report.ruling.orders.extend(self.deny.iter().map(|rule| Order::everywhere(rule, Verdict::Deny)));
        self.select(&mut report);
        report.settle();
        (report, loaded.sources)
    }

    /// Keeps errors and what `--select` wants.
    fn select(&self, report: &mut Report) {
        let selected = |code: &str| self.select.iter().any(|rule| code.starts_with(rule.as_str()));
        if !self.select.is_empty() {
            report.findings.retain(|found| found.severity == Severity::Error || selected(found.code));
        }
    }

    /// The control socket of the daemon that is to be asked: as `lbctl` finds it, unless it is named.
    fn daemon(&self) -> Option<PathBuf> {
        let named = self.against.clone()?;
        let said = || std::env::var_os("LBD_SOCKET").map(PathBuf::from);
        Some(named.or_else(said).unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET)))
    }

    fn least(&self) -> Severity {
        match (self.fail_on, self.warn_as_error) {
            (Least::Hint, _) => Severity::Hint,
            (Least::Warning, _) | (Least::Error, true) => Severity::Warning,
            (Least::Error, false) => Severity::Error,
        }
    }

    fn written(&self, all: &[Checked]) -> String {
        let on_github = || std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let format = match self.format.unwrap_or(if on_github() { Shape::Github } else { Shape::Human }) {
            Shape::Human => {
                let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                return all.iter().map(|one| render::human(&one.report, &one.sources, color)).collect();
            }
            Shape::Plain => Format::Plain,
            Shape::Json => Format::Json,
            Shape::Sarif => Format::Sarif,
            Shape::Github => Format::Github,
            Shape::Gitlab => Format::Gitlab,
            Shape::Junit => Format::Junit,
        };
        output::write(format, all, self.least())
    }
}

/// What mending would change.
fn diff(fixed: &Fixed, before: &Sources) -> String {
    let one = |(path, text): (&PathBuf, &String)| {
        let shown = path.display().to_string();
        let old = before.files().find(|(_, file)| file.path() == path).map(|(_, file)| file.text());
        let diff = similar::TextDiff::from_lines(old.unwrap_or_default(), text);
        diff.unified_diff().header(&shown, &format!("{shown} (fixed)")).to_string()
    };
    fixed.texts.iter().map(one).collect()
}

/// Writes what was mended, all of it or nothing; gives what standard input says now.
fn keep(fixed: &Fixed, before: &Sources, named: &[Named], stdin: Option<&str>) -> Result<String, String> {
    let edit = |(path, text): (&PathBuf, &String)| {
        let old =
            before.files().find(|(_, file)| file.path() == path).map(|(_, file)| file.text().to_owned());
        let edit = Edit { path: path.clone(), old, new: Some(text.clone()) };
        match edit.is_old() {
            true => Ok(edit),
            false => Err(format!("{} was changed meanwhile; nothing is written, try again", path.display())),
        }
    };
    let files = fixed.texts.iter().filter(|(path, _)| *path != Path::new(STDIN));
    let mut edits = files.map(edit).collect::<Result<Vec<_>, _>>()?;
    edits.extend(named.iter().map(|one| one.edit.clone()));
    fileset::put(&edits).map_err(|error| {
        let mut changed =
            edits.iter().filter(|edit| !edit.is_old()).map(|edit| edit.path.display().to_string());
        match changed.next() {
            None => format!("nothing is mended, every file is as it was; cannot write {error}"),
            Some(path) => format!("cannot write {error}; {path} was mended and could not be put back"),
        }
    })?;
    let applied = fixed.applied + named.len();
    if applied > 0 {
        let paths = fixed.texts.keys().chain(named.iter().map(|one| &one.edit.path));
        let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
        eprintln!("{applied} fixed in {}", paths.join(", "));
    }
    Ok(stdin.map_or("", |text| fixed.texts.get(Path::new(STDIN)).map_or(text, String::as_str)).to_owned())
}

/// All of standard input, up to the size that a configuration may have.
fn bounded_stdin() -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::stdin().take(guard::MAX_BYTES as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| format!("cannot read standard input: {error}"))?;
    if text.len() > guard::MAX_BYTES {
        return Err("standard input is larger than 4 MiB".to_owned());
    }
    Ok(text)
}
