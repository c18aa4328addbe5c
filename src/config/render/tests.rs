//! Each mistake and its exact rendered message: `tests/golden/syntax/NAME.kdl` and `NAME.stderr`.
//!
//! A golden file is written anew when `LBD_BLESS` is set in the environment; look at the difference before
//! keeping it.

use std::path::{Path, PathBuf};

use super::super::source::MemLoader;
use super::super::syntax;
use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/syntax")
}

/// What is drawn for one golden configuration, as if it stood in the working directory.
fn drawn(path: &Path) -> String {
    let name = path.file_name().expect("a golden file has a name");
    let text = std::fs::read(path).unwrap();
    let (_, report, sources) = syntax::read(Path::new(name), &MemLoader::new().file(name, text));
    human(&report, &sources, false)
}

#[test]
fn every_mistake_is_drawn_as_its_golden_file_says() {
    let bless = std::env::var_os("LBD_BLESS").is_some();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "kdl"))
        .collect();
    cases.sort();
    assert!(cases.len() > 20, "the golden files are where they were");
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
