//! Each class of mistake in meaning and its exact rendered message: `tests/golden/meaning/NAME.kdl` and
//! `NAME.stderr`; and the example files, each with exactly the findings that this version must have.
//!
//! A golden file is written anew when `LBD_BLESS` is set in the environment; look at the difference before
//! keeping it.

use std::path::{Path, PathBuf};

use super::diagnostic::Severity;
use super::load;
use super::render::human;
use super::source::MemLoader;
use super::testing::findings;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/meaning")
}

/// What is drawn for one golden configuration, as if it stood in the working directory.
fn drawn(path: &Path) -> String {
    let name = path.file_name().unwrap();
    let text = std::fs::read(path).unwrap();
    let loaded = load(Path::new(name), &MemLoader::new().file(name, text).file("errors/5xx.html", "<p>soon"));
    assert_eq!(loaded.model.is_none(), loaded.report.has_errors(), "{}", path.display());
    human(&loaded.report, &loaded.sources, false)
}

#[test]
fn every_mistake_is_drawn_as_its_golden_file_says() {
    let bless = std::env::var_os("LBD_BLESS").is_some();
    let entries = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "kdl")).collect();
    cases.sort();
    assert!(cases.len() >= 12, "the golden files are where they were");
    let mut wrong = Vec::new();
    for case in cases {
        let (expected, actual) = (case.with_extension("stderr"), drawn(&case));
        if bless {
            std::fs::write(&expected, &actual).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "drawn otherwise than the golden files say:\n{}", wrong.join("\n"));
}

#[track_caller]
fn check_example(name: &str, expected: &[&str]) {
    let text = std::fs::read_to_string(directory().join("examples").join(name)).unwrap();
    assert_eq!(findings(&text, Severity::Error), expected, "{name}");
}

#[test]
fn each_example_has_exactly_the_findings_that_this_version_must_have() {
    check_example("simple.kdl", &[]);
    check_example("canary.kdl", &[]);
    check_example("edge.kdl", &[]);
    check_example("multisite.kdl", &[]);
    check_example("thingworx.kdl", &[]);
}
