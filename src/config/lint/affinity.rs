//! Stickiness that does not keep what it promises: LB406 (clients choose), LB407 (forgotten before the session ends),
//! LB408 (a table of an odd size), LB409 (503 while a server is down), LB411 (nothing to choose from), LB413 (a cookie
//! that does not come back).

use std::time::Duration;

use super::super::ast::pool::Pool;
use super::super::diagnostic::{Diagnostic, Severity, Span, Spanned};
use super::super::model::{Balance, ClientKey, Key, OnDown, Sticky, StickyCookie, StickyTable};
use super::super::reader::Reader;
use super::super::values::typed::Typed;
use super::super::values::{show_duration, show_size};
use super::{Routed, Subject, edits};
use crate::router::{Pattern, PatternKind};

const ENTRY: usize = StickyTable::ENTRY;

/// Tables of less than this are full at once.
const FEW: usize = 1000;

/// What a table may take of a machine whose memory is not known.
const MOST: u64 = 1 << 30;

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let mut nodes = pool.reader.block().strongest("sticky");
        nodes.retain(|node| node.is_written());
        if let (Some(first), [_], true) =
            (nodes.first(), pool.pool.servers.as_slice(), pool.pool.discover.is_empty() && s.is_whole())
        {
            let message = format!("stickiness does nothing in pool `{}`", pool.pool.name);
            let finding = Diagnostic::warning("LB411", first.span(), message).label("there is one server");
            push(s, pool, finding.help("add a server, or remove it"));
        }
        for (sticky, node) in pool.pool.sticky.iter().zip(nodes) {
            let on_down = match sticky {
                Sticky::Cookie(cookie) => {
                    does_not_come_back(s, pool, cookie, node);
                    forgotten(s, pool, node, &[("max-idle", cookie.max_idle), ("max-life", cookie.max_life)]);
                    cookie.on_down
                }
                Sticky::Marked(mark) => mark.on_down,
                Sticky::Table(table) => {
                    forgotten(s, pool, node, &[("ttl", Some(table.ttl))]);
                    odd_size(s, pool, table, node);
                    claimed(s, pool, table, node);
                    hashed(s, pool, table, node);
                    table.on_down
                }
            };
            if let (OnDown::Fail, Some(at)) = (on_down, node.written("on-down")) {
                let message =
                    format!("clients of pool `{}` get 503 while their server is down", pool.pool.name);
                let finding =
                    Diagnostic::new("LB409", Severity::Hint, Some(at), message).label("sent nowhere else");
                let help = "remove it, unless no other server could serve them; then `lint { allow LB409 because=\"…\"; }` says so";
                push(s, pool, finding.help(help));
            }
        }
    }
}

fn push(s: &Subject<'_>, pool: &Pool<'_>, finding: Diagnostic) {
    s.push(finding.subject(format!("pool/{}/sticky", pool.pool.name)));
}

/// LB407.
fn forgotten(s: &Subject<'_>, pool: &Pool<'_>, node: Reader<'_>, said: &[(&str, Option<Duration>)]) {
    let Some(session) = s.written.lint.session_idle else { return };
    for (key, time) in said {
        let (Some(at), Some(time)) = (node.written(key), time.filter(|time| *time < session)) else {
            continue;
        };
        let message =
            format!("clients are forgotten after {}, before their sessions end", show_duration(time));
        let finding = Diagnostic::warning("LB407", at, message);
        let finding = finding.label(format!("sessions live {} without a request", show_duration(session)));
        let help = format!(
            "write {key}=\"{}\" or more; how long sessions live is said by `lint session-idle=\"{0}\"`",
            show_duration(session)
        );
        push(s, pool, finding.help(help));
    }
}

/// LB408.
fn odd_size(s: &Subject<'_>, pool: &Pool<'_>, table: &StickyTable, node: Reader<'_>) {
    let Some(at) = node.written("max-entries") else { return };
    let takes = (table.max_entries as u64).saturating_mul(ENTRY as u64);
    let memory = s.cx.memory();
    let few = table.max_entries < FEW;
    if !few && takes <= memory.map_or(MOST, |memory| memory / 10) {
        return;
    }
    let (message, label, help) = match few {
        true => (
            format!("a table of {} clients is soon full", table.max_entries),
            "then the longest unused are forgotten".to_owned(),
            "count the clients of a `ttl`, and write more than that; the default is 100000",
        ),
        false => (
            format!("a table of {} clients takes {}", table.max_entries, show_size(rounded(takes))),
            match memory {
                Some(memory) => {
                    format!("{ENTRY} bytes each: over 10% of the {} here", show_size(rounded(memory)))
                }
                None => format!("{ENTRY} bytes each"),
            },
            "count the clients of a `ttl`: nobody else needs an entry",
        ),
    };
    push(s, pool, Diagnostic::warning("LB408", at, message).label(label).help(help));
}

/// A size that is easy to read, and no larger: whole gibibytes or mebibytes where there are some.
fn rounded(bytes: u64) -> u64 {
    let unit = if bytes >> 30 > 0 { 30 } else { 20 };
    if bytes >> unit > 0 { bytes >> unit << unit } else { bytes }
}

/// LB406.
fn claimed(s: &Subject<'_>, pool: &Pool<'_>, table: &StickyTable, node: Reader<'_>) {
    if !matches!(table.by, ClientKey::SourceIp { .. }) {
        return;
    }
    let blocks = std::iter::once(s.root).chain(s.written.listens.iter().map(|listen| listen.reader.block()));
    let networks =
        blocks.filter_map(|block| block.one("trust-forwarded")).flat_map(|r| r.args(Typed::network));
    let Some(everyone) = networks.into_iter().find(|network| network.value.prefix_len() == 0) else { return };
    let finding = Diagnostic::warning("LB406", node.span(), "any client can choose its server");
    let finding =
        finding.label("goes by the address that a client claims").also(everyone.span, "everyone is believed");
    push(s, pool, finding.help("name the networks of your own proxies only in `trust-forwarded`"));
}

/// LB411: two ways that always say the same.
fn hashed(s: &Subject<'_>, pool: &Pool<'_>, table: &StickyTable, node: Reader<'_>) {
    let Balance::Hash { key, .. } = &pool.pool.balance else { return };
    let same = match (&table.by, key) {
        (ClientKey::SourceIp { .. }, Key::SourceIp) => true,
        (ClientKey::Header(name), Key::Header(hashed)) => name == hashed,
        _ => false,
    };
    let Some(balance) = pool.reader.block().one("balance").filter(|_| same) else { return };
    let finding = Diagnostic::warning("LB411", node.span(), "this table says what the hash says");
    let finding =
        finding.label("does nothing").also(balance.span(), "a client's server follows from the same key");
    push(
        s,
        pool,
        finding.help("keep one: the table moves fewer clients when servers change, the hash needs no memory"),
    );
}

/// LB413: browsers send a cookie to its path and below (RFC 6265, section 5.1.4).
fn does_not_come_back(s: &Subject<'_>, pool: &Pool<'_>, cookie: &StickyCookie, node: Reader<'_>) {
    let Some(at) = node.written("path") else { return };
    let outside = s.routes_to(pool).find_map(|one| outside(&one, &cookie.path));
    let Some((pattern, span)) = outside else { return };
    let message = format!("the cookie `{}` does not come back on `{pattern}`", cookie.name);
    let finding = Diagnostic::warning("LB413", at, message);
    let finding = finding.label(format!("sent below `{}` alone", cookie.path));
    let finding = finding
        .also(span, "this leads to the pool too")
        .help("widen the path: `path=\"/\"` comes back everywhere");
    push(s, pool, edits::safe(finding, edits::set(node, "path", "\"/\"")));
}

/// A pattern of a route that takes paths outside of a cookie's.
fn outside<'r>(one: &Routed<'r>, path: &str) -> Option<(&'r Pattern, Span)> {
    let below = |pattern: &&'r Spanned<Pattern>| {
        let text = pattern.value.as_str();
        // Up to its first parameter a pattern is what its paths begin with; of a regular expression nothing is known.
        let begin = text.split('{').next().unwrap_or_default();
        let begins = begin.get(..path.len()).is_some_and(|start| match one.route.ignore_case {
            true => start.eq_ignore_ascii_case(path),
            false => start == path,
        });
        let whole = path.ends_with('/')
            || matches!(begin.get(path.len()..), Some(""))
            || begin.get(path.len()..).is_some_and(|rest| rest.starts_with('/'));
        pattern.value.kind() == PatternKind::Regex || begins && whole
    };
    one.written.patterns.iter().find(|pattern| !below(pattern)).map(|pattern| (&pattern.value, pattern.span))
}
