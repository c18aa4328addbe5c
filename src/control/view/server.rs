//! Pools, servers and stickiness.

use super::super::rates::Lately;
use super::super::role::Role;
use super::{age, choice, client, connection, micros, millis, time};
use crate::observe::{Events, Totals};
use crate::pool::{
    AdminState, ClientEntry, ClientKey, DrainSticky, Eligibility, Member, Pool, Server, State, Sticky,
    TablePolicy, Wish,
};
use lbctl::protocol as wire;
use std::net::SocketAddr;

/// How many streams of a server are listed.
const STREAMS: usize = 1000;

/// A pool with its servers.
pub(in super::super) fn pool(pool: &Pool, lately: Option<Lately>) -> wire::Pool {
    let servers = pool.members.iter().map(|one| member(pool, one)).collect();
    wire::Pool { summary: pool_summary(pool, lately), servers }
}

/// A pool in short.
pub(in super::super) fn pool_summary(pool: &Pool, lately: Option<Lately>) -> wire::PoolSummary {
    let totals = pool.counters.total();
    let servers = pool.members.iter().map(|one| &one.server);
    wire::PoolSummary {
        name: pool.name.to_string(),
        balance: pool.balance.as_str().to_owned(),
        up: pool.ready(),
        servers: pool.members.len(),
        queued: pool.queue().waiting() as u64,
        in_flight: servers.clone().map(|server| u64::from(server.in_flight())).sum(),
        sessions: servers.map(|server| server.sessions.count() as u64).sum(),
        requests: totals.requests,
        errors_5xx: totals.classes[5],
        rate: lately.map(|lately| lately.rate),
        error_share: lately.and_then(|lately| lately.error_share),
        p99_us: lately.and_then(|lately| lately.p99).map(micros),
        sticky: sticky_tables(pool, &totals),
        notable: pool.members.iter().map(|one| member(pool, one)).filter(is_notable).collect(),
    }
}

/// A server without its streams.
pub(in super::super) fn member(pool: &Pool, member: &Member) -> wire::Server {
    let server = &*member.server;
    let totals = server.counters.total();
    let ejected = server.ejected();
    let (eligible, why) = match member.eligibility() {
        Eligibility::Ready => ("ready", None),
        Eligibility::StickyOnly => ("sticky-only", None),
        Eligibility::No(why) => ("no", Some(why.as_str().to_owned())),
    };
    wire::Server {
        pool: pool.name.to_string(),
        name: server.name.to_string(),
        address: address(server),
        endpoint: endpoint(server),
        origin: member.origin.as_ref().map(|origin| origin.source.to_string()),
        unnamed: member.origin.as_ref().is_some_and(|origin| origin.unnamed),
        admin: admin(&server.admin.get()),
        health: health(server),
        eligible: eligible.to_owned(),
        why,
        ejected_ms: ejected.as_ref().map(|(left, _)| millis(*left)),
        ejected_reason: ejected.map(|(_, reason)| reason),
        starting_percent: pool.starting(member),
        weight: member.effective_weight(),
        file_weight: member.weight,
        backup: member.backup,
        in_flight: u64::from(server.in_flight()),
        sessions: server.sessions.count() as u64,
        idle_connections: u64::from(server.idle_connections()),
        requests: totals.requests,
        errors_5xx: totals.classes[5],
        failures: totals.failures,
        p99_us: (totals.responses() > 0).then(|| micros(totals.quantile(0.99))),
        streams: Vec::new(),
        history: Vec::new(),
    }
}

/// A server with its streams and its history, each oldest first.
pub(in super::super) fn in_full(pool: &Pool, one: &Member, events: &Events, role: Role) -> wire::Server {
    let history = events.history(&format!("{}/{}", pool.name, one.server.name));
    let history = history.iter().map(|one| super::event(one)).collect();
    let sessions = one.server.sessions.list();
    let streams = sessions.iter().take(STREAMS).map(|session| connection(&one.server, session, role));
    wire::Server { streams: streams.collect(), history, ..member(pool, one) }
}

/// A pool's means of stickiness.
pub(in super::super) fn sticky_tables(pool: &Pool, totals: &Totals) -> Vec<wire::StickyTable> {
    let table = |sticky: &Sticky| {
        let (kind, cookie, policy) = match sticky {
            Sticky::Cookie(policy) => ("cookie", Some(policy.name.to_string()), None),
            Sticky::Marked(policy) => ("cookie", Some(policy.name.to_string()), None),
            Sticky::Table(policy) => (policy.by.as_str(), None, Some(policy)),
        };
        let table = policy.map(|policy| &policy.table);
        wire::StickyTable {
            pool: pool.name.to_string(),
            kind: kind.to_owned(),
            cookie,
            name: policy.and_then(|policy| policy.by.name()).map(str::to_owned),
            evicted: table.map(|table| table.evicted()),
            entries: table.map(|table| table.len() as u64),
            limit: table.map(|table| table.limits().1 as u64),
            ttl_ms: table.map(|table| millis(table.limits().0)),
            hits: totals.sticky_hits,
            misses: totals.sticky_misses + totals.redispatches,
        }
    };
    pool.sticky.iter().map(table).collect()
}

/// One entry of a table.
pub(in super::super) fn sticky_entry(
    pool: &Pool,
    entry: &ClientEntry,
    policy: &TablePolicy,
    now: u64,
    role: Role,
) -> wire::StickyEntry {
    let idle = now.saturating_sub(entry.used) * 1000;
    wire::StickyEntry {
        key: key(entry, policy, role),
        streams: entry.streams as u64,
        server: pool.by_id(entry.server).map(|member| member.server.name.to_string()),
        age_ms: now.saturating_sub(entry.since) * 1000,
        idle_ms: idle,
        left_ms: millis(policy.ttl).saturating_sub(idle),
    }
}

/// A key for a caller of this role.
fn key(entry: &ClientEntry, policy: &TablePolicy, role: Role) -> String {
    let whole = policy.by.show(entry.key);
    match policy.by {
        ClientKey::SourceIp { .. } => client(crate::pool::sticky::address(entry.key), role),
        _ if role > Role::Read => whole,
        _ => format!("{}…", whole.get(..7).unwrap_or_default()),
    }
}

fn is_notable(server: &wire::Server) -> bool {
    server.eligible != "ready"
        || server.admin.state != wire::AdminState::Ready
        || server.weight != server.file_weight
        || server.starting_percent.is_some()
        || server.health.state == wire::HealthState::Down
}

fn address(server: &Server) -> String {
    if server.host.contains(':') {
        format!("[{}]:{}", server.host, server.port)
    } else {
        format!("{}:{}", server.host, server.port)
    }
}

/// The first address, without taking a turn among several.
fn endpoint(server: &Server) -> Option<String> {
    server.addresses().first().map(|ip| SocketAddr::new(*ip, server.port).to_string())
}

fn admin(state: &AdminState) -> wire::Admin {
    let stamp = match state.wish {
        // Who brought it back is history, not state.
        Wish::Ready => None,
        _ => state.stamp.as_ref(),
    };
    let (word, sticky, deadline) = match &state.wish {
        Wish::Ready => (wire::AdminState::Ready, None, None),
        Wish::Maint => (wire::AdminState::Maint, None, None),
        Wish::Drain { sticky, deadline } => {
            let sticky = match sticky {
                DrainSticky::Keep => wire::DrainSticky::Keep,
                DrainSticky::Move => wire::DrainSticky::Move,
            };
            (wire::AdminState::Drain, Some(sticky), *deadline)
        }
    };
    let terms = state.terms.as_ref();
    wire::Admin {
        state: word,
        sticky,
        deadline: deadline.map(time),
        until: terms.and_then(|terms| terms.until).map(time),
        paused: terms.is_some_and(|terms| terms.paused),
        only: terms.and_then(|terms| choice(&terms.only)),
        since: stamp.map(|stamp| time(stamp.since)),
        actor: stamp.and_then(|stamp| stamp.by.clone()),
        reason: stamp.and_then(|stamp| stamp.reason.clone()),
    }
}

fn health(server: &Server) -> wire::Health {
    let health = server.health();
    wire::Health {
        state: match health.state {
            State::Up => wire::HealthState::Up,
            State::Down => wire::HealthState::Down,
            State::Unknown => wire::HealthState::Unknown,
        },
        since_ms: age(health.since),
        reason: health.reason,
        checked: health.checked,
        good: health.good,
        bad: health.bad,
        last_check_ms: health.last.map(|last| age(last.at)),
    }
}
