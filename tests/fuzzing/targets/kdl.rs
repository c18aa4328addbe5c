//! What is done with arbitrary bytes, and what must hold whatever they are. Shared by the tests and by `fuzz/`.

use std::path::Path;
use std::sync::OnceLock;

use lbd::config::diagnostic::{Severity, Spanned};
use lbd::config::node::{Node, Scalar, Value};
use lbd::config::source::MemLoader;
use lbd::config::{self, expectations, format, lexer, render};
use lbd::explain::{Question, World};

/// The lexer loses no byte of a text, and makes none up.
pub(crate) fn lex(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut end = 0;
    for token in lexer::lex(text) {
        let range = token.range();
        assert_eq!(range.start, end, "tokens lie end to end");
        assert!(text.is_char_boundary(range.end) && range.end > range.start, "{range:?}");
        end = range.end;
    }
    assert_eq!(end, text.len(), "all of the text is in tokens");
}

/// A text means something, or has errors; what was found can be drawn.
pub(crate) fn parse(data: &[u8]) {
    let loaded = config::load(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", data));
    let errors = loaded.report.findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(loaded.model.is_none(), errors, "no model without an error, and none with one");
    drop(render::human(&loaded.report, &loaded.sources, true));
    for finding in &loaded.report.findings {
        assert!(!render::line(finding, &loaded.sources).is_empty());
    }
}

/// A text that can be formatted says the same afterwards, and is left alone the second time.
pub(crate) fn format(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("lbd.kdl");
    let Ok(once) = format::format(path, text) else { return };
    assert_eq!(format::format(path, &once).ok().as_ref(), Some(&once), "formatting twice is formatting once");
    assert_eq!(meaning(&once), meaning(text), "formatting keeps the meaning");
}

/// A text of expectations is read without a panic.
pub(crate) fn expect(data: &[u8]) {
    let read = expectations::read(Path::new("a.test.kdl"), &MemLoader::new().file("a.test.kdl", data));
    for one in &read.list {
        assert!(!one.wants.is_empty() || read.report.has_errors());
        let _ = world().ask(&Question::from(one));
    }
}

/// Whatever is asked of a configuration has an answer or a reason.
pub(crate) fn explain(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let mut question = Question::get(lines.next().unwrap_or_default());
    question.headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if let Ok(answer) = world().ask(&question) {
        assert!(!answer.human().is_empty());
    }
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let text = include_str!("../../../examples/ci/lbd.kdl");
        let loaded = config::load(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", text));
        World::of(loaded.model.expect("the example loads")).expect("the system has random bytes")
    })
}

/// The nodes of a text without their places.
fn meaning(text: &str) -> String {
    let (nodes, ..) = config::load_nodes(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", text));
    let mut out = String::new();
    nodes.iter().for_each(|node| told(node, &mut out));
    out
}

fn told(node: &Node, out: &mut String) {
    out.push_str(&format!("{:?}", node.name.value));
    node.args.iter().for_each(|value| out.push_str(&format!(" {}", scalar(value))));
    for (Spanned { value: key, .. }, value) in &node.props {
        out.push_str(&format!(" {key:?}={}", scalar(value)));
    }
    if let Some(children) = &node.children {
        out.push('{');
        children.iter().for_each(|child| told(child, out));
        out.push('}');
    }
    out.push('\n');
}

fn scalar(value: &Value) -> String {
    let kind = value.ty.as_ref().map(|kind| format!("({:?})", kind.value)).unwrap_or_default();
    match &value.scalar {
        // NaN is not equal to itself, its text is.
        Scalar::Decimal(number) => format!("{kind}{number}"),
        other => format!("{kind}{other:?}"),
    }
}
