//! The table of promises: every test that `docs/guarantees.md` names is there.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where a module's text may stand.
fn places(module: &[&str]) -> Vec<PathBuf> {
    let (first, module) = match module {
        [head, rest @ ..] => match head.strip_prefix("lib:") {
            Some(head) => ("src", std::iter::once(head).chain(rest.iter().copied()).collect::<Vec<_>>()),
            None => ("tests", module.to_vec()),
        },
        [] => return Vec::new(),
    };
    let path = root().join(first).join(module.join("/"));
    let name = path.display().to_string();
    ["{}.rs", "{}/mod.rs", "{}/tests.rs", "{}_tests.rs"].map(|form| form.replace("{}", &name).into()).into()
}

/// Whether the text has this test, by attribute or in a `proptest!`.
fn has_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before: Vec<&str> = text[..line].lines().rev().take_while(|line| !line.trim().is_empty()).collect();
    before.iter().any(|line| line.trim_start().starts_with("#[test]") || line.contains("::test]"))
}

/// The tests that a row names.
fn named(row: &str) -> Vec<&str> {
    row.split('`').skip(1).step_by(2).filter(|code| code.contains("::") && !code.contains(' ')).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let text = std::fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| lbd promises"));
    let mut found = 0;
    for row in rows {
        let shown = row.rsplit('|').nth(1).unwrap_or_default();
        let tests = named(shown);
        assert!(!tests.is_empty() || shown.contains("the compiler"), "no test shows: {row}");
        for test in tests {
            let path: Vec<&str> = test.split("::").collect();
            let (name, module) = path.split_last().expect("a path has a last part");
            let texts = places(module).into_iter().filter_map(|place| std::fs::read_to_string(place).ok());
            assert!(texts.into_iter().any(|text| has_test(&text, name)), "there is no test {test}");
            found += 1;
        }
    }
    assert!(found > 60, "{found} tests");
}

#[test]
fn a_test_that_does_not_exist_would_be_noticed() {
    let text = "#[test]\nfn is_one() {\n}\n\nfn is_none() {\n}\n";
    assert!(has_test(text, "is_one") && !has_test(text, "is_none") && !has_test(text, "is"));
    assert!(named("| a | `x y::z` | `a::b` |") == ["a::b"]);
}
