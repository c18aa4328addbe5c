//! LB803: secrets that stand in a configuration.

use super::super::diagnostic::Diagnostic;
use super::super::node::{Node, Scalar};
use super::Subject;

/// Fields whose values let in whoever has them.
const FIELDS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-access-token",
    "private-token",
];

pub(super) fn run(s: &Subject<'_>) {
    s.root.nodes().iter().for_each(|node| look(s, node));
}

fn look(s: &Subject<'_>, node: &Node) {
    token(s, node);
    if let ("set" | "add" | "header", [name, value]) = (node.name.value.as_str(), node.args.as_slice())
        && let (Scalar::String { text: name, .. }, Scalar::String { text, expanded: false, .. }) =
            (&name.scalar, &value.scalar)
        && FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
        && !value.secret
        && !value.poisoned
        && !text.is_empty()
    {
        let finding = Diagnostic::warning("LB803", value.span, "a secret stands in the configuration");
        let finding = finding.label("read by all who read this file, and kept in its history");
        s.push(finding.help(format!("put it into a file of its own: `{name} \"${{file:secrets/{name}}}\"`")));
    }
    // The values that a `match` compares with are no less secret; but a condition is no place for a file.
    let inside = node.children.iter().flatten().filter(|_| node.name.value != "match");
    inside.for_each(|child| look(s, child));
}

/// The token of `operate`.
fn token(s: &Subject<'_>, node: &Node) {
    let written = node.props.iter().find(|(key, _)| node.name.value == "operate" && key.value == "token");
    if let Some((_, value)) = written
        && let Scalar::String { expanded: false, .. } = &value.scalar
        && !value.secret
        && !value.poisoned
    {
        let finding = Diagnostic::warning("LB803", value.span, "a secret stands in the configuration");
        let finding = finding.label("read by all who read this file, and kept in its history");
        s.push(finding.help("put it into a file of its own: `token=\"${file:page.token}\"`"));
    }
}
