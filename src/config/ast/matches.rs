//! `match`: what a route asks of a request beyond its path.

use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::TextMatch;
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use crate::router::{Conditions, ValueMatch};

/// Every `match` of a route.
pub(crate) fn read(route: Block<'_>) -> Vec<Conditions> {
    route.all("match").into_iter().filter_map(conditions).collect()
}

fn conditions(r: Reader<'_>) -> Option<Conditions> {
    let block = r.block();
    let conditions = Conditions {
        methods: block
            .one("method")
            .map(|m| m.plain_args(Typed::word).into_iter().map(str::to_owned).collect())
            .unwrap_or_default(),
        headers: pairs(block, "header"),
        cookies: pairs(block, "cookie"),
        queries: pairs(block, "query"),
        client_ips: block.one("client-ip").map(|c| c.plain_args(Typed::network)).unwrap_or_default(),
        websocket: block.one("websocket").map(|w| w.arg(0, Typed::bool).is_none_or(|b| b.value)),
    };
    if block.any().is_empty() {
        let error = Diagnostic::error("LB102", r.span(), "an empty `match` holds for every request");
        r.cx.push(error.label("no condition").help("say a condition, or remove it"));
        return None;
    }
    Some(conditions)
}

fn pairs(block: Block<'_>, name: &'static str) -> Vec<(String, Option<ValueMatch>)> {
    let read = |r: Reader<'_>| {
        let value = r.arg(1, Typed::text_match);
        let name = r.arg(0, Typed::text)?;
        if r.name() == "header" {
            r.cx.extend(ill_asked(&name));
        }
        let value = match value {
            Some(value) => Some(compile(r, &value.value, value.span)?),
            None => None,
        };
        Some((name.value, value))
    };
    block.all(name).into_iter().filter_map(read).collect()
}

/// Fields that a condition should not ask for: there is a better way, or the client could forge them.
fn ill_asked(field: &Spanned<String>) -> Option<Diagnostic> {
    let name = field.value.to_ascii_lowercase();
    let better = |help| {
        let message = format!("`header {name}` compares the whole field as it was sent");
        Diagnostic::warning("LB212", field.span, message).label("there is a better way").help(help)
    };
    match name.as_str() {
        "cookie" => Some(better("`cookie NAME VALUE` asks for one cookie")),
        "host" => Some(better("`site \"HOST\"` holds the routes of a host")),
        "x-client-cert-verified" | "x-client-cert-subject" => {
            let message = format!("`{name}` cannot be a condition: routes see what the client itself sent");
            let error = Diagnostic::error("LB212", field.span, message).label("any client can send it");
            Some(error.help(
                "`client-ca` with `mode=require` on a listener of its own, and `on` in the route, do this",
            ))
        }
        _ => None,
    }
}

/// A text to compare with, its regular expression compiled.
fn compile(r: Reader<'_>, text: &TextMatch, span: Span) -> Option<ValueMatch> {
    match text {
        TextMatch::Exact(text) => Some(ValueMatch::Exact(text.clone())),
        TextMatch::Prefix(text) => Some(ValueMatch::Prefix(text.clone())),
        TextMatch::Regex(text) => match ValueMatch::regex(text) {
            Ok(regex) => Some(regex),
            Err(why) => {
                r.cx.push(bad_regex(&why, span));
                None
            }
        },
    }
}

/// The finding about a regular expression that is none, or too large.
pub(crate) fn bad_regex(why: &str, span: Span) -> Diagnostic {
    let error = Diagnostic::error("LB206", span, "the regular expression does not compile");
    error.label(why.lines().last().unwrap_or(why).trim().to_owned())
}
