//! Entries from one server to another, out of a table and into one.

use super::{aside, now, tables};
use crate::control::ControlContext;
use crate::control::call::{self, Call, bad};
use crate::control::reply::{self, Outcome, json, line};
use crate::control::role::Role;
use crate::pool::{ClientEntry, Pool, ServerId, Sticky, TablePolicy};
use futures_util::stream;
use hyper::body::{Bytes, Frame};
use lbctl::protocol::{Problem, StickyImported, StickyLine, StickyMove, StickyMoved};
use serde_json::json;
use std::sync::Arc;

/// Lines in one frame.
const FRAME: usize = 512;

/// Moves entries, idle longest first: their clients go elsewhere with their next request.
pub(in crate::control) async fn shift(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    call.need(Role::Operate)?;
    let pool = call::pool(context, pool)?;
    let ask: StickyMove = call.json()?;
    let to = call::member(&pool, &ask.to)?.server.id;
    // A server that left the pool may have left entries behind: any name will do.
    let from = ServerId::of(&ask.from);
    if from == to {
        return Err(bad("`from` and `to` are one server"));
    }
    drop(tables(&pool)?);
    let most = ask.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let (of, dry_run) = (Arc::clone(&pool), ask.dry_run);
    let moved = aside(move || change(&of, from, to, most, dry_run)).await?;
    let moved = StickyMoved {
        pool: pool.name.to_string(),
        from: ask.from,
        to: ask.to,
        moved: moved as u64,
        dry_run: ask.dry_run,
    };
    if !moved.dry_run {
        let facts = json!({ "entries": moved.moved, "from": moved.from, "to": moved.to });
        call.audit(context, "sticky.moved", &pool.name, ask.reason.as_deref(), facts);
    }
    json(&moved)
}

/// Moves so many entries at most; says how many, or how many would be.
fn change(pool: &Pool, from: ServerId, to: ServerId, most: usize, dry_run: bool) -> usize {
    let mut found: Vec<(ClientEntry, &TablePolicy)> = Vec::new();
    for policy in pool.sticky.iter().filter_map(Sticky::table_policy) {
        let here = policy.table.list(now(), usize::MAX, |entry| entry.server == from);
        found.extend(here.into_iter().map(|entry| (entry, policy)));
    }
    found.sort_unstable_by_key(|(entry, _)| (entry.streams > 0, entry.used, entry.key));
    found.truncate(most);
    let moves = |(entry, policy): &&(ClientEntry, &TablePolicy)| {
        policy.table.change(entry.key, to, |now| now.server == from)
    };
    if dry_run { found.len() } else { found.iter().filter(moves).count() }
}

/// All entries, one a line. Whole keys are for those who could change them.
pub(in crate::control) async fn export(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    call.need(Role::Operate)?;
    let pool = call::pool(context, pool)?;
    drop(tables(&pool)?);
    let of = Arc::clone(&pool);
    let left = aside(move || {
        let mut all: Vec<(usize, ClientEntry)> = Vec::new();
        for (at, sticky) in of.sticky.iter().enumerate() {
            let Some(policy) = sticky.table_policy() else { continue };
            all.extend(policy.table.list(now(), usize::MAX, |_| true).into_iter().map(|entry| (at, entry)));
        }
        all
    })
    .await?;
    let frames = stream::unfold((pool, left), async |(pool, mut left)| {
        if left.is_empty() {
            return None;
        }
        let rest = left.split_off(left.len().saturating_sub(FRAME));
        let text = rest.iter().filter_map(|(at, entry)| told(&pool, *at, entry)).flat_map(|one| line(&one));
        let frame = Frame::data(Bytes::from_iter(text));
        Some((Ok(frame), (pool, left)))
    });
    Ok(reply::lines(Box::pin(frames)))
}

fn told(pool: &Pool, at: usize, entry: &ClientEntry) -> Option<StickyLine> {
    let policy = pool.sticky.get(at)?.table_policy()?;
    Some(StickyLine {
        kind: policy.by.as_str().to_owned(),
        name: policy.by.name().map(str::to_owned),
        key: policy.by.show(entry.key),
        // An entry whose server is gone is of no use elsewhere.
        server: pool.by_id(entry.server)?.server.name.to_string(),
        since: entry.since,
        used: entry.used,
        placed: entry.placed,
    })
}

/// Takes entries in, all or none; one that is there already is replaced.
pub(in crate::control) async fn import(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    call.need(Role::Operate)?;
    let pool = call::pool(context, pool)?;
    drop(tables(&pool)?);
    let (of, body) = (Arc::clone(&pool), call.body.clone());
    let entries = aside(move || take_all(&of, &body)).await??;
    let facts = json!({ "entries": entries });
    call.audit(context, "sticky.imported", &pool.name, call.query("reason"), facts);
    json(&StickyImported { pool: pool.name.to_string(), imported: entries as u64 })
}

fn take_all(pool: &Pool, body: &[u8]) -> Result<usize, Box<Problem>> {
    let now = now();
    let text = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(at, text)| {
        taken(pool, text, now).map_err(|why| bad(format!("line {}: {why}; nothing was imported", at + 1)))
    };
    let entries = lines.map(read).collect::<Result<Vec<_>, Box<Problem>>>()?;
    entries.iter().for_each(|(policy, entry)| policy.table.enter(entry, now));
    Ok(entries.len())
}

fn taken<'p>(pool: &'p Pool, text: &str, now: u64) -> Result<(&'p TablePolicy, ClientEntry), String> {
    let line: StickyLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut policies = pool.sticky.iter().filter_map(|sticky| sticky.table_policy());
    let policy =
        policies.find(|policy| policy.by.as_str() == line.kind && policy.by.name() == line.name.as_deref());
    let Some(policy) = policy else {
        let name = line.name.map(|name| format!(" {name}")).unwrap_or_default();
        return Err(format!("{} has no table by {}{name}", pool.name, line.kind));
    };
    let key = policy.by.of_text(&line.key).ok_or_else(|| format!("`{}` is no address", line.key))?;
    let Some(member) = pool.member(&line.server) else {
        return Err(format!("no server of {} is named `{}`", pool.name, line.server));
    };
    let used = line.used.min(now);
    let (server, since) = (member.server.id, line.since.min(used));
    Ok((policy, ClientEntry { key, server, since, used, streams: 0, placed: line.placed }))
}
