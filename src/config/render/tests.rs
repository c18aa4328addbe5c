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

/// `text` with the first fix of every finding applied, as far as they do not overlap.
fn fixed(text: &str, report: &Report) -> String {
    let mut edits: Vec<&Edit> = report
        .findings
        .iter()
        .filter_map(|finding| finding.fixes.first())
        .flat_map(|fix| &fix.edits)
        .collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut out = String::new();
    let mut at = 0;
    for edit in edits {
        let range = edit.span.range();
        if range.start >= at {
            out.push_str(&text[at..range.start]);
            out.push_str(&edit.text);
            at = range.end;
        }
    }
    out + &text[at..]
}

#[test]
fn the_fixes_mend_what_they_are_given_for() {
    let mut mended = 0;
    for entry in std::fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut text) = std::fs::read_to_string(&path) else { continue };
        if path.extension().is_none_or(|extension| extension != "kdl") {
            continue;
        }
        let read = |text: &str| syntax::read(Path::new("x.kdl"), &MemLoader::new().file("x.kdl", text)).1;
        let fixable =
            |report: &Report| report.findings.iter().filter(|finding| !finding.fixes.is_empty()).count();
        mended += fixable(&read(&text));
        for _ in 0..3 {
            text = fixed(&text, &read(&text)); // a second round for fixes that overlapped
        }
        let left = read(&text);
        assert_eq!(fixable(&left), 0, "{}:\n{text}\n{left:#?}", path.display());
    }
    assert!(mended > 30, "the golden files hold mistakes with fixes");
}

#[test]
fn a_finding_over_two_files_shows_both() {
    let loader = MemLoader::new()
        .file("main.kdl", "include \"other.kdl\"\n\n\nlet port \"80\"\n")
        .file("other.kdl", "// far\n\nlet port \"81\"\n");
    let (_, report, sources) = syntax::read(Path::new("main.kdl"), &loader);
    let expected = "\
error[LB105]: `let port` is given twice
  ╭▸ main.kdl:4:5
  │
4 │ let port \"80\"
  │     ━━━━ given again
  │
  ⸬  other.kdl:3:5
  │
3 │ let port \"81\"
  ╰╴    ──── first given here
";
    assert_eq!(human(&report, &sources, false), expected);
}

#[test]
fn a_finding_without_a_place_is_one_line() {
    let (_, report, sources) = syntax::read(Path::new("none.kdl"), &MemLoader::new());
    assert_eq!(human(&report, &sources, false), "error[LB110]: cannot read none.kdl: no such file\n");
    assert_eq!(line(&report.findings[0], &sources), "cannot read none.kdl: no such file (LB110)");
}

#[test]
fn color_is_given_only_when_asked_for() {
    let (_, report, sources) = syntax::read(Path::new("x.kdl"), &MemLoader::new().file("x.kdl", "a 5s"));
    assert!(!human(&report, &sources, false).contains('\u{1b}'));
    assert!(human(&report, &sources, true).contains('\u{1b}'));
    assert_eq!(report.findings.len(), 1);
}

#[test]
fn no_more_is_drawn_than_anybody_reads() {
    let text = "a 5s\n".repeat(1_000);
    let (_, report, sources) = syntax::read(Path::new("x.kdl"), &MemLoader::new().file("x.kdl", text));
    let drawn = human(&report, &sources, false);
    assert_eq!(drawn.matches("error[KDL001]").count(), MAX_DRAWN);
    assert!(drawn.ends_with("… and 900 more\n"));
}

#[test]
fn what_a_secret_file_holds_is_never_drawn() {
    let loader = MemLoader::new().file("x.kdl", "a \"${file:s}\" \"${nope}\"").file("s", "hunter2");
    let (_, report, sources) = syntax::read(Path::new("x.kdl"), &loader);
    assert!(!human(&report, &sources, false).contains("hunter2"));
}

/// Several edits over several lines once made the drawing library panic.
#[test]
fn a_list_over_continued_lines_is_drawn() {
    let text = "[\\\n[[";
    let (_, report, sources) = syntax::read(Path::new("x.kdl"), &MemLoader::new().file("x.kdl", text));
    assert!(human(&report, &sources, false).starts_with("error[KDL005]"));
}
