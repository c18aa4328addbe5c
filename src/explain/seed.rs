//! Expectations made from what a configuration does now: one request for each route, as a start.
//!
//! A request is only written down when it was asked and reached its route. A pattern that no example could be made for
//! is a comment, for a person to write one.

use std::fmt::Write as _;

use regex_syntax::hir::{Hir, HirKind};

use super::{Answer, Outcome, Question, World};
use crate::config::expanded::quoted;
use crate::config::model::{Listener, Route, Site};
use crate::router::{Conditions, Pattern, PatternKind, ValueMatch};

/// The deepest expression that an example is made for.
const DEEPEST: usize = 64;

/// The text of a `*.test.kdl` for the configuration that the world was made of; `config` is the file that it names.
pub fn expectations(world: &World, config: &str) -> String {
    let mut out = format!(
        "/- kdl-version 2\n// What {config} does now; `lbd test` says when that changes. Keep what must stay so, and add what matters.\n\nconfig {}\n",
        quoted(config)
    );
    for site in &world.model.sites {
        let name = if site.hosts.is_empty() { "the default site".to_owned() } else { site.hosts.join(" ") };
        let _ = write!(out, "\n// {name}\n");
        for route in &site.routes {
            out.push_str(&lines(world, site, route));
        }
    }
    out
}

fn lines(world: &World, site: &Site, route: &Route) -> String {
    for pattern in &route.patterns {
        for conditions in alternatives(route) {
            let Some(question) = question(world, site, route, pattern, conditions) else { continue };
            let Ok(answer) = world.ask(&question) else { continue };
            let reached = answer.route.as_ref();
            if reached.is_some_and(|told| told.name == *route.name && told.place == route.place.to_string()) {
                return written(&question, &answer, conditions);
            }
        }
    }
    format!("// {} ({}): no request for it was found; write one\n", route.name, route.place)
}

fn alternatives(route: &Route) -> Vec<Option<&Conditions>> {
    if route.matches.is_empty() { vec![None] } else { route.matches.iter().map(Some).collect() }
}

fn question(
    world: &World,
    site: &Site,
    route: &Route,
    pattern: &Pattern,
    conditions: Option<&Conditions>,
) -> Option<Question> {
    let listener = listener(world, route)?;
    let host = site.hosts.first().map_or("example.test".to_owned(), |host| match host.strip_prefix("*.") {
        Some(rest) => format!("any.{rest}"),
        None => host.to_string(),
    });
    let mut question = Question::get(String::new());
    let mut query = String::new();
    if let Some(conditions) = conditions {
        ask(conditions, &mut question, &mut query)?;
    }
    let (scheme, default) = if listener.tls.is_some() { ("https", 443) } else { ("http", 80) };
    let port = match listener.address.port {
        port if port == default => String::new(),
        port => format!(":{port}"),
    };
    question.url = format!("{scheme}://{host}{port}{}{query}", path(pattern)?);
    Some(question)
}

/// The listener that it is asked on: the first that serves the route.
fn listener<'w>(world: &'w World, route: &Route) -> Option<&'w Listener> {
    let on = |l: &&Listener| route.on.as_ref().is_none_or(|names| names.contains(&l.name));
    let serves = |l: &&Listener| l.speaks_http() && l.redirect_to_https.is_none();
    let mut all: Vec<&Listener> = world.model.listeners.iter().filter(serves).filter(on).collect();
    all.sort_by_key(|l| l.tls.is_none());
    all.first().copied()
}

/// Makes the conditions hold.
fn ask(conditions: &Conditions, question: &mut Question, query: &mut String) -> Option<()> {
    if let Some(method) = conditions.methods.first() {
        question.method.clone_from(method);
    }
    if let Some(network) = conditions.client_ips.first() {
        question.client_ip = network.addr();
    }
    question.websocket = conditions.websocket == Some(true);
    for (name, value) in &conditions.headers {
        question.headers.push((name.clone(), example(value.as_ref())?));
    }
    let cookies: Option<Vec<String>> = conditions
        .cookies
        .iter()
        .map(|(name, value)| Some(format!("{name}={}", example(value.as_ref())?)))
        .collect();
    let cookies = cookies?;
    if !cookies.is_empty() {
        question.headers.push(("cookie".to_owned(), cookies.join("; ")));
    }
    for (name, value) in &conditions.queries {
        let sign = if query.is_empty() { '?' } else { '&' };
        let _ = write!(query, "{sign}{name}={}", example(value.as_ref())?);
    }
    Some(())
}

fn example(value: Option<&ValueMatch>) -> Option<String> {
    match value {
        None => Some("1".to_owned()),
        Some(ValueMatch::Exact(text) | ValueMatch::Prefix(text)) => Some(text.clone()),
        Some(ValueMatch::Regex(regex)) => matching(regex.as_str()),
    }
}

/// A path that the pattern matches.
fn path(pattern: &Pattern) -> Option<String> {
    if pattern.kind() == PatternKind::Regex {
        return matching(pattern.as_str());
    }
    let filled = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => name.trim_start_matches('*').to_owned(),
        None => segment.to_owned(),
    };
    Some(pattern.as_str().split('/').map(filled).collect::<Vec<_>>().join("/"))
}

/// The shortest text that comes to mind for a regular expression.
fn matching(regex: &str) -> Option<String> {
    let hir = regex_syntax::parse(regex).ok()?;
    let mut out = Vec::new();
    write_match(&hir, DEEPEST, &mut out)?;
    String::from_utf8(out).ok()
}

fn write_match(hir: &Hir, deep: usize, out: &mut Vec<u8>) -> Option<()> {
    let deep = deep.checked_sub(1)?;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(()),
        HirKind::Literal(literal) => {
            out.extend_from_slice(&literal.0);
            Some(())
        }
        HirKind::Class(class) => {
            // A letter or digit where one is allowed.
            let likely = ('a'..='z').chain('0'..='9').chain(['-', '_', '.', '/', '=']);
            let inside = |c: &char| match class {
                regex_syntax::hir::Class::Unicode(class) => {
                    class.iter().any(|range| (range.start()..=range.end()).contains(c))
                }
                regex_syntax::hir::Class::Bytes(class) => {
                    class.iter().any(|range| (range.start()..=range.end()).contains(&(*c as u8)))
                }
            };
            let c = likely.into_iter().find(inside)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            Some(())
        }
        HirKind::Repetition(repetition) => {
            (0..repetition.min.min(256)).try_for_each(|_| write_match(&repetition.sub, deep, out))
        }
        HirKind::Capture(capture) => write_match(&capture.sub, deep, out),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write_match(part, deep, out)),
        HirKind::Alternation(ways) => write_match(ways.first()?, deep, out),
    }
}

/// The expectation: what was asked, and what there is.
fn written(question: &Question, answer: &Answer, conditions: Option<&Conditions>) -> String {
    let mut out = "expect ".to_owned();
    if question.method != "GET" {
        let _ = write!(out, "{} ", question.method);
    }
    out.push_str(&quoted(&question.url));
    if conditions.is_some_and(|conditions| !conditions.client_ips.is_empty()) {
        let _ = write!(out, " client-ip={}", quoted(&question.client_ip.to_string()));
    }
    match &answer.outcome {
        Outcome::Forward { target, .. } => {
            if answer.pools().len() == 1 {
                let _ = write!(out, " pool={}", quoted(answer.pools()[0]));
            } else if let Some(route) = &answer.route {
                let _ = write!(out, " route={}", quoted(&route.name));
            }
            if !question.url.ends_with(target.as_str()) {
                let _ = write!(out, " path={}", quoted(target));
            }
        }
        Outcome::Redirect { status, location } => {
            let _ = write!(out, " status={status} location={}", quoted(location));
        }
        Outcome::Respond { status } | Outcome::Refuse { status, .. } => {
            let _ = write!(out, " status={status}");
        }
        Outcome::Pass => {}
    }
    let mut given: Vec<String> = question
        .headers
        .iter()
        .map(|(name, value)| format!("header {} {}", quoted(name), quoted(value)))
        .collect();
    if question.websocket {
        given.push("websocket".to_owned());
    }
    if !given.is_empty() {
        let _ = write!(out, " {{\n  {}\n}}", given.join("\n  "));
    }
    out.push('\n');
    out
}
