//! `rewrite`: what is changed of a request before it is forwarded.

use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::{LocationPart, PathRewrite, Rewrite};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::headers::{check_holes, parts};
use crate::router::{Pattern, PatternKind};

/// The rewrite of a route with these patterns; `None` when none is written.
pub(super) fn read(block: Block<'_>, patterns: &[Spanned<Pattern>]) -> Option<Rewrite> {
    let r = block.one("rewrite")?;
    let params: Vec<Vec<&str>> = patterns.iter().map(|p| p.value.params().collect()).collect();
    let strip = r.get("strip-prefix", Typed::text).zip(r.written("strip-prefix"));
    let replace = r.get("path", Typed::text).zip(r.written("path"));
    let host = r.get("host", Typed::text).zip(r.written("host"));
    if let (Some((_, strip)), Some((_, path))) = (&strip, &replace) {
        let error = Diagnostic::error("LB101", *path, "a path is either shortened or replaced");
        let error = error.label("replaced").also(*strip, "shortened");
        r.cx.push(error.help("keep `strip-prefix` or `path`"));
    }
    let filled = |text: &str, at: Span| {
        let parts = parts(text);
        if !params.is_empty() {
            r.cx.extend(check_holes(&parts, &params, at));
        }
        parts
    };
    let path = match (strip, replace) {
        (_, Some((text, at))) => {
            check_path(r, &text, at);
            PathRewrite::Replace(filled(&text, at))
        }
        (Some((prefix, at)), None) => {
            begins_a_pattern(r, &prefix, at, patterns);
            PathRewrite::StripPrefix(prefix.trim_end_matches('/').into())
        }
        (None, None) => PathRewrite::Keep,
    };
    let host = host.map(|(text, at)| {
        let parts = filled(&text, at);
        check_host(r, &parts, at);
        parts
    });
    if r.is_written() && path == PathRewrite::Keep && host.is_none() {
        let warning = Diagnostic::warning("LB217", r.span(), "this rewrite changes nothing");
        r.cx.push(warning.label("no effect").help("give it `strip-prefix=`, `path=` or `host=`"));
    }
    Some(Rewrite { path, host })
}

fn check_path(r: Reader<'_>, text: &str, at: Span) {
    let starts = text.starts_with('/') || text.starts_with("{path}");
    let why = match text {
        _ if !starts => "a path begins with /",
        _ if text.contains(['?', '#']) => "the client's query is kept as it is",
        _ if text.bytes().any(|b| b <= b' ' || b == 0x7f) => {
            "blanks and control characters cannot stand in a path"
        }
        _ if parts(text).contains(&LocationPart::Query) => "the client's query is kept as it is",
        _ => return,
    };
    let error = Diagnostic::error("LB102", at, format!("`{}` is no path to forward", text.escape_debug()));
    r.cx.push(error.label(why).help("write it like `rewrite path=\"/new/{id}\"`"));
}

/// A host with holes is looked at when they are filled.
fn check_host(r: Reader<'_>, parts: &[LocationPart], at: Span) {
    let bad = |text: &str| {
        text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    };
    let why = match parts {
        [] => "empty",
        _ if parts.iter().any(|p| matches!(p, LocationPart::Path | LocationPart::Query)) => {
            "neither path nor query can stand in a host"
        }
        _ if parts.iter().any(|p| matches!(p, LocationPart::Text(text) if bad(text))) => {
            "a host is letters, digits, dots and hyphens, perhaps with a port"
        }
        _ => return,
    };
    r.cx.push(Diagnostic::error("LB102", at, "this is no host to forward").label(why));
}

/// LB217: what no path of this route begins with is never stripped.
fn begins_a_pattern(r: Reader<'_>, prefix: &str, at: Span, patterns: &[Spanned<Pattern>]) {
    let may_begin = |pattern: &Pattern| {
        let text = pattern.as_str();
        let all = || {
            let mut wanted = prefix.trim_end_matches('/').split('/');
            let mut has = text.trim_end_matches('/').split('/');
            wanted.all(|want| match has.next() {
                Some(segment) => segment.starts_with('{') || segment.eq_ignore_ascii_case(want),
                // Below a prefix anything may follow.
                None => pattern.kind() == PatternKind::Prefix,
            }) || text.contains("{*")
        };
        matches!(pattern.kind(), PatternKind::Regex | PatternKind::StartsWith) || all()
    };
    if !r.is_written() || patterns.is_empty() || patterns.iter().any(|pattern| may_begin(&pattern.value)) {
        return;
    }
    let warning = Diagnostic::warning("LB217", at, format!("no path of this route begins with `{prefix}`"));
    r.cx.push(warning.label("never stripped").help("write the beginning of the route's pattern"));
}
