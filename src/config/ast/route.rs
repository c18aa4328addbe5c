//! `route`: patterns, conditions, and exactly one action.

use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::{Action, Mirror, Name, Retry, RetryOn, Rewrite};
use super::super::node::{Scalar, Value};
use super::super::patterns;
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::headers::{check_holes, parts, value_of};
use super::listen::status;
use super::matches::{self, bad_regex};
use super::policy::{self, Policy};
use super::timeout::{self, Clocks};
use super::{mirror, rewrite, split};
use crate::router::{Conditions, Pattern, PatternError, PatternKind};

/// A `route` as written.
pub(crate) struct Route<'n> {
    /// The node.
    pub(crate) reader: Reader<'n>,
    /// `name=`, when it is written.
    pub(crate) name: Option<Spanned<Name>>,
    /// Its good patterns.
    pub(crate) patterns: Vec<Spanned<Pattern>>,
    /// Alternatives of conditions.
    pub(crate) matches: Vec<Conditions>,
    /// The last tie-breaker.
    pub(crate) priority: i32,
    /// Any case, when it is written.
    pub(crate) ignore_case: Option<bool>,
    /// Listeners by name.
    pub(crate) on: Option<Vec<Spanned<String>>>,
    /// What is done; `None` when that is not exactly one thing.
    pub(crate) action: Option<Spanned<Action>>,
    /// Edits, networks, body limit.
    pub(crate) policy: Policy,
    /// Clocks.
    pub(crate) clocks: Clocks,
    /// When another server is tried.
    pub(crate) retry: Retry,
    /// What is changed before it is forwarded.
    pub(crate) rewrite: Option<Rewrite>,
    /// Where copies go.
    pub(crate) mirror: Option<Mirror>,
}

/// Every `route` of a block.
pub(crate) fn read(block: Block<'_>) -> Vec<Route<'_>> {
    let all = block.all("route");
    all.iter().map(|reader| route(*reader, &all)).collect()
}

/// One of `all` in its block.
fn route<'n>(reader: Reader<'n>, all: &[Reader<'_>]) -> Route<'n> {
    let block = reader.block();
    let patterns = patterns(reader, all);
    let policy = policy::read(block);
    let action = action(reader);
    let params: Vec<Vec<&str>> = patterns.iter().map(|p| p.value.params().collect()).collect();
    if !params.is_empty() {
        let edits = policy.request_headers.iter().chain(&policy.response_headers);
        for edit in edits {
            reader.cx.extend(check_holes(value_of(&edit.value), &params, edit.span));
        }
        if let Some(Spanned { value: Action::Redirect { location, .. }, span }) = &action {
            let at = block.one("redirect").and_then(|r| r.arg(0, Typed::text)).map_or(*span, |arg| arg.span);
            reader.cx.extend(check_holes(location, &params, at));
        }
    }
    Route {
        reader,
        name: reader
            .get("name", Typed::text)
            .zip(reader.written("name"))
            .map(|(name, span)| Spanned::new(name.into(), span)),
        matches: matches::read(block),
        priority: reader.value("priority", Typed::int),
        ignore_case: reader.get("ignore-case", Typed::bool),
        on: block.one("on").map(|r| r.args(Typed::text)),
        action,
        policy,
        clocks: timeout::read(block),
        retry: retry(block),
        rewrite: rewrite::read(block, &patterns),
        mirror: mirror::read(block),
        patterns,
    }
}

fn patterns(reader: Reader<'_>, all: &[Reader<'_>]) -> Vec<Spanned<Pattern>> {
    let mut patterns = Vec::new();
    for (kind, text) in texts(reader) {
        match Pattern::parse(kind, &text.value) {
            Ok(pattern) => patterns.push(Spanned::new(pattern, text.span)),
            Err(error) => {
                let finding = bad_pattern(&error, &text.value, text.span);
                let meant =
                    meant(kind, &text, all).filter(|_| matches!(error, PatternError::NeverMatches { .. }));
                reader.cx.push(match meant {
                    Some(plain) if is_own_text(reader, text.span) => {
                        finding.help(format!("write \"{plain}\"")).fix(text.span, format!("\"{plain}\""))
                    }
                    _ => finding,
                });
            }
        }
    }
    patterns
}

/// The patterns of a route as written, each with its kind.
fn texts(reader: Reader<'_>) -> impl Iterator<Item = (PatternKind, Spanned<String>)> {
    (0..reader.arg_count()).filter_map(move |index| {
        let kind = match reader.annotation(index) {
            Some("exact") => PatternKind::Exact,
            Some("regex") => PatternKind::Regex,
            Some("starts-with") => PatternKind::StartsWith,
            _ => PatternKind::Prefix,
        };
        Some((kind, reader.arg(index, Typed::text)?))
    })
}

/// Blocks of more routes are not searched for one that says the same.
const MOST_SEARCHED: usize = 1_000;

/// What a pattern can only have meant, where no other one of its block says the same.
fn meant(kind: PatternKind, text: &Spanned<String>, all: &[Reader<'_>]) -> Option<String> {
    let plain = patterns::plain(kind, &text.value).filter(|_| all.len() <= MOST_SEARCHED)?;
    Pattern::parse(kind, &plain).ok()?;
    let says_it = |(other, spanned): (PatternKind, Spanned<String>)| {
        // Whether case counts is the site's affair.
        let same = || patterns::plain(other, &spanned.value).unwrap_or(spanned.value.clone());
        other == kind && spanned.span != text.span && same().eq_ignore_ascii_case(&plain)
    };
    let is_taken = all.iter().flat_map(|reader| texts(*reader)).any(says_it);
    (!is_taken).then_some(plain)
}

/// Whether a value stands in the node itself, as it is meant, and can be written anew in plain quotes.
pub(crate) fn is_own_text(reader: Reader<'_>, at: Span) -> bool {
    let is_plain = |value: &Value| match &value.scalar {
        Scalar::String { text, expanded, .. } => !expanded && !text.contains(['"', '\\']),
        _ => false,
    };
    reader.is_written() && reader.node().args.iter().any(|value| value.span == at && is_plain(value))
}

fn bad_pattern(error: &PatternError, text: &str, span: Span) -> Diagnostic {
    let message = format!("`{}` is no usable path pattern", text.escape_debug());
    match error {
        PatternError::Regex { problem, .. } => bad_regex(problem, span),
        PatternError::NotAbsolute => {
            Diagnostic::error("LB205", span, message).label(error.to_string()).help(absolute(text))
        }
        PatternError::NeverMatches { .. } => {
            Diagnostic::error("LB208", span, message).label(error.to_string())
        }
        _ => Diagnostic::error("LB205", span, message).label(error.to_string()),
    }
}

/// What a pattern that is no path was probably meant to be.
fn absolute(text: &str) -> String {
    let regex = text.trim_start_matches(['~', '*', ' ']);
    if text.starts_with(['~', '^']) && !regex.contains("\"#") {
        return format!("for a regular expression write (regex)#\"{regex}\"#");
    }
    match text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains(['/', '.']) {
        true => format!("a pool is named by `pool={text}`; for the path write \"/{text}\""),
        false if text.starts_with('*') => "for a path that ends so write (regex)#\".*\\.php\"#".to_owned(),
        false => format!("write \"/{text}\""),
    }
}

/// The one action. None and several are errors: LB203.
fn action(reader: Reader<'_>) -> Option<Spanned<Action>> {
    let block = reader.block();
    let pool = reader.written("pool").map(|span| {
        let name = reader.get("pool", Typed::text);
        (span, name.map(|name| Action::Pool(name.into())))
    });
    let redirect = block.one("redirect").map(|r| (r.span(), redirect(r)));
    let respond = block.one("respond").map(|r| (r.span(), respond(r)));
    let split = block.one("split").map(|r| (r.span(), split::read(r).map(Action::Split)));
    let mut actions = [pool, split, redirect, respond].into_iter().flatten();
    let Some((span, action)) = actions.next() else {
        // What was refused in it may be what was meant to be its action.
        if reader.cx.is_refused_within(reader.node().span) {
            return None;
        }
        let error = Diagnostic::error("LB203", reader.span(), "this route does nothing");
        reader.cx.push(error.label("no action").help("give it `pool=`, `split`, `redirect` or `respond`"));
        return None;
    };
    if let Some((other, _)) = actions.next() {
        let error =
            Diagnostic::error("LB203", other, "a route does exactly one thing").label("the second action");
        reader.cx.push(error.also(span, "the first action").help("keep one of them"));
        return None;
    }
    action.map(|action| Spanned::new(action, span))
}

fn redirect(r: Reader<'_>) -> Option<Action> {
    let status = status(r.value("status", Typed::word));
    let location = r.arg(0, Typed::text)?;
    if location.value.is_empty() {
        r.cx.push(Diagnostic::error("LB102", location.span, "a redirect goes somewhere").label("empty"));
        return None;
    }
    Some(Action::Redirect { location: parts(&location.value), status })
}

fn respond(r: Reader<'_>) -> Option<Action> {
    let body = r.get("body", Typed::text).unwrap_or_default();
    let content_type = r.value("content-type", Typed::text);
    let status: u16 = r.arg(0, Typed::int)?.value;
    if let (204 | 205 | 304, Some(span)) = (status, r.written("body")) {
        let error = Diagnostic::error("LB102", span, format!("an answer with status {status} has no body"));
        r.cx.push(error.label("never sent").help("remove the body, or answer 200"));
    }
    Some(Action::Respond { status, body: body.into_bytes().into(), content_type: content_type.into() })
}

fn retry(block: Block<'_>) -> Retry {
    let r = block.one_or_defaults("retry");
    let causes: Vec<_> = r.plain_args(Typed::word).into_iter().collect();
    // Nothing said: what is always safe. Something said: just that.
    let unsaid = causes.is_empty();
    let mut on = RetryOn { connect: unsaid, reset: unsaid, ..RetryOn::default() };
    for cause in causes {
        match cause {
            "connect" => on.connect = true,
            "reset" => on.reset = true,
            "timeout" => on.timeout = true,
            "502" => on.status_502 = true,
            "503" => on.status_503 = true,
            _ => on.status_504 = true,
        }
    }
    Retry {
        on,
        attempts: r.value("attempts", Typed::int),
        budget_percent: r.value("budget", Typed::percent),
        all_methods: r.value("all", Typed::bool),
    }
}
