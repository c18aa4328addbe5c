//! What mending leaves behind, and what it does not touch.

use std::path::Path;

use super::super::load;
use super::super::source::MemLoader;
use super::super::testing::BASE;
use super::*;

/// Mends the file `lbd.kdl` beside `other.kdl`.
fn mended(text: &str, other: &str, trust: Trust) -> Fixed {
    let disk = MemLoader::new().file("lbd.kdl", text).file("other.kdl", other);
    let check = |texts: &Texts| {
        let loader = texts.iter().fold(disk.clone(), |loader, (path, text)| loader.file(path, text.as_str()));
        let loaded = load(Path::new("lbd.kdl"), &loader);
        (loaded.report, loaded.sources)
    };
    let (report, sources) = check(&Texts::new());
    fix(trust, report, sources, check)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let fixed = mended(text, "", Trust::Safe);
    let codes: Vec<_> =
        fixed.report.findings.iter().map(|finding| (finding.code, &finding.message)).collect();
    let found = fixed.texts.get(Path::new("lbd.kdl")).map_or(text, String::as_str);
    assert_eq!(found, expected, "left: {codes:?}");
}

#[test]
fn one_mistake_after_another_is_mended_until_none_is_left() {
    let text = "# the door\nlisten = :80 reuse-port=yes\npool app\n{\n  sever 10.0.0.1:8080, wieght=2\n}\nroute / pool=ap\n";
    let good = "// the door\nlisten \":80\" reuse-port=#true\npool app {\n  server \"10.0.0.1:8080\" weight=2\n}\n\
                route \"/\" pool=app\n";
    let fixed = mended(text, "", Trust::Safe);
    assert_eq!(fixed.texts.get(Path::new("lbd.kdl")).map(String::as_str), Some(good));
    assert_eq!(fixed.report.findings, [], "{:?}", fixed.texts);
    assert!(fixed.applied >= 7, "{}", fixed.applied);
}

#[test]
fn what_has_no_fix_and_what_is_good_stays_as_it_is() {
    check(BASE, BASE);
    let text = format!("{BASE}route \"/x\" pool=nowhere-near\n");
    check(&text, &text);
}

#[test]
fn included_files_are_mended_too() {
    let fixed = mended(&format!("include \"other.kdl\"\n{BASE}"), "route \"/x\" pool=ap\n", Trust::Safe);
    assert_eq!(fixed.texts.keys().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["other.kdl"]);
    assert_eq!(fixed.texts[Path::new("other.kdl")], "route \"/x\" pool=app\n");
}

/// Findings that a check makes up: a fix for each word in the list, good or bad.
fn made_up(text: &str, trust: Trust, safe: bool, with: &str) -> String {
    let start = text.to_owned();
    let check = |texts: &Texts| {
        let text = texts.get(Path::new("x")).unwrap_or(&start).clone();
        let mut sources = Sources::default();
        let file = sources.add("x".into(), text.clone());
        let mut report = Report::default();
        for (at, found) in text.match_indices("old") {
            let span = super::super::diagnostic::Span::new(file, at..at + found.len());
            let edits = vec![Edit { span, text: with.to_owned() }];
            report.push(Diagnostic::warning("LB104", span, "old").fix_with(Fix {
                safe,
                edits,
                ..Fix::default()
            }));
        }
        for (at, _) in text.match_indices("worse") {
            let span = super::super::diagnostic::Span::new(file, at..at);
            report.push(Diagnostic::warning("LB105", span, "worse"));
        }
        (report, sources)
    };
    let (report, sources) = check(&Texts::new());
    let fixed = fix(trust, report, sources, check);
    fixed.texts.get(Path::new("x")).cloned().unwrap_or(start)
}

#[test]
fn a_fix_that_brings_a_new_finding_is_taken_back() {
    assert_eq!(made_up("old a old", Trust::Safe, true, "new"), "new a new");
    assert_eq!(made_up("oldold a", Trust::Safe, true, "new"), "newnew a");
    assert_eq!(made_up("old a old", Trust::Safe, true, "worse"), "old a old");
    assert_eq!(made_up("old a old", Trust::Safe, true, "older"), "old a old", "it does not mend");
}

#[test]
fn an_unsafe_fix_waits_to_be_asked_for() {
    assert_eq!(made_up("old a", Trust::Safe, false, "new"), "old a");
    assert_eq!(made_up("old a", Trust::Unsafe, false, "new"), "new a");
}
