//! The stages together: whole files, and arbitrary ones.

use proptest::prelude::*;

use super::super::source::MemLoader;
use super::super::{diagnostic::Diagnostic, load_nodes, load_with, render};
use super::*;

fn loader(text: &str) -> MemLoader {
    MemLoader::new().file("main.kdl", text)
}

fn load(text: &str) -> (Vec<Node>, Report, Sources) {
    load_nodes(Path::new("main.kdl"), &loader(text))
}

#[test]
fn an_empty_file_gives_no_nodes_and_no_findings() {
    for text in ["", "\n", "// nothing\n", "\u{feff}", "/- pool a { }", "/* a\n/* b */ */"] {
        let (nodes, report, sources) = load(text);
        assert_eq!((nodes, report), (Vec::new(), Report::default()), "{text:?}");
        assert!(sources.complete());
    }
}

#[test]
fn the_language_as_it_is_meant_to_be_written_has_no_findings() {
    let text = r##"/- kdl-version 2
// comments, continuation, annotations, raw strings, several nodes on a line
listen ":80" { redirect-to-https }
listen ":443" { tls unknown-sni=reject; } // behind
paths ignore-case=#true merge-slashes=#true
let api-port "8080"
template api-pool path="/ready" { health "${path}" interval="2s"; }
defaults { pool { balance least-requests; } }
pool api { use api-pool; server a1 "${env:HOST:-10.0.0.12}:${api-port}" weight=2; }
/-pool old { server "x"; }
/-let x "1"; pool other { server "y" }
route "/Thingworx/WS" "/Thingworx/WSTunnelServer" \
  "/Thingworx/VWS" pool=api /-priority=3 {
  timeout tunnel-idle="1h"
}
site "a.example.com" {
  route (regex)#"^/old/(?<id>\d+)$"# { redirect "/orders/{id}" status=301 }
  route (exact)"/robots.txt" { respond 200 body="User-agent: *\nDisallow:\n" }
}
"##;
    let (nodes, report, sources) = load(text);
    assert_eq!(render::human(&report, &sources, false), "");
    let names: Vec<&str> = nodes.iter().map(|node| node.name.value.as_str()).collect();
    assert_eq!(names, ["listen", "listen", "paths", "pool", "pool", "route", "site"]);
}

#[test]
fn hostile_nesting_is_a_finding_and_not_the_end() {
    for text in
        ["a{".repeat(600), "a /-{".repeat(20), "/*".repeat(1_000), "}".repeat(4_000), "a{b}".repeat(9_999)]
    {
        let on_a_small_stack = std::thread::Builder::new().stack_size(2 << 20).spawn(move || load(&text).1);
        let report = on_a_small_stack.unwrap().join().unwrap();
        assert!(report.has_errors());
    }
}

#[test]
fn findings_come_in_reading_order_over_files() {
    let loader = loader("include \"b.kdl\"\nx 5s\ny \"${nope}\"\n").file("b.kdl", "z 1x\n");
    let (_, report, sources) = load_nodes(Path::new("main.kdl"), &loader);
    let lines: Vec<String> = report.findings.iter().map(|finding| render::line(finding, &sources)).collect();
    assert_eq!(
        lines,
        [
            "main.kdl:2:3 a value that starts with a digit but is not a number needs quotes (KDL001)",
            "main.kdl:3:4 `${nope}` has no value (LB111)",
            "b.kdl:1:3 a value that starts with a digit but is not a number needs quotes (KDL001)",
        ]
    );
}

#[test]
fn meaning_is_asked_only_about_what_could_be_read_to_the_end() {
    let asked = |text: &str| {
        let mut asked = false;
        let loaded = load_with(Path::new("main.kdl"), &loader(text), |_, _, report| {
            asked = true;
            let span = super::super::diagnostic::Span::new(super::super::diagnostic::FileId(0), 0..0);
            report.push(Diagnostic::error("LB801", span, "nothing"));
            None
        });
        assert!(loaded.model.is_none() && loaded.report.has_errors());
        asked
    };
    assert!(asked("listen 5s"), "one mistake does not hide what else is wrong");
    assert!(!asked("pool a {"), "what stands in the block is not known");
    assert!(!asked("include \"missing.kdl\""));
}

/// Every span of nodes and findings lies within its file, on the borders of characters.
fn check_spans(text: &str) {
    let (nodes, report, sources) = read(Path::new("main.kdl"), &loader(text));
    let inside = |span: super::super::diagnostic::Span| {
        assert!(span.start <= span.end && text.get(span.range()).is_some(), "{span:?} in {text:?}");
    };
    for finding in &report.findings {
        let others = finding.labels.iter().map(|label| label.span);
        let edits = finding.fixes.iter().flat_map(|fix| fix.edits.iter().map(|edit| edit.span));
        finding.span.into_iter().chain(others).chain(edits).for_each(inside);
    }
    let mut open: Vec<&Node> = nodes.iter().collect();
    while let Some(node) = open.pop() {
        inside(node.span);
        inside(node.name.span);
        node.args.iter().for_each(|value| inside(value.span));
        node.props.iter().for_each(|(key, value)| (inside(key.span), inside(value.span)).0);
        open.extend(node.children.iter().flatten());
    }
    drop(render::human(&report, &sources, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_text_is_read_without_panic_and_every_span_holds(text in "\\PC{0,80}") {
        check_spans(&text);
    }

    #[test]
    fn text_that_looks_like_kdl_is_read_without_panic_and_every_span_holds(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..40)
    ) {
        check_spans(&parts.concat());
    }
}

/// Pieces of KDL, and of what people take for KDL.
const PARTS: &[&str] = &[
    "pool",
    "route",
    "use",
    "let",
    "template",
    "defaults",
    "include",
    "a",
    "é",
    "😀",
    " ",
    " ",
    " ",
    "\n",
    "\n",
    "\r\n",
    "{",
    "}",
    "{\n",
    "}\n",
    "(",
    ")",
    "(regex)",
    "=",
    "=5",
    ";",
    "\"",
    "\"x\"",
    "\"${a}\"",
    "\"${env:A}\"",
    "\"${\"",
    "\"\"\"",
    "\"\"\"\n x\n \"\"\"",
    "#\"",
    "\"#",
    "#\"x\"#",
    "r\"x\"",
    "#",
    "# x",
    "#true",
    "true",
    "5s",
    "10.0.0.1:80",
    "1",
    "-",
    ".5",
    "/",
    "/api",
    "/-",
    "//",
    "/*",
    "*/",
    "\\",
    "\\\n",
    "[",
    "]",
    ",",
    ":",
    "a:",
    "'",
    "'x'",
    "$",
    "${X}",
    "\u{feff}",
    "\u{7}",
    "\u{85}",
    "\"\\d\"",
    "\"\\u{41}\"",
    "http://x",
];
