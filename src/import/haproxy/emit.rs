//! Routes as KDL, with the lines that they come from.

use std::collections::BTreeMap;

use super::super::kdl::{Block, quoted, raw, word};
use super::cond::Cond;
use super::decide::Route;
use super::expr::{Place, Value};
use super::paths::{Cell, Pattern};
use super::rule::{Final, Header, Outcome};
use super::site::{Placed, Site};

/// The lines of the source, to be quoted in comments.
pub(super) type Texts<'a> = BTreeMap<usize, &'a str>;

/// Sites and routes. `hoisted` nodes stand in `defaults`.
pub(super) fn sites(sites: &[Site], hoisted: &[String], texts: &Texts<'_>) -> Block {
    let mut out = Block::default();
    for site in sites {
        let mut inner = Block::default();
        for placed in &site.routes {
            inner.line("");
            comment(&mut inner, &placed.route.lines, texts);
            route(&mut inner, placed, hoisted);
        }
        if site.hosts.is_empty() {
            out.append(&inner);
        } else {
            let hosts: Vec<String> = site.hosts.iter().map(|host| quoted(host)).collect();
            out.line("");
            out.node(&format!("site {}", hosts.join(" ")), &inner);
        }
    }
    out
}

/// `// line 12: use_backend static if url_static`
pub(super) fn comment(out: &mut Block, lines: &[usize], texts: &Texts<'_>) {
    let shown = |line: &usize| {
        let text =
            texts.get(line).copied().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(90) {
            Some((at, _)) => format!("{}…", &text[..at]),
            None => text,
        }
    };
    match lines {
        [] => out.comment("no line: what HAProxy does when no backend is chosen"),
        [..] if lines.len() <= 3 => {
            lines.iter().for_each(|line| out.comment(&format!("line {line}: {}", shown(line))))
        }
        _ => {
            let all: Vec<String> = lines.iter().map(usize::to_string).collect();
            out.comment(&format!("lines {}", all.join(", ")));
        }
    }
}

fn route(out: &mut Block, placed: &Placed, hoisted: &[String]) {
    let Route { patterns, matches, outcome, priority, .. } = &placed.route;
    let mut head = "route".to_owned();
    for cell in patterns {
        let pattern = pattern(cell);
        let width = head.rsplit('\n').next().map_or(0, str::len) + pattern.len();
        head.push_str(if width > 100 { " \\\n" } else { " " });
        head.push_str(&pattern);
    }
    if let Final::Pool(pool) = &outcome.last {
        head.push_str(&format!(" pool={}", word(pool)));
    }
    if patterns.iter().any(|cell| cell.ignore_case) {
        head.push_str(" ignore-case=#true");
    }
    if *priority != 0 {
        head.push_str(&format!(" priority={priority}"));
    }
    let mut inner = Block::default();
    if let Some(on) = &placed.on {
        inner.line(format!("on {}", on.iter().map(|name| word(name)).collect::<Vec<_>>().join(" ")));
    }
    for conditions in matches {
        let mut all = Block::default();
        conditions.iter().for_each(|condition| all.line(self::condition(condition)));
        inner.node("match", &all);
    }
    action(&mut inner, outcome, hoisted);
    out.node(&head, &inner);
}

fn pattern(cell: &Cell) -> String {
    match &cell.pattern {
        Pattern::Root => "\"/\"".to_owned(),
        Pattern::Begins(text) => format!("(starts-with){}", quoted(text)),
        Pattern::Exact(text) => format!("(exact){}", quoted(text)),
        Pattern::Regex(text, _) => format!("(regex){}", raw(text)),
    }
}

fn condition(condition: &Cond) -> String {
    match condition {
        Cond::Method(methods) => format!("method {}", methods.join(" ")),
        Cond::Source(networks) => {
            let all: Vec<String> = networks.iter().map(|network| quoted(&network.to_string())).collect();
            format!("client-ip {}", all.join(" "))
        }
        Cond::WebSocket => "websocket".to_owned(),
        Cond::Field(place, name, value) => {
            let place = match place {
                Place::Header => "header",
                Place::Cookie => "cookie",
                Place::Query => "query",
            };
            let value = match value {
                None => String::new(),
                Some(Value::Exact(text)) => format!(" {}", quoted(text)),
                Some(Value::Prefix(text)) => format!(" (prefix){}", quoted(text)),
                Some(Value::Regex(text)) => format!(" (regex){}", raw(text)),
            };
            format!("{place} {}{value}", word(name))
        }
    }
}

fn action(out: &mut Block, outcome: &Outcome, hoisted: &[String]) {
    match &outcome.last {
        Final::Pool(_) => {}
        Final::Redirect { location, status } => {
            out.line(format!("redirect {} status={status}", quoted(location)))
        }
        Final::ToHttps { status } => {
            out.line(format!("redirect \"https://{{host}}{{path}}{{query}}\" status={status}"))
        }
        Final::Respond { status, body, content_type } => {
            let body = body.as_ref().map_or(String::new(), |body| format!(" body={}", quoted(body)));
            let of =
                content_type.as_ref().map_or(String::new(), |of| format!(" content-type={}", quoted(of)));
            out.line(format!("respond {status}{body}{of}"));
        }
    }
    if !outcome.rewrite.is_empty() {
        // A path is either replaced or shortened.
        let replaced = outcome.rewrite.contains_key("path");
        let properties = outcome.rewrite.iter().filter(|(key, _)| !replaced || **key != "strip-prefix");
        let all: Vec<String> = properties.map(|(key, value)| format!("{key}={}", quoted(value))).collect();
        out.line(format!("rewrite {}", all.join(" ")));
    }
    headers(out, "request-headers", &outcome.request);
    headers(out, "response-headers", &outcome.response);
    for node in outcome.nodes.iter().filter(|node| !hoisted.contains(node)) {
        out.line(node);
    }
}

fn headers(out: &mut Block, name: &str, edits: &[Header]) {
    let mut inner = Block::default();
    for edit in edits {
        inner.line(match edit {
            Header::Set(name, value) => format!("set {} {}", word(name), quoted(value)),
            Header::Add(name, value) => format!("add {} {}", word(name), quoted(value)),
            Header::Remove(name) => format!("remove {}", word(name)),
        });
    }
    if !inner.is_empty() {
        out.node(name, &inner);
    }
}
