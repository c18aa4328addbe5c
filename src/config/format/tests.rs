//! Blanks in order, everything else as it was; nothing is given out that says something else.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn fmt(text: &str) -> String {
    match format(Path::new("test.kdl"), text) {
        Ok(formatted) => formatted,
        Err((report, _)) => panic!("{text:?} is refused: {:?}", report.findings),
    }
}

#[track_caller]
fn becomes(text: &str, formatted: &str) {
    assert_eq!(fmt(text), formatted);
    assert_eq!(fmt(formatted), formatted, "again");
}

#[test]
fn blocks_are_indented_by_their_depth() {
    becomes(
        "pool a{\nserver \"x\"\n      health \"/\"   {\nheader a b\n}\n\t}",
        "pool a {\n  server \"x\"\n  health \"/\" {\n    header a b\n  }\n}\n",
    );
}

#[test]
fn one_blank_stands_between_tokens_and_none_around_equals() {
    becomes("server   a  weight = 2   backup=#true  // spare  ", "server a weight=2 backup=#true // spare\n");
    becomes("route ( regex ) \"/a\"", "route (regex)\"/a\"\n");
}

#[test]
fn what_is_on_one_line_stays_there() {
    becomes("tls{certificate \"c\";alpn h2 ;}", "tls { certificate \"c\"; alpn h2; }\n");
    becomes("a { }\nb {}", "a {}\nb {}\n");
}

#[test]
fn empty_lines_are_thinned_and_gone_at_the_edges() {
    becomes("\n\n\na {\n\n\nb\n\n\n\nc\n\n}\n\n\n\nd\n\n\n", "a {\n  b\n\n  c\n}\n\nd\n");
    becomes("\n \n", "");
}

#[test]
fn lines_that_go_on_are_indented_once_more() {
    becomes(
        "route \"/a\" \\\n\"/b\"   \\ // more\n     \"/c\" {\nbody-limit\n}",
        "route \"/a\" \\\n  \"/b\" \\ // more\n  \"/c\" {\n  body-limit\n}\n",
    );
}

#[test]
fn comments_strings_and_what_is_commented_out_stay() {
    becomes(
        "/- kdl-version 2\n/-node {\n a\n}\n/*\n  two\n lines */ b\nc /- d \"\"\"\n    text\n    \"\"\"",
        "/- kdl-version 2\n/-node {\n  a\n}\n/*\n  two\n lines */ b\nc /- d \"\"\"\n    text\n    \"\"\"\n",
    );
    becomes("a #\"raw  \"  x\"#   0xFF  1_000", "a #\"raw  \"  x\"# 0xFF 1_000\n");
}

#[test]
fn line_ends_of_other_systems_become_ours() {
    becomes("a\r\nb {\r\nc\r\n}\r\n", "a\nb {\n  c\n}\n");
}

#[test]
fn a_text_with_mistakes_is_refused_with_its_findings() {
    let (report, _) = format(Path::new("x.kdl"), "pool a {").expect_err("a brace is missing");
    assert_eq!(report.findings[0].code, "KDL008");
}

#[test]
fn every_example_is_formatted_already() {
    let mut seen = 0;
    for path in files(Path::new("examples")) {
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(fmt(&text), text, "{}: format it with lbd fmt", path.display());
        seen += 1;
    }
    assert!(seen > 10, "only {seen} examples were found");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "kdl") {
            found.push(path);
        }
    }
    found
}

/// The test cases of the KDL specification, which the parser's package carries.
#[test]
fn the_cases_of_the_specification_keep_their_meaning() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline"])
        .output()
        .expect("cargo runs");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let manifest = told["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == "kdl"))
        .and_then(|package| package["manifest_path"].as_str())
        .expect("the parser is among the packages");
    let cases = Path::new(manifest).with_file_name("tests").join("test_cases/input");
    let (mut formatted, mut refused) = (0, Vec::<(String, &str)>::new());
    for path in files(&cases) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if KdlDocument::parse_v2(&text).is_err() {
            continue;
        }
        match format(&path, &text) {
            Ok(once) => {
                assert_eq!(fmt(&once), once, "{}: formatting it twice changes it", path.display());
                formatted += 1;
            }
            Err((report, _)) => refused.push((
                path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                report.findings[0].code,
            )),
        }
    }
    assert!(formatted > 200, "{formatted} formatted, refused: {refused:?}");
    let unsure: Vec<_> = refused.iter().filter(|(_, code)| *code == "KDL020").collect();
    assert!(unsure.is_empty(), "{unsure:?}");
}

/// Pieces that, one behind the other, are often a document.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "node",
        "a",
        " ",
        "  ",
        "\n",
        "\n\n\n",
        "{",
        "}",
        "{\n",
        "\n}",
        ";",
        "=",
        "k=1",
        " \"s\"",
        "/-",
        "// c\n",
        "/* c */",
        "\\\n",
        "(t)",
        "\"\"\"\n  x\n  \"\"\"",
        "#true",
        "1_0",
        "\t",
        "\r\n",
        "/*\n*/",
        " \\ // d\n",
        "#\"r\"#",
    ])
}

proptest! {
    #[test]
    fn formatting_twice_is_formatting_once(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        if let Ok(once) = checked(FileId(0), &text) {
            prop_assert_eq!(checked(FileId(0), &once).ok(), Some(once));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = checked(FileId(0), &text);
    }
}
