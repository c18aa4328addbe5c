//! Regular expressions in routes: LB207 (one that says no more than a plain pattern), LB214 (many that are tried one
//! by one).

use std::collections::BTreeMap;

use super::super::diagnostic::{Diagnostic, Severity, Span};
use super::Subject;
use crate::router::PatternKind;

/// So many in one place are tried for each request below it before the cost is worth a word.
const MANY: usize = 16;

pub(super) fn run(s: &Subject<'_>) {
    for site in &s.written.sites {
        let mut places: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for route in &site.routes {
            let node = route.reader.node();
            for pattern in route.patterns.iter().filter(|one| one.value.kind() == PatternKind::Regex) {
                places.entry(pattern.value.literal_begin()).or_default().push(pattern.span);
                let Some(plain) = plain(pattern.value.as_str()) else { continue };
                let message = format!("this regular expression is `{plain}` in other words");
                let hint = Diagnostic::new("LB207", Severity::Hint, Some(pattern.span), message)
                    .label("compiled, and tried after all plain patterns")
                    .help("write it plainly: it is found at once, and sorts by how much it says");
                let value = node.args.iter().find(|value| value.span == pattern.span);
                let annotation = value.and_then(|value| value.ty.as_ref()).map(|ty| ty.span);
                s.push(match annotation.filter(|_| route.reader.is_written()) {
                    // From the parenthesis before the annotation to the end of the text.
                    Some(ty) if ty.end + 1 == pattern.span.start && ty.start > 0 => {
                        let span = Span { start: ty.start - 1, ..pattern.span };
                        hint.fix(span, plain)
                    }
                    _ => hint,
                });
            }
        }
        for (begin, spans) in places.iter().filter(|(_, spans)| spans.len() > MANY) {
            let message = format!("{} regular expressions are tried one by one below `{begin}`", spans.len());
            let hint = Diagnostic::new("LB214", Severity::Hint, spans.first().copied(), message);
            let last = spans.last().copied().into_iter();
            let hint = last.fold(hint.label("the first of them"), |hint, span| hint.also(span, "the last"));
            s.push(hint.help(
                "begin them with literal segments that tell them apart, or write prefixes with `{name}`",
            ));
        }
    }
}

/// The plain pattern that says the same, as KDL.
fn plain(regex: &str) -> Option<String> {
    let text = regex.strip_prefix('^').unwrap_or(regex);
    let text = text.strip_suffix('$').unwrap_or(text);
    let tails = [("(/.*)?", ""), ("(?:/.*)?", ""), (".*", "(starts-with)"), ("", "(exact)")];
    let (begin, kind) = tails.iter().find_map(|(tail, kind)| Some((text.strip_suffix(tail)?, *kind)))?;
    let mut literal = String::new();
    let mut rest = begin.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => literal.push(rest.next().filter(|c| ".-".contains(*c))?),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '/' | '_' | '-' => literal.push(c),
            _ => return None,
        }
    }
    let odd = literal.contains("//") || literal.contains("/.");
    match (literal.as_str(), kind) {
        ("" | "/", "(starts-with)") => Some("\"/\"".to_owned()),
        _ if odd || !literal.starts_with('/') => None,
        // A prefix takes the path with a slash at its end as well.
        (_, "") if literal.ends_with('/') => None,
        _ => Some(format!("{kind}\"{literal}\"")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_expression_is_plain_when_a_pattern_says_exactly_the_same() {
        for (regex, expected) in [
            ("^/api$", "(exact)\"/api\""),
            ("/api", "(exact)\"/api\""),
            (r"^/robots\.txt$", "(exact)\"/robots.txt\""),
            ("^/api(/.*)?$", "\"/api\""),
            ("^/api(?:/.*)?$", "\"/api\""),
            ("^/api/.*", "(starts-with)\"/api/\""),
            ("^/api.*$", "(starts-with)\"/api\""),
            (".*", "\"/\""),
            ("^/.*$", "\"/\""),
        ] {
            assert_eq!(super::plain(regex).as_deref(), Some(expected), "{regex}");
        }
        for regex in
            [r"^/old/\d+$", "/a.txt", "/a|/b", "^/api/(/.*)?$", "(?i)/a", r"^/\.well-known$", "/a//b", "/a+"]
        {
            assert_eq!(super::plain(regex), None, "{regex}");
        }
    }
}
