//! What became of the expectations of one configuration.

use std::path::{Path, PathBuf};

use super::files::File;
use crate::config::diagnostic::{Diagnostic, Report};
use crate::config::expectations::{Expectation, Want};
use crate::config::source::Sources;
use crate::config::suggest;
use crate::explain::{Answer, Coverage, Mismatch, World, verify};

/// Everything that was tested.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) groups: Vec<Group>,
}

/// One configuration.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) config: PathBuf,
    pub(super) files: Vec<Tested>,
    pub(super) coverage: Coverage,
}

/// One file of expectations.
#[derive(Debug)]
pub(super) struct Tested {
    pub(super) path: PathBuf,
    pub(super) cases: Vec<Case>,
    pub(super) sources: Sources,
}

/// One expectation.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) expectation: Expectation,
    pub(super) answer: Option<Answer>,
    pub(super) mismatches: Vec<Mismatch>,
    /// What is wrong, to be drawn.
    pub(super) finding: Option<Diagnostic>,
}

impl Outcome {
    pub(super) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.groups.iter().flat_map(|group| &group.files).flat_map(|file| &file.cases)
    }

    pub(super) fn failed(&self) -> usize {
        self.cases().filter(|case| case.finding.is_some()).count()
    }

    /// How many routes and conditions there are, and how many were reached.
    pub(super) fn reached(&self) -> (usize, usize) {
        let of = |group: &Group| (group.coverage.total(), group.coverage.missed().count());
        let (all, missed) =
            self.groups.iter().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (all, all - missed)
    }

    pub(super) fn percent(&self) -> f64 {
        match self.reached() {
            (0, _) => 100.0,
            (all, reached) => reached as f64 * 100.0 / all as f64,
        }
    }
}

impl Group {
    /// Tests them.
    pub(super) fn of(config: &Path, world: &World, files: Vec<File>) -> Self {
        let mut coverage = Coverage::of(world);
        let files = files.into_iter().map(|file| {
            let cases = file.read.list.into_iter().map(|one| Case::of(one, world, config, &mut coverage));
            Tested { path: file.path, cases: cases.collect(), sources: file.read.sources }
        });
        Self { config: config.to_owned(), files: files.collect(), coverage }
    }
}

impl Tested {
    /// What is wrong, to be drawn.
    pub(super) fn report(&self) -> Report {
        let findings = self.cases.iter().filter_map(|case| case.finding.clone()).collect();
        Report { findings, ..Report::default() }
    }
}

impl Case {
    fn of(expectation: Expectation, world: &World, config: &Path, coverage: &mut Coverage) -> Self {
        match verify(world, &expectation) {
            Ok((answer, mismatches)) => {
                coverage.note(&answer);
                let finding = finding(&expectation, &answer, &mismatches, world, config);
                Self { expectation, answer: Some(answer), mismatches, finding }
            }
            Err(unanswerable) => {
                let finding = Diagnostic::error("expect", expectation.url.span, unanswerable.what);
                let finding = unanswerable.help.into_iter().fold(finding, Diagnostic::help);
                Self { expectation, answer: None, mismatches: Vec::new(), finding: Some(finding) }
            }
        }
    }

    /// `GET https://a.test/`
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.expectation.method, self.expectation.url.value)
    }
}

fn finding(
    expectation: &Expectation,
    answer: &Answer,
    mismatches: &[Mismatch],
    world: &World,
    config: &Path,
) -> Option<Diagnostic> {
    let (first, others) = mismatches.split_first()?;
    let title = format!("expected {}, found {}", first.expected, first.found);
    let mut finding = Diagnostic::error("expect", first.span, title);
    finding = finding.label(format!("found {}", first.found));
    for other in others {
        finding = finding.also(other.span, format!("expected {}, found {}", other.expected, other.found));
    }
    if let Some(pool) = unknown_pool(expectation, world) {
        finding = finding.help(suggest::help(pool, "pools", world.model().pools.keys().map(|name| &**name)));
    }
    if let Some(route) = &answer.route {
        finding = finding.help(format!("{} takes it: {}, {}", route.place, route.name, route.action));
    }
    let wanted = expectation.wants.iter().find_map(|want| match &want.value {
        Want::Pool(pool) => Some(format!("pool {pool}")),
        _ => None,
    });
    let lost = answer.candidates.iter().filter(|one| !one.wins && wanted.as_ref() == Some(&one.action));
    for one in lost {
        finding = finding.help(format!("{} does not: {}, {}", one.place, one.pattern, one.why));
    }
    Some(finding.help(format!("`{}` tells the rest", explaining(expectation, config))))
}

/// The command that explains a request, for a shell.
fn explaining(expectation: &Expectation, config: &Path) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut command = format!("lbd explain --config {}", config.display());
    if expectation.method != "GET" {
        command.push_str(&format!(" {}", expectation.method));
    }
    command.push_str(&format!(" {}", quoted(&expectation.url.value)));
    for (name, value) in &expectation.headers {
        command.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    if expectation.websocket && !expectation.url.value.starts_with("ws") {
        command.push_str(" -H 'Connection: Upgrade' -H 'Upgrade: websocket'");
    }
    if let Some(client) = expectation.client_ip {
        command.push_str(&format!(" --from {client}"));
    }
    if let Some(listener) = &expectation.on {
        command.push_str(&format!(" --on {}", quoted(listener)));
    }
    command
}

/// A pool that is expected and does not exist.
fn unknown_pool<'e>(expectation: &'e Expectation, world: &World) -> Option<&'e str> {
    expectation.wants.iter().find_map(|want| match &want.value {
        Want::Pool(pool) if !world.model().pools.contains_key(pool.as_str()) => Some(pool.as_str()),
        _ => None,
    })
}
