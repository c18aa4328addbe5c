//! LB113: addresses, paths and quantities without quotes. They load; quoted they never run into the next sign, and
//! readers see at once what is a name and what is a value.

use super::super::diagnostic::{Diagnostic, Severity};
use super::super::node::{Node, Scalar, Value};
use super::super::schema::{self, NodeSpec, Type};
use super::Subject;

pub(super) fn run(s: &Subject<'_>) {
    s.root.nodes().iter().for_each(|node| look(s, node, None));
}

fn look(s: &Subject<'_>, node: &Node, parent: Option<&NodeSpec>) {
    let Some(spec) = schema::find(parent, &node.name.value) else { return };
    let args = node.args.iter().enumerate().filter_map(|(at, value)| Some((value, spec.arg(at)?.ty)));
    let props = node.props.iter().filter_map(|(key, value)| Some((value, spec.prop(&key.value)?.ty)));
    for (value, ty) in args.chain(props) {
        if let Some(text) = bare(value, ty).filter(|_| !s.cx.is_told(value.span)) {
            let message = format!("`{text}` stands without quotes");
            let hint = Diagnostic::new("LB113", Severity::Hint, Some(value.span), message);
            let hint = hint.label("a value, and no name or keyword").help("put it in quotes");
            s.push(hint.fix(value.span, format!("\"{text}\"")));
        }
    }
    node.children.iter().flatten().for_each(|child| look(s, child, Some(spec)));
}

/// The text of a value that the style puts in quotes and that has none.
fn bare(value: &Value, ty: Type) -> Option<&str> {
    let Scalar::String { text, quoted: false, .. } = &value.scalar else { return None };
    let due = match ty {
        Type::Address
        | Type::Upstream
        | Type::Cidr
        | Type::Path
        | Type::Pattern
        | Type::Duration { .. }
        | Type::Size { .. }
        | Type::Percent { .. }
        | Type::Rate
        | Type::Status => true,
        Type::ServerName | Type::File { .. } | Type::Glob | Type::Probe => text.contains(['/', ':', '*']),
        _ => false,
    };
    (due && !value.poisoned && !matches!(text.as_str(), "off" | "tcp" | "grpc" | "websocket")).then_some(text)
}
