//! `split`: a weighted choice among pools.

use std::collections::BTreeMap;

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Branch, Name, Split, SplitBy};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::timeout;

/// The split; `None` when it leads nowhere, which was reported. Clocks are the defaults until pools are known.
pub(super) fn read(r: Reader<'_>) -> Option<Split> {
    let by = by(r);
    let mut seen: BTreeMap<Name, Span> = BTreeMap::new();
    let mut branches = Vec::new();
    let defaults = timeout::defaults(Block::empty_in(r.cx, "pool"));
    for to in r.block().all("to") {
        let weight = to.value("weight", Typed::int);
        let Some(pool) = to.arg(0, Typed::text) else { continue };
        let name = Name::from(pool.value);
        if let Some(first) = seen.insert(name.clone(), pool.span) {
            let error = Diagnostic::error("LB105", pool.span, format!("this split leads to `{name}` twice"));
            r.cx.push(error.label("again here").also(first, "first here").help("add up their weights"));
            continue;
        }
        branches.push(Branch { pool: name, weight, timeout: defaults, span: pool.span });
    }
    if branches.is_empty() {
        if !r.holds("to") {
            let error = Diagnostic::error("LB203", r.span(), "this split leads nowhere").label("no branch");
            r.cx.push(error.help("write `split { to stable weight=95; to canary weight=5; }`"));
        }
        return None;
    }
    if branches.iter().all(|branch| branch.weight == 0) {
        let error = Diagnostic::error("LB211", r.span(), "no branch of this split has any weight");
        r.cx.push(error.label("nobody is sent anywhere").help("give one of them a weight of 1 or more"));
        return None;
    }
    branches.sort_by(|a, b| a.pool.cmp(&b.pool));
    Some(Split { by, branches })
}

fn by(r: Reader<'_>) -> SplitBy {
    let by = r.value("by", Typed::word);
    let max_age = r.value("max-age", Typed::time);
    let name = r.get("cookie", Typed::text);
    if by != "cookie" {
        r.refuse(&["cookie", "max-age"], &format!("`split by={by}`"));
        return if by == "source-ip" { SplitBy::SourceIp } else { SplitBy::Request };
    }
    if r.written("cookie").is_none() {
        let error = Diagnostic::error("LB102", r.span(), "`split by=cookie` needs the name of its cookie");
        r.cx.push(error.label("incomplete").help("write `split by=cookie cookie=side`"));
    }
    SplitBy::Cookie { name: name.unwrap_or_default().into(), max_age }
}
