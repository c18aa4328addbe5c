//! Stickiness: which client stays with which server.

use crate::control::call::{self, Call, bad};
use crate::control::reply::{Outcome, json};
use crate::control::role::Role;
use crate::control::{ControlContext, view};
use crate::pool::{Pool, ServerId, SourceEntry, SourcePolicy, Sticky};
use lbctl::protocol::{Kind, Problem, StickyCleared, StickyEntries, StickyLookup, StickyTable};
use serde_json::json;
use std::net::IpAddr;
use std::time::SystemTime;

/// Entries of one answer, unless the caller wants fewer.
const MOST: usize = 10_000;

pub(in crate::control) fn list(context: &ControlContext) -> Outcome {
    let pools = context.world.pools();
    let tables = pools.iter().flat_map(|pool| view::sticky_tables(pool, &pool.counters.total()));
    json(&tables.collect::<Vec<StickyTable>>())
}

pub(in crate::control) fn show(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    let pool = call::pool(context, pool)?;
    if let Some(key) = call.query("lookup") {
        return json(&lookup(&pool, key)?);
    }
    let limit = call.number("limit")?.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST).min(MOST));
    let now = now();
    let filter = Filter::of(call, &pool, now)?;
    let mut entries = Vec::new();
    for policy in tables(&pool)? {
        let ttl = policy.table.limits().0;
        let found = policy.table.list(now, usize::MAX, |entry| filter.passes(&policy.table, entry));
        entries.extend(found.into_iter().map(|entry| (entry, ttl)));
    }
    let total = entries.len() as u64;
    entries.sort_unstable_by_key(|(entry, _)| (std::cmp::Reverse(entry.used), entry.address));
    entries.truncate(limit);
    let role = call.caller.role;
    let entries =
        entries.iter().map(|(entry, ttl)| view::sticky_entry(&pool, entry, *ttl, now, role)).collect();
    json(&StickyEntries { pool: pool.name.to_string(), entries, total })
}

pub(in crate::control) fn clear(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    call.need(Role::Operate)?;
    let pool = call::pool(context, pool)?;
    let now = now();
    let filter = Filter::of(call, &pool, now)?;
    let all = call.flag("all")?.unwrap_or(false);
    if filter.is_open() != all {
        return Err(bad("say which entries: key, server, older, or all=true and none of these"));
    }
    let dry_run = call.flag("dry_run")?.unwrap_or(false);
    let mut cleared = 0;
    for policy in tables(&pool)? {
        let table = &policy.table;
        cleared += if dry_run {
            table.list(now, usize::MAX, |entry| filter.passes(table, entry)).len()
        } else {
            table.clear(|entry| filter.passes(table, entry))
        };
    }
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
    key: Option<IpAddr>,
    server: Option<ServerId>,
    /// Not used since (unix seconds).
    before: Option<u64>,
}

impl Filter {
    fn of(call: &Call, pool: &Pool, now: u64) -> Result<Self, Box<Problem>> {
        let key = call.query("key").map(address).transpose()?;
        // A server that left the pool may have left entries behind: any name will do.
        let server = call.query("server").map(ServerId::of);
        if let Some(name) = call.query("server")
            && pool.member(name).is_none()
            && call.method == http::Method::GET
        {
            call::member(pool, name)?;
        }
        let before = call.span("older")?.map(|older| now.saturating_sub(older.as_secs()));
        Ok(Self { key, server, before })
    }

    fn is_open(&self) -> bool {
        self.key.is_none() && self.server.is_none() && self.before.is_none()
    }

    fn passes(&self, table: &crate::pool::SourceTable, entry: &SourceEntry) -> bool {
        let key = self.key.is_none_or(|key| masked(key, table.masks()) == entry.address);
        key && self.server.is_none_or(|server| entry.server == server)
            && self.before.is_none_or(|before| entry.used <= before)
    }
}

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
    if let Ok(ip) = key.parse::<IpAddr>() {
        let found = tables(pool)?.find_map(|policy| policy.table.get(ip, now)).map(|entry| entry.server);
        let why = if found.is_some() { "an entry of the table" } else { "no entry of that address" };
        return Ok(answer("source-ip", found, why));
    }
    let mut cookies = pool.sticky.iter().filter_map(|sticky| match sticky {
        Sticky::Cookie(policy) => Some(policy),
        Sticky::Source(_) => None,
    });
    let Some(first) = cookies.next() else {
        return Err(bad(format!("`{key}` is no address, and {} has no sticky cookie", pool.name)));
    };
    let found = std::iter::once(first).chain(cookies).find_map(|policy| policy.verify(key.as_bytes(), now));
    let why = if found.is_some() { "the cookie names it" } else { "the cookie is not ours, or too old" };
    Ok(answer("cookie", found, why))
}

fn source(sticky: &Sticky) -> Option<&SourcePolicy> {
    match sticky {
        Sticky::Source(policy) => Some(policy),
        Sticky::Cookie(_) => None,
    }
}

fn tables(pool: &Pool) -> Result<impl Iterator<Item = &SourcePolicy>, Box<Problem>> {
    if !pool.sticky.iter().any(|sticky| source(sticky).is_some()) {
        let problem = Problem::new(Kind::NotFound, format!("{} has no table of sticky entries", pool.name));
        let help = "a sticky cookie is kept by the client; `sticky source-ip` makes a table";
        return Err(problem.about(&*pool.name).help(help).into());
    }
    Ok(pool.sticky.iter().filter_map(source))
}

fn address(text: &str) -> Result<IpAddr, Box<Problem>> {
    text.parse().map_err(|_| bad(format!("`{text}` is not an IP address")))
}

/// The address as a table with these masks keeps it.
fn masked(ip: IpAddr, (v4, v6): (u8, u8)) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4.min(32))).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6.min(128))).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_as_tables_do() {
        let check = |ip: &str, masks, expected: &str| {
            assert_eq!(masked(ip.parse().unwrap(), masks), expected.parse::<IpAddr>().unwrap());
        };
        check("203.0.113.9", (32, 128), "203.0.113.9");
        check("203.0.113.9", (24, 64), "203.0.113.0");
        check("203.0.113.9", (0, 0), "0.0.0.0");
        check("::ffff:203.0.113.9", (24, 64), "203.0.113.0");
        check("2001:db8:1:2:3::4", (24, 64), "2001:db8:1:2::");
        check("2001:db8::4", (24, 0), "::");
    }
}
