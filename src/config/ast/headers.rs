//! `request-headers`, `response-headers`, and texts with holes: `{host}`, `{path}`, `{query}`, `{param}`.

use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::{HeaderEdit, LocationPart};
use super::super::node::Value;
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// Fields that lbd writes itself from what it parsed: an edit could make two requests of one.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Edits and where each was written.
pub(crate) type Edits = Vec<Spanned<HeaderEdit>>;

/// The edits of `request-headers` or `response-headers`, those of weaker origins first.
pub(crate) fn edits(block: Block<'_>, name: &'static str) -> Edits {
    let request = name == "request-headers";
    let mut edits = Vec::new();
    for edit in block.all(name).into_iter().flat_map(|r| r.block().any()) {
        let fields = match edit.name() {
            "remove" => edit.args(Typed::text),
            _ => edit.arg(0, Typed::text).into_iter().collect(),
        };
        for field in fields {
            if let Some(refusal) = refused(&field, request) {
                edit.cx.push(refusal);
                continue;
            }
            let name = field.value.as_str().into();
            let value = || edit.arg(1, Typed::text).map(|text| parts(&text.value));
            let secret = edit.node().args.get(1).is_some_and(Value::is_private);
            let meant = match edit.name() {
                "remove" => Some(HeaderEdit::Remove { name }),
                "add" => value().map(|value| HeaderEdit::Add { name, value, secret }),
                _ => value().map(|value| HeaderEdit::Set { name, value, secret }),
            };
            edits.extend(meant.map(|meant| Spanned::new(meant, edit.span())));
        }
    }
    edits
}

fn refused(field: &Spanned<String>, request: bool) -> Option<Diagnostic> {
    let name = field.value.as_str();
    let error = |why| Diagnostic::error("LB212", field.span, format!("`{name}` cannot be edited")).label(why);
    match name {
        _ if FRAMING.contains(&name) => Some(error("lbd writes this itself")),
        "host" if request => Some(error("`rewrite host=` does this")),
        _ => None,
    }
}

/// Splits a text at its holes. `{` not followed by a name and `}` is text; `{{` is one brace.
pub(crate) fn parts(text: &str) -> Vec<LocationPart> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            plain.push('{');
            rest = after;
            continue;
        }
        let Some(name) = rest.find('}').map(|end| &rest[..end]).filter(|name| is_hole(name)) else {
            plain.push('{');
            continue;
        };
        rest = &rest[name.len() + 1..];
        if !plain.is_empty() {
            parts.push(LocationPart::Text(std::mem::take(&mut plain)));
        }
        parts.push(match name {
            "host" => LocationPart::Host,
            "path" => LocationPart::Path,
            "query" => LocationPart::Query,
            _ => LocationPart::Param(name.trim_start_matches('*').to_owned()),
        });
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(LocationPart::Text(plain));
    }
    parts
}

/// Checks that each hole can be filled from every one of `known`, the parameters of each pattern.
pub(crate) fn check_holes(parts: &[LocationPart], known: &[Vec<&str>], span: Span) -> Option<Diagnostic> {
    let missing = parts.iter().find_map(|part| match part {
        LocationPart::Param(name)
            if known.is_empty() || known.iter().any(|k| !k.contains(&name.as_str())) =>
        {
            Some(name)
        }
        _ => None,
    })?;
    let mut all: Vec<&str> = vec!["host", "path", "query"];
    let everywhere = |name: &&str| known.iter().all(|k| k.contains(name));
    all.extend(known.first().into_iter().flatten().copied().filter(everywhere));
    let list = all.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ");
    let error = Diagnostic::error("LB103", span, format!("nothing is named `{{{missing}}}` here"));
    Some(
        error.label("cannot be filled in").help(format!("there are {list}; a plain brace is written `{{{{`")),
    )
}

/// The holes of an edit's value.
pub(crate) fn value_of(edit: &HeaderEdit) -> &[LocationPart] {
    match edit {
        HeaderEdit::Set { value, .. } | HeaderEdit::Add { value, .. } => value,
        HeaderEdit::Remove { .. } => &[],
    }
}

fn is_hole(name: &str) -> bool {
    let name = name.strip_prefix('*').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[LocationPart]) {
        assert_eq!(parts(text), expected, "{text}");
    }

    fn text(text: &str) -> LocationPart {
        LocationPart::Text(text.into())
    }

    #[test]
    fn holes_are_names_in_braces_and_all_else_is_text() {
        check("", &[]);
        check("/orders", &[text("/orders")]);
        check(
            "https://{host}{path}{query}",
            &[text("https://"), LocationPart::Host, LocationPart::Path, LocationPart::Query],
        );
        check("/orders/{id}/x", &[text("/orders/"), LocationPart::Param("id".into()), text("/x")]);
        check("/{*rest}", &[text("/"), LocationPart::Param("rest".into())]);
        check("{\"a\":{\"b\":1}}", &[text("{\"a\":{\"b\":1}}")]);
        check("{{host}", &[text("{host}")]);
        check("a{", &[text("a{")]);
        check("é{id}é", &[text("é"), LocationPart::Param("id".into()), text("é")]);
    }

    #[test]
    fn a_hole_must_be_filled_by_every_pattern() {
        let span = Span::new(super::super::super::diagnostic::FileId(0), 0..1);
        let holes = parts("/{id}");
        assert!(check_holes(&holes, &[vec!["id"]], span).is_none());
        assert!(check_holes(&holes, &[vec!["id"], vec!["other"]], span).is_some());
        assert!(check_holes(&holes, &[], span).is_some());
        assert!(check_holes(&parts("{host}"), &[], span).is_none());
    }
}
