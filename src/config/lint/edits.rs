//! Changes of text that rules offer. Only what stands in the block itself is changed: what a template or
//! `defaults` gave stands elsewhere for others too.

use super::super::diagnostic::{Diagnostic, Edit, Fix, Span};
use super::super::reader::Reader;

/// A property of `node` made to say `text` (with its quotes), whether or not it was there.
pub(super) fn set(node: Reader<'_>, key: &str, text: &str) -> Option<Edit> {
    if !node.is_written() {
        return None;
    }
    Some(match node.written(key) {
        Some(span) => Edit { span, text: text.to_owned() },
        None => Edit { span: head_end(node), text: format!(" {key}={text}") },
    })
}

/// `node` taken out of the configuration, and left in the file: `/-` in front.
pub(super) fn turn_off(node: Reader<'_>) -> Option<Edit> {
    let span = node.node().span;
    node.is_written().then(|| Edit { span: Span { end: span.start, ..span }, text: "/-".to_owned() })
}

/// With a change that surely mends it, where there is one.
pub(super) fn safe(finding: Diagnostic, edit: Option<Edit>) -> Diagnostic {
    with(finding, edit, true)
}

/// With a change that mends it if the author agrees, where there is one.
pub(super) fn if_meant(finding: Diagnostic, edit: Option<Edit>) -> Diagnostic {
    with(finding, edit, false)
}

fn with(finding: Diagnostic, edit: Option<Edit>, safe: bool) -> Diagnostic {
    match edit {
        Some(edit) => finding.fix_with(Fix { safe, edits: vec![edit], ..Fix::default() }),
        None => finding,
    }
}

/// The place behind the last value of a node, before its block.
fn head_end(node: Reader<'_>) -> Span {
    let node = node.node();
    let values = node.args.iter().chain(node.props.iter().map(|(_, value)| value));
    let end = values.map(|value| value.span.end).chain([node.name.span.end]).max().unwrap_or_default();
    Span { start: end, end, ..node.name.span }
}
