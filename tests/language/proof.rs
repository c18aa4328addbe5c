//! The proof of the list: each of its tests passes as it is, and fails when the setting is left out.
//!
//! `cargo test --test tests -- --ignored what_is_ignored_is_noticed` tries it, row by row, in processes of their own;
//! `LBD_ONLY=TEXT` tries the rows that contain the text. With `LBD_BLESS=1` it looks for tests for what the list
//! lacks instead, and writes them down.
//!
//! A test that waits for what never comes is not waited for: it has failed once it took several times as long as with
//! the setting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{LIST, Shown, list, tests};
use crate::support::mutant;

/// How a test took it that a setting was ignored.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Noticed,
    /// The file is refused without it, which shows nothing of what it does.
    Refused,
    Unnoticed,
    NotWritten,
    /// The test fails with the setting too.
    Broken,
    /// The machine lacks what the test needs.
    Skipped,
}

/// A test that was run.
struct Run {
    said: String,
    /// Whether it passed; a test that was stopped did not.
    passed: bool,
    took: Duration,
}

/// What it takes to run tests in processes of their own.
struct Bench {
    /// Of tests that are stopped nothing stays behind.
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A test speaks as another user, who must get through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Runs one test, for so long at most.
    fn run(&self, test: &str, key: Option<&str>, patience: Duration) -> Run {
        let mut command = tests(&["--exact", "--nocapture", test]);
        command
            .env_remove("LBD_IGNORE")
            .envs(key.map(|key| ("LBD_IGNORE", key)))
            .env("TMPDIR", self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        // What it says is read while it runs: a full pipe would stop it.
        let mut pipe = child.stderr.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = std::io::Read::read_to_end(&mut pipe, &mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        while child.try_wait().unwrap().is_none() {
            if started.elapsed() > patience {
                // The daemons that it started go with it.
                let group = rustix::process::Pid::from_child(&child);
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let passed = child.wait().unwrap().success();
        Run { said: reader.join().unwrap(), passed, took: started.elapsed() }
    }

    /// Runs a test without the setting.
    fn ignore(&self, key: &str, shown: &Shown, patience: Duration) -> Outcome {
        let key = format!("{key}{}", shown.more);
        let mut run = self.run(&shown.test, Some(&key), patience);
        if !run.passed && !run.said.contains(mutant::CHANGED) {
            // On a busy machine it may have been stopped before it wrote anything.
            run = self.run(&shown.test, Some(&key), PATIENCE);
        }
        match (run.said.contains(mutant::CHANGED), run.passed, run.said.contains(mutant::REFUSED)) {
            (false, ..) if run.said.to_lowercase().contains("skipped:") => Outcome::Skipped,
            (false, ..) => Outcome::NotWritten,
            (_, true, _) => Outcome::Unnoticed,
            (_, _, true) => Outcome::Refused,
            _ => Outcome::Noticed,
        }
    }

    /// The first test that notices.
    fn search(&self, key: &str, tests: &[String]) -> Option<Shown> {
        let shown = |test: &String| Shown { test: test.clone(), more: String::new() };
        let mut shown = tests.iter().take(8).map(shown);
        shown.find(|shown| self.ignore(key, shown, PATIENCE) == Outcome::Noticed)
    }
}

/// Far longer than the deadline inside a test.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a test may take without a setting: far longer than with it.
fn patience(with: Duration) -> Duration {
    with * 4 + Duration::from_secs(4)
}

/// Does something with each, several at a time: tests wait more than they work.
fn at_once<T: Send, R: Send>(jobs: impl IntoIterator<Item = T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let jobs: Mutex<VecDeque<T>> = Mutex::new(jobs.into_iter().collect());
    let results = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores * 4 {
            scope.spawn(|| {
                loop {
                    let Some(job) = jobs.lock().unwrap().pop_front() else { return };
                    let result = work(job);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

#[test]
#[ignore = "runs some hundred tests one by one; the list says which"]
fn what_is_ignored_is_noticed() {
    if std::env::var_os("LBD_BLESS").is_some() {
        return bless();
    }
    let (bench, started) = (Bench::new(), Instant::now());
    let only = std::env::var("LBD_ONLY").unwrap_or_default();
    let mut rows = list();
    rows.retain(|key, shown| {
        !shown.more.starts_with("unit:") && format!("{key} {}", shown.test).contains(&only)
    });
    let tests: BTreeSet<&String> = rows.values().map(|shown| &shown.test).collect();
    let with: BTreeMap<&String, Duration> = at_once(tests, |test| {
        let run = bench.run(test, None, PATIENCE);
        if !run.passed {
            eprintln!("{test} fails as it is:\n{}", run.said);
        }
        (test, run.passed.then_some(run.took))
    })
    .into_iter()
    .filter_map(|(test, took)| Some((test, took?)))
    .collect();
    let outcomes = at_once(&rows, |(key, shown)| {
        let Some(took) = with.get(&shown.test) else { return (key, shown, Outcome::Broken) };
        let mut outcome = bench.ignore(key, shown, patience(*took));
        if outcome == Outcome::Unnoticed {
            // What is random may look right for once.
            outcome = bench.ignore(key, shown, patience(*took));
            eprintln!("{key}: not noticed at once by {}", shown.test);
        }
        (key, shown, outcome)
    });
    let skipped = outcomes.iter().filter(|(.., outcome)| *outcome == Outcome::Skipped).count();
    eprintln!("{} settings in {:?}, {skipped} of them skipped", outcomes.len(), started.elapsed());
    let is_good = |outcome: &Outcome| matches!(outcome, Outcome::Noticed | Outcome::Skipped);
    let unseen: Vec<_> = outcomes.iter().filter(|(.., outcome)| !is_good(outcome)).collect();
    assert!(unseen.is_empty(), "ignored, and no test noticed: {unseen:#?}");
}

/// Adds to the list what it lacks.
fn bless() {
    let (bench, mut list, candidates) = (Bench::new(), list(), candidates());
    let missing: Vec<String> = mutant::keys().into_iter().filter(|key| !list.contains_key(key)).collect();
    let found = at_once(missing, |key| {
        let shown = bench.search(&key, candidates.get(&key).map_or(&[], Vec::as_slice));
        (key, shown)
    });
    let unseen: Vec<_> = found.iter().filter(|(_, shown)| shown.is_none()).map(|(key, _)| key).collect();
    let unseen = format!("no test notices {unseen:#?}");
    let whole = found.iter().all(|(_, shown)| shown.is_some());
    list.extend(found.into_iter().filter_map(|(key, shown)| Some((key, shown?))));
    let text = std::fs::read_to_string(LIST).unwrap();
    let head: String = text.split_inclusive('\n').take_while(|line| line.starts_with('#')).collect();
    let line = |key: String| {
        let shown = list.get(&key)?;
        Some(format!("{key} {} {}", shown.test, shown.more).trim_end().to_owned() + "\n")
    };
    let lines: String = mutant::keys().into_iter().filter_map(line).collect();
    std::fs::write(LIST, head + &lines).unwrap();
    assert!(whole, "{unseen}");
}

/// Tests that write a setting, the ones that write the fewest first.
fn candidates() -> BTreeMap<String, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let all = tests(&["--test-threads=4"]).env("LBD_KEYS", dir.path()).stdout(Stdio::null()).status();
    assert!(all.is_ok());
    let mut by_test: Vec<(BTreeSet<String>, String)> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| written_by(&entry.unwrap().path())).collect();
    by_test.sort_by_key(|(keys, test)| (keys.len(), test.clone()));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (keys, test) in by_test {
        for key in keys {
            found.entry(key).or_default().push(test.clone());
        }
    }
    found
}

/// The keys that a test wrote, and its name.
fn written_by(path: &Path) -> (BTreeSet<String>, String) {
    let text = std::fs::read_to_string(path).unwrap();
    (text.lines().map(str::to_owned).collect(), path.file_name().unwrap().to_str().unwrap().to_owned())
}
