//! Every node, property and word of the language has a test that fails when it is ignored.
//!
//! `language/shown.txt` names that test for each. That the list is whole and its tests exist is checked always; that
//! each test passes with the setting and fails without it is tried by `language/proof.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Client, Daemon, Origin, mutant};

mod checks;
mod files;
mod listeners;
mod pools;
mod process;
mod proof;
mod routes;
mod serve;
mod stapling;
mod upstream_tls;

const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/language/shown.txt");

/// A line of the list: `KEY TEST`, then perhaps what is there instead, as [`mutant`] reads it (`:=VALUE`, `::NODE`,
/// `::last`), or `unit: WHY` (the test stands beside the code, which alone can show it).
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
pub(crate) fn bound(daemon: &Daemon, name: &str) -> SocketAddr {
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
    daemon.says(text);
}

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
    for (key, shown) in &list {
        assert!(keys.contains(key), "{key} is not in the table");
        let forms = [":=", "::", "unit:"];
        let is_form = shown.more.is_empty() || forms.iter().any(|form| shown.more.starts_with(form));
        assert!(is_form, "{key}: `{}` is nothing that can stand there instead", shown.more);
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
