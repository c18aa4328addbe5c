//! Stickiness: which client stays with which server. Tables may be large: whoever goes through one does it aside, so
//! that nobody else waits for it.

mod transfer;

pub(in crate::control) use transfer::{export, import, shift};

use crate::control::call::{self, Call, bad};
use crate::control::reply::{Outcome, json};
use crate::control::role::Role;
use crate::control::{ControlContext, view};
use crate::pool::{ClientEntry, ClientKey, CookiePolicy, Pool, ServerId, Sticky, TablePolicy};
use lbctl::protocol::{Kind, Problem, StickyCleared, StickyEntries, StickyLookup, StickyTable};
use serde_json::json;
use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// Entries of one answer, unless the caller wants fewer.
const MOST: usize = 10_000;

pub(in crate::control) fn list(context: &ControlContext) -> Outcome {
    let pools = context.world.pools();
    let tables = pools.iter().flat_map(|pool| view::sticky_tables(pool, &pool.counters.total()));
    json(&tables.collect::<Vec<StickyTable>>())
}

pub(in crate::control) async fn show(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    let pool = call::pool(context, pool)?;
    if let Some(key) = call.query("lookup") {
        return json(&lookup(&pool, key)?);
    }
    let limit = call.number("limit")?.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST).min(MOST));
    let by_age = match call.query("sort") {
        None | Some("idle") => false,
        Some("age") => true,
        Some(other) => return Err(bad(format!("`sort={other}` is neither idle nor age"))),
    };
    let now = now();
    let filter = Filter::of(call, &pool, now)?;
    let role = call.caller.role;
    let shown = aside(move || {
        let mut entries = Vec::new();
        for policy in pool.sticky.iter().filter_map(Sticky::table_policy) {
            let found = policy.table.list(now, usize::MAX, |entry| filter.passes(policy, entry));
            entries.extend(found.into_iter().map(|entry| (entry, policy)));
        }
        let total = entries.len() as u64;
        match by_age {
            true => entries.sort_unstable_by_key(|(entry, _)| (entry.since, entry.key)),
            false => entries.sort_unstable_by_key(|(entry, _)| (Reverse(entry.used), entry.key)),
        }
        entries.truncate(limit);
        let show = |(entry, policy): &(ClientEntry, &TablePolicy)| {
            view::sticky_entry(&pool, entry, policy, now, role)
        };
        StickyEntries { pool: pool.name.to_string(), entries: entries.iter().map(show).collect(), total }
    });
    json(&shown.await?)
}

/// Does work that takes long where nobody waits for it.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Box<Problem>> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Problem::new(Kind::Internal, format!("the work came to no end: {error}")).into())
}

pub(in crate::control) async fn clear(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    call.need(Role::Operate)?;
    let pool = call::pool(context, pool)?;
    let now = now();
    let filter = Filter::of(call, &pool, now)?;
    let all = call.flag("all")?.unwrap_or(false);
    if filter.is_open() != all {
        return Err(bad("say which entries: key, server, older, or all=true and none of these"));
    }
    let dry_run = call.flag("dry_run")?.unwrap_or(false);
    let of = Arc::clone(&pool);
    let count = move |policy: &TablePolicy| {
        let table = &policy.table;
        match dry_run {
            true => table.list(now, usize::MAX, |entry| filter.passes(policy, entry)).len(),
            false => table.clear(|entry| filter.passes(policy, entry)),
        }
    };
    let cleared =
        aside(move || of.sticky.iter().filter_map(Sticky::table_policy).map(count).sum::<usize>()).await?;
    let cleared = cleared as u64;
    if !dry_run {
        call.audit(
            context,
            "sticky.cleared",
            &pool.name,
            call.query("reason"),
            json!({ "entries": cleared }),
        );
    }
    json(&StickyCleared { pool: pool.name.to_string(), cleared, dry_run })
}

/// Which entries a call means.
struct Filter {
    key: Option<String>,
    server: Option<ServerId>,
    /// Not used since (unix seconds).
    before: Option<u64>,
}

impl Filter {
    fn of(call: &Call, pool: &Pool, now: u64) -> Result<Self, Box<Problem>> {
        drop(tables(pool)?);
        let key = call.query("key");
        if let Some(key) = key
            && !tables(pool)?.any(|policy| policy.by.of_text(key).is_some())
        {
            return Err(bad(format!("`{key}` is not an IP address")));
        }
        // A server that left the pool may have left entries behind: any name will do.
        let server = call.query("server").map(ServerId::of);
        if let Some(name) = call.query("server")
            && pool.member(name).is_none()
            && call.method == http::Method::GET
        {
            call::member(pool, name)?;
        }
        let before = call.span("older")?.map(|older| now.saturating_sub(older.as_secs()));
        Ok(Self { key: key.map(str::to_owned), server, before })
    }

    fn is_open(&self) -> bool {
        self.key.is_none() && self.server.is_none() && self.before.is_none()
    }

    fn passes(&self, policy: &TablePolicy, entry: &ClientEntry) -> bool {
        self.server.is_none_or(|server| entry.server == server)
            && self.before.is_none_or(|before| entry.used <= before)
            && self.key.as_ref().is_none_or(|key| policy.by.of_text(key) == Some(entry.key))
    }
}

/// Where a client is, told by what it shows: its address, a cookie, the value of a header or a session.
fn lookup(pool: &Pool, key: &str) -> Result<StickyLookup, Box<Problem>> {
    let now = now();
    let answer = |kind: &str, found: Option<ServerId>, why: &str| {
        let server = found.and_then(|id| pool.by_id(id)).map(|member| member.server.name.to_string());
        let why =
            if found.is_some() && server.is_none() { "its server is no longer in the pool" } else { why };
        StickyLookup {
            pool: pool.name.to_string(),
            key: key.to_owned(),
            kind: kind.to_owned(),
            server,
            why: why.to_owned(),
        }
    };
    let is_address = key.parse::<IpAddr>().is_ok();
    let mut nowhere = None;
    for sticky in &pool.sticky {
        let (kind, found, why, why_not) = match sticky {
            Sticky::Table(policy) => {
                let by_address = matches!(policy.by, ClientKey::SourceIp { .. });
                let Some(digest) = policy.by.of_text(key).filter(|_| by_address == is_address) else {
                    continue;
                };
                let found = policy.table.get(digest, now).map(|entry| entry.server);
                let why_not = if by_address { "no entry of that address" } else { "no entry of that value" };
                (policy.by.as_str(), found, "an entry of the table", why_not)
            }
            _ if is_address => continue,
            Sticky::Cookie(policy) => {
                let found = CookiePolicy::verify(policy, key.as_bytes(), now);
                ("cookie", found, "the cookie names it", "the cookie is not ours, or too old")
            }
            Sticky::Marked(policy) => {
                let found = policy.server_of(key.as_bytes(), &|id| pool.by_id(id).is_some());
                ("cookie", found, "the cookie's mark names it", "the cookie has no mark of ours")
            }
        };
        if found.is_some() {
            return Ok(answer(kind, found, why));
        }
        nowhere.get_or_insert((kind, why_not));
    }
    match nowhere {
        Some((kind, why)) => Ok(answer(kind, None, why)),
        None if is_address => Err(no_table(pool)),
        None => Err(bad(format!("`{key}` is no address, and {} has no sticky cookie", pool.name))),
    }
}

fn tables(pool: &Pool) -> Result<impl Iterator<Item = &TablePolicy>, Box<Problem>> {
    if !pool.sticky.iter().any(|sticky| sticky.table_policy().is_some()) {
        return Err(no_table(pool));
    }
    Ok(pool.sticky.iter().filter_map(Sticky::table_policy))
}

fn no_table(pool: &Pool) -> Box<Problem> {
    let problem = Problem::new(Kind::NotFound, format!("{} has no table of sticky entries", pool.name));
    let help = "a sticky cookie is kept by the client; `sticky source-ip`, `header` and `learn` make tables";
    problem.about(&*pool.name).help(help).into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
