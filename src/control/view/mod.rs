//! Live to wire: the only place where what lives becomes what travels.
//!
//! Every function here reads and returns; none decides. Callers with the role `read` see client addresses and keys
//! shortened, which is decided here too, once ([`client`]).

mod change;
mod config;
mod connection;
mod server;

pub(super) use change::planned;
pub(super) use config::{
    certificate, config_state, config_summary, decision, explanation, finding, generation, probe, reloaded,
    report, route,
};
pub(super) use connection::{choice, connection};
pub(super) use server::{in_full, member, pool, pool_summary, sticky_entry, sticky_tables};

use super::rates::Moment;
use super::role::Role;
use super::world::{ListenerFacts, PredecessorFacts, UnresolvedFacts, Upgraded};
use crate::drain;
use crate::observe;
use jiff::Timestamp;
use lbctl::protocol as wire;
use lbctl::protocol::units::format_rate;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// An instant, to the millisecond.
pub(super) fn time(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis())
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Milliseconds since an instant.
pub(super) fn age(at: SystemTime) -> u64 {
    millis(SystemTime::now().duration_since(at).unwrap_or_default())
}

/// A span in whole milliseconds.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A span in whole microseconds.
pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A name that has no answer.
pub(super) fn unresolved(name: &UnresolvedFacts) -> wire::Unresolved {
    wire::Unresolved {
        name: name.name.clone(),
        kind: name.kind.to_owned(),
        reason: name.reason.clone(),
        since_ms: age(name.since),
        known: name.known as u64,
    }
}

/// A process that ends.
pub(super) fn predecessor(process: PredecessorFacts) -> wire::Predecessor {
    wire::Predecessor {
        pid: process.pid,
        lbd: process.lbd,
        since_ms: millis(process.since),
        left_ms: millis(process.left),
        connections: process.connections,
        requests: process.requests,
        websockets: process.websockets,
        tunnels: process.tunnels,
        tcp: process.tcp,
        streams: process.streams,
    }
}

/// Another process serves.
pub(super) fn upgraded(done: Upgraded) -> wire::Upgraded {
    wire::Upgraded { pid: done.pid, lbd: done.lbd, old_pid: done.old_pid }
}

/// A client's address for a caller of this role.
pub(super) fn client(ip: IpAddr, role: Role) -> String {
    if role > Role::Read {
        return ip.to_string();
    }
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            format!("{a}.{b}.x.x")
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            format!("{a:x}:{b:x}::x")
        }
    }
}

/// A role.
pub(super) fn role(role: Role) -> wire::Role {
    match role {
        Role::Read => wire::Role::Read,
        Role::Operate => wire::Role::Operate,
        Role::Admin => wire::Role::Admin,
    }
}

/// A listener.
pub(super) fn listener(facts: &ListenerFacts) -> wire::Listener {
    wire::Listener {
        name: facts.name.to_string(),
        address: facts.address.to_string(),
        tls: facts.tls,
        redirect: facts.redirect,
        connections: facts.connections,
        accepted: facts.accepted,
        tcp: facts.tcp.iter().map(passage).collect(),
    }
}

fn passage((sni, pool): &(Option<Arc<str>>, Arc<str>)) -> wire::Passage {
    wire::Passage { sni: sni.as_ref().map(ToString::to_string), pool: pool.to_string() }
}

/// The last minutes of a pool.
pub(super) fn past(pool: &str, moments: impl Iterator<Item = Moment>) -> wire::Past {
    let tenths = |number: f32| (number * 10.0).round() / 10.0;
    let mut past = wire::Past { pool: pool.to_owned(), ..wire::Past::default() };
    for moment in moments {
        past.rate.push(tenths(moment.rate));
        past.error_percent.push(tenths(moment.error_share * 100.0));
        past.p99_us.push(moment.p99_us);
    }
    past
}

/// An event.
pub(super) fn event(event: &observe::Event) -> wire::Event {
    wire::Event {
        seq: event.seq,
        time: Some(time(event.time)),
        kind: event.kind.to_owned(),
        subject: event.subject.clone(),
        data: event.data.clone(),
        generation: event.generation,
        actor: event.actor.clone(),
        missed: None,
    }
}

/// The last line of a stream whose reader was too slow.
pub(super) fn lagged(missed: u64) -> wire::Event {
    wire::Event {
        seq: 0,
        time: None,
        kind: wire::LAGGED.to_owned(),
        subject: String::new(),
        data: serde_json::Value::Null,
        generation: 0,
        actor: None,
        missed: Some(missed),
    }
}

/// The name of a drain.
pub(super) fn operation_id(id: u64) -> String {
    format!("op_{id}")
}

/// A drain.
pub(super) fn operation(operation: &drain::Operation, progress: &drain::Progress) -> wire::Operation {
    wire::Operation {
        id: operation_id(operation.id),
        seq: progress.seq,
        verb: match operation.cause {
            drain::Cause::Asked => "drain".to_owned(),
            drain::Cause::Removed => "remove".to_owned(),
        },
        subject: format!("{}/{}", operation.server.pool, operation.server.name),
        phase: match progress.phase {
            drain::Phase::Settling => wire::Phase::Settling,
            drain::Phase::InFlight => wire::Phase::InFlight,
            drain::Phase::Closing => wire::Phase::Closing,
            drain::Phase::Drained => wire::Phase::Drained,
            drain::Phase::Forced => wire::Phase::Forced,
            drain::Phase::Cancelled => wire::Phase::Cancelled,
        },
        left: wire::Left { requests: progress.requests, sessions: progress.sessions },
        closed: progress.closed,
        forced: progress.forced,
        close_rate: progress.pacing.map(|pacing| format_rate(pacing.rate.count, pacing.rate.per)),
        only: choice(&progress.only),
        paused: progress.paused,
        until: progress.until.map(time),
        started: time(operation.started),
        deadline: progress.deadline.map(time),
        ended: progress.ended.map(time),
        actor: progress.actor.clone(),
        reason: progress.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_half_of_an_address() {
        let check = |ip: &str, short: &str| {
            let ip = ip.parse().unwrap();
            assert_eq!(client(ip, Role::Read), short);
            assert_eq!(client(ip, Role::Operate), ip.to_string());
        };
        check("203.0.113.9", "203.0.x.x");
        check("2001:db8::1", "2001:db8::x");
    }
}
