//! Every node, property and word of the language has a test that fails when it is ignored.
//!
//! `language/shown.txt` names that test for each. That the list is whole and its tests exist is checked always; that
//! each test really notices is checked by running it against a configuration without the setting:
//! `cargo test --test tests -- --ignored what_is_ignored_is_noticed`. With `LBD_BLESS=1` that run also looks for
//! tests for what the list lacks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::{Client, Daemon, Origin, eventually, mutant};

mod checks;
mod files;
mod listeners;
mod pools;
mod process;
mod routes;
mod serve;
mod stapling;
mod upstream_tls;

const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/language/shown.txt");

/// A line of the list: `KEY TEST`, then perhaps `:=VALUE` (what stands there instead, for what cannot be left out),
/// or `needed` (without it the file is refused, and that is all there is to show), or `unit: WHY` (the test stands
/// beside the code, which alone can show it). `KEY - gap: WHY` is a setting that no test shows yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    test: String,
    more: String,
}

fn list() -> BTreeMap<String, Shown> {
    let text = std::fs::read_to_string(LIST).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut list = BTreeMap::new();
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let (key, test) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let shown = Shown { test: test.into(), more: words.next().unwrap_or_default().trim().into() };
        assert!(list.insert(key.to_owned(), shown).is_none(), "{key} stands twice in {LIST}");
    }
    list
}

/// Where a listener was bound.
fn bound(daemon: &Daemon, name: &str) -> SocketAddr {
    let (_, answer) = daemon.control("GET", "/v1/status");
    let listeners = answer["listeners"].as_array().unwrap();
    let found = listeners.iter().find(|listener| listener["name"] == name).expect("a listener of that name");
    found["address"].as_str().unwrap().parse().unwrap()
}

/// The values of a field in the requests that a server saw.
fn fields(origin: &Origin, name: &str) -> Vec<String> {
    origin.requests().iter().filter_map(|request| request.field(name).map(str::to_owned)).collect()
}

/// How many of so many requests are answered with 200.
fn count(daemon: &Daemon, times: usize, method: &str) -> usize {
    let mut client = Client::connect(daemon.address());
    (0..times).filter(|_| client.request(method, "/", "", b"").status() == 200).count()
}

/// Waits until the daemon wrote this.
fn says(daemon: &Daemon, text: &str) {
    eventually(&format!("{text} is written"), || daemon.log().contains(text).then_some(()));
}

/// How many settings may be shown by no test: this number only falls.
const GAPS: usize = 1;

/// This binary, with the test harness's own options.
fn tests(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(args).stdin(Stdio::null()).env_remove("LBD_BLESS");
    command
}

fn names() -> BTreeSet<String> {
    let listed = tests(&["--list"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

#[test]
fn the_list_names_a_test_for_every_row() {
    let (list, names) = (list(), names());
    let keys: BTreeSet<String> = mutant::keys().into_iter().collect();
    let missing: Vec<_> = keys.iter().filter(|key| !list.contains_key(*key)).collect();
    assert!(missing.is_empty(), "no test is said to show {missing:#?}");
    let mut gaps = 0;
    for (key, shown) in &list {
        assert!(keys.contains(key), "{key} is not in the table");
        if shown.more.starts_with("gap:") {
            gaps += 1;
            continue;
        }
        if shown.more.starts_with("unit:") {
            let path = shown.test.rsplit_once("::").expect("a test stands in a module");
            let source = format!("{}/src/{}.rs", env!("CARGO_MANIFEST_DIR"), path.0.replace("::", "/"));
            let source = std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert!(source.contains(&format!("fn {}()", path.1)), "{key}: no test {}", shown.test);
            continue;
        }
        assert!(names.contains(&shown.test), "{key} is shown by {}, which is no test", shown.test);
        let written = key.rsplit(['/', '.', '=']).next().unwrap_or_default();
        let subject = shown.test.split("::").next().unwrap();
        let said = sources(subject).iter().any(|text| text.contains(written));
        assert!(said, "{} does not write `{written}` of {key}", shown.test);
    }
    assert!(gaps <= GAPS, "{gaps} settings are shown by no test: write one instead of listing another gap");
}

/// What a test of this subject may be written in, the support code that makes its configuration included.
fn sources(subject: &str) -> Vec<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = [tests.join(subject), tests.join("support")];
    let inside = folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let inside = inside.map(|entry| entry.path());
    std::iter::once(tests.join(format!("{subject}.rs")))
        .chain(inside.filter(|path| path.extension().is_some_and(|extension| extension == "rs")))
        .map(|path| {
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect()
}

/// How a test took it that a setting was ignored.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Noticed,
    /// The file cannot do without it.
    Refused,
    Unnoticed,
    NotWritten,
}

/// Longer than the deadline inside the test.
const PATIENCE: Duration = Duration::from_secs(90);

fn ended(mut child: Child) -> Option<std::process::Output> {
    let started = Instant::now();
    // What it says is read while it runs: a full pipe would stop it.
    let mut pipe = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = std::io::Read::read_to_end(&mut pipe, &mut said);
        said
    });
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            // The daemons that it started go with it.
            let group = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = child.wait().unwrap();
    Some(std::process::Output { status, stdout: Vec::new(), stderr: reader.join().unwrap() })
}

fn ignore(key: &str, shown: &Shown) -> Outcome {
    let value = shown.more.strip_prefix(":=").map_or(String::new(), |value| format!(":={value}"));
    let mut command = tests(&["--exact", "--nocapture", &shown.test]);
    command
        .env("LBD_IGNORE", format!("{key}{value}"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    let Some(output) = ended(command.spawn().unwrap()) else { return Outcome::Noticed };
    let said = String::from_utf8_lossy(&output.stderr);
    match (said.contains(mutant::CHANGED), output.status.success(), said.contains(mutant::REFUSED)) {
        (false, ..) => Outcome::NotWritten,
        (_, true, _) => Outcome::Unnoticed,
        (_, _, true) => Outcome::Refused,
        _ => Outcome::Noticed,
    }
}

fn is_good(outcome: &Outcome, shown: &Shown) -> bool {
    *outcome == Outcome::Noticed || *outcome == Outcome::Refused && shown.more == "needed"
}

/// Tests that write a setting, the ones that write the fewest first.
fn candidates() -> BTreeMap<String, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let all = tests(&["--test-threads=4"]).env("LBD_KEYS", dir.path()).stdout(Stdio::null()).status();
    assert!(all.is_ok());
    let mut by_test = Vec::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let keys: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        by_test.push((keys, path.file_name().unwrap().to_str().unwrap().to_owned()));
    }
    by_test.sort_by_key(|(keys, test)| (keys.len(), test.clone()));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (keys, test) in by_test {
        for key in keys {
            found.entry(key).or_default().push(test.clone());
        }
    }
    found
}

/// The first test that notices, or else one whose file cannot do without it.
fn search(key: &str, tests: &[String]) -> Option<Shown> {
    let mut needed = None;
    for test in tests.iter().take(8) {
        let shown = Shown { test: test.clone(), more: String::new() };
        match ignore(key, &shown) {
            Outcome::Noticed => return Some(shown),
            Outcome::Refused => {
                needed.get_or_insert(Shown { more: "needed".into(), ..shown });
            }
            Outcome::Unnoticed | Outcome::NotWritten => {}
        }
    }
    needed
}

#[test]
#[ignore = "runs some hundred tests; the list says which"]
fn what_is_ignored_is_noticed() {
    let bless = std::env::var_os("LBD_BLESS").is_some();
    let list = list();
    let candidates = if bless { candidates() } else { BTreeMap::new() };
    let jobs: Mutex<VecDeque<String>> = Mutex::new(mutant::keys().into());
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(key) = jobs.lock().unwrap().pop_front() else { return };
                    let known = list.get(&key);
                    let outcome =
                        known.map(|shown| if bless { Outcome::Noticed } else { ignore(&key, shown) });
                    let good = matches!((&outcome, known), (Some(o), Some(shown)) if is_good(o, shown));
                    let found = match (good, bless) {
                        (false, true) => search(&key, candidates.get(&key).map_or(&[], Vec::as_slice)),
                        (true, _) => known.cloned(),
                        _ => None,
                    };
                    results.lock().unwrap().insert(key, (outcome, found));
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    if bless {
        let head = "# What shows that a setting works: KEY TEST [:=VALUE | needed]. See tests/language.rs.\n";
        let line = |key: String| {
            let shown = results[&key].1.as_ref()?;
            Some(format!("{key} {} {}", shown.test, shown.more).trim_end().to_owned() + "\n")
        };
        let lines: String = mutant::keys().into_iter().filter_map(line).collect();
        std::fs::write(LIST, head.to_owned() + &lines).unwrap();
    }
    let unseen: Vec<_> = results.iter().filter(|(_, (_, found))| found.is_none()).collect();
    assert!(unseen.is_empty(), "ignored, and no test noticed: {unseen:#?}");
}
