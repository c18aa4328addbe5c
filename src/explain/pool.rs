//! What a file tells of a pool's choice: who may be chosen, by what, and whom it surely is.

use std::net::IpAddr;

use super::{PoolTold, World};
use crate::config::model::{Balance, ClientKey, Key, Server, Side, Sticky};
use crate::config::values::show_duration;
use crate::pool::{BalanceKind, How, Pool};
use crate::proxy::foresee::Foreseen;

/// What is told where only a daemon knows.
const LIVE: &str = "decided live: ask `lbctl route explain`";
/// What every server that is named here depends on.
const WHILE: &str = "while all servers take clients";

pub(super) fn told(world: &World, pool: &Pool, seen: &Foreseen) -> Option<PoolTold> {
    let written = world.model.pools.get(&pool.name)?;
    let (server, decision) = choice(pool, seen);
    let mut servers: Vec<String> = written.servers.iter().map(server_words).collect();
    servers.extend(written.discover.iter().map(|found| format!("those of {} in DNS", found.name)));
    let (server, decision) = match written.discover.is_empty() {
        true => (server, decision),
        false => (None, "decided live: DNS says which servers there are".to_owned()),
    };
    Some(PoolTold {
        name: pool.name.to_string(),
        place: written.place.to_string(),
        servers,
        balance: balance(&written.balance),
        sticky: written.sticky.iter().map(sticky).collect(),
        server,
        decision,
    })
}

/// The server, if the file alone says which; asked twice, because what is kept in a table is found the second time.
fn choice(pool: &Pool, seen: &Foreseen) -> (Option<String>, String) {
    let now = 0;
    if seen.acquire(pool, now).is_err() {
        return (None, "no server".to_owned());
    }
    let Ok(acquired) = seen.acquire(pool, now) else { return (None, LIVE.to_owned()) };
    let by = match acquired.how {
        How::StickyCookie => "the mark in the application's cookie".to_owned(),
        How::StickySource => "a hash of the client's address".to_owned(),
        How::StickyHeader => "a hash of the client's header".to_owned(),
        How::Balanced if pool.members.len() == 1 => "the only one".to_owned(),
        How::Balanced
            if matches!(pool.balance.kind(), BalanceKind::Hash(_) | BalanceKind::BoundedHash { .. }) =>
        {
            "a hash of the balance's key".to_owned()
        }
        How::Balanced | How::StickyLearned | How::Redispatched => return (None, LIVE.to_owned()),
    };
    let by = if pool.members.len() == 1 { by } else { format!("by {by}, {WHILE}") };
    (Some(acquired.lease.server().name.to_string()), by)
}

fn server_words(server: &Server) -> String {
    let host = match server.host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => server.host.to_string(),
    };
    let address = format!("{host}:{}", server.port);
    let mut words = if *server.name == *address { address } else { format!("{} {address}", server.name) };
    if server.backup {
        words.push_str(" (backup)");
    }
    if server.weight == 0 {
        words.push_str(" (no share)");
    }
    words
}

fn balance(balance: &Balance) -> String {
    match balance {
        Balance::RoundRobin => "round-robin".to_owned(),
        Balance::LeastRequests => "least-requests".to_owned(),
        Balance::LeastConnections => "least-connections".to_owned(),
        Balance::P2c => "p2c".to_owned(),
        Balance::Ewma => "ewma".to_owned(),
        Balance::Random => "random".to_owned(),
        Balance::Hash { key: of, .. } => format!("hash of {}", key(of)),
    }
}

pub(super) fn key(key: &Key) -> String {
    match key {
        Key::SourceIp => "client address".to_owned(),
        Key::Header(name) => format!("value of header {name}"),
        Key::Cookie(name) => format!("value of cookie {name}"),
        Key::Query(name) => format!("value of query parameter {name}"),
        Key::Path => "path".to_owned(),
        Key::Host => "host".to_owned(),
    }
}

fn sticky(sticky: &Sticky) -> String {
    match sticky {
        Sticky::Cookie(cookie) => format!("by cookie {}, set with the first answer", cookie.name),
        Sticky::Marked(mark) => {
            let side = if mark.side == Side::Prefix { "before" } else { "behind" };
            format!("by the application's cookie {}, with the server's name {side} its value", mark.name)
        }
        Sticky::Table(table) => {
            let by = match &table.by {
                ClientKey::SourceIp { mask_v4: 32, mask_v6: 128 } => "the client's address".to_owned(),
                ClientKey::SourceIp { mask_v4, mask_v6 } => {
                    format!("the client's network (/{mask_v4}, in IPv6 /{mask_v6})")
                }
                ClientKey::Header(name) => format!("header {name}"),
                ClientKey::Learned { name, .. } => format!("the application's session in {name}"),
            };
            format!("by {by}, for {} after its last request", show_duration(table.ttl))
        }
    }
}
