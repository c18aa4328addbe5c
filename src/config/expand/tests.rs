//! What strings become.

use super::super::source::MemLoader;
use super::super::{node::Node, syntax};
use super::*;

fn loader(text: &str) -> MemLoader {
    MemLoader::new().file("/c/main.kdl", text)
}

fn read(loader: &MemLoader) -> (Vec<Node>, Report, Sources) {
    syntax::read(Path::new("/c/main.kdl"), loader)
}

/// The text, and whether it was expanded, is poisoned, is secret, of the only node's first argument.
fn first(loader: &MemLoader) -> (String, bool, bool, bool) {
    let (nodes, _, _) = read(loader);
    let value = &nodes[0].args[0];
    let Scalar::String { text, expanded, .. } = &value.scalar else { panic!("{value:?}") };
    (text.clone(), *expanded, value.poisoned, value.secret)
}

#[test]
fn each_form_is_filled_in() {
    let check = |value: &str, expected: &str, expanded: bool| {
        let text = format!("let port 80\nlet host \"h${{env:N}}\"\na {value}");
        let loader = loader(&text).var("N", "7").var("EMPTY", "");
        assert_eq!(first(&loader), (expected.to_owned(), expanded, false, false), "{value}");
    };
    check(r#""${host}:${port}""#, "h7:80", true);
    check(r#""${env:N}${env:N}""#, "77", true);
    check(r#""${env:NONE:-d:-e}""#, "d:-e", true);
    check(r#""${env:NONE:-}""#, "", true);
    check(r#""${env:EMPTY:-d}""#, "", true);
    check(r#""$${port} $ $$ $5 ${port}""#, "${port} $ $$ $5 80", true);
    check(r#""$${port}""#, "${port}", false);
    check("\"\"\"\n  x ${port}\n  \"\"\"", "x 80", true);
    check("#\"${port}\"#", "${port}", false);
    check("$", "$", false);
}

#[test]
fn what_comes_from_a_file_is_trimmed_secret_and_an_input() {
    let text = "let token \"${file:run/token}\"\na \"Bearer ${token}\" plain=\"x\"";
    let loader = loader(text).file("/c/run/token", "s3cret\n");
    assert_eq!(first(&loader), ("Bearer s3cret".to_owned(), true, false, true));
    let (nodes, report, sources) = read(&loader);
    assert!(!nodes[0].props[0].1.secret);
    assert_eq!(report.findings, []);
    assert!(sources.inputs().contains(&super::super::source::Input::File("/c/run/token".into())));
    assert!(sources.files().all(|(_, file)| !file.text().contains("s3cret")), "no source shows it");
    let changed = loader.clone().file("/c/run/token", "other");
    assert_ne!(sources.digest(), sources.digest_now(&changed));
}

#[test]
fn what_cannot_be_filled_in_is_poisoned_and_said_once() {
    let (nodes, report, _) = read(&loader("let bad \"${env:NONE}\"\na \"${bad}\" \"${bad}\" \"ok\""));
    let poisoned: Vec<bool> = nodes[0].args.iter().map(|value| value.poisoned).collect();
    assert_eq!(poisoned, [true, true, false]);
    assert_eq!(report.findings.len(), 1, "{report:?}");
    let span = report.findings[0].span.unwrap();
    assert_eq!(span.range(), 9..20, "exactly the reference");
}

#[test]
fn growth_has_a_bound() {
    let mut text = "let l0 \"xxxxxxxxxxxxxxxx\"\n".to_owned();
    for n in 1..40 {
        text.push_str(&format!("let l{n} \"${{l{0}}}${{l{0}}}\"\n", n - 1));
    }
    text.push_str("a \"${l39}\"");
    let (nodes, report, _) = read(&loader(&text));
    assert!(nodes[0].args[0].poisoned);
    assert!(report.findings.iter().any(|finding| finding.message.contains("longer than 64 KiB")));
}

#[test]
fn names_keys_and_bare_words_are_never_filled_in() {
    let (nodes, _, _) = read(&loader("let x \"1\"\n\"${x}\" \"${x}\" \"${x}\"=\"${x}\""));
    assert_eq!(nodes[0].name.value, "${x}");
    assert_eq!(nodes[0].props[0].0.value, "${x}");
}
