//! Long-lived streams.

use super::super::role::Role;
use super::{age, client, time};
use crate::pool::{Choice, Server, Session};
use lbctl::protocol as wire;
use lbctl::protocol::units::format_duration;
use std::time::{Duration, SystemTime};

/// One of them; its name holds within the process.
pub(in super::super) fn connection(server: &Server, session: &Session, role: Role) -> wire::Connection {
    let traffic = session.traffic();
    let active = SystemTime::UNIX_EPOCH + Duration::from_secs(traffic.now);
    let age_ms = age(session.since);
    wire::Connection {
        id: format!("{:x}", session.id),
        kind: session.kind.as_str().to_owned(),
        pool: server.pool.to_string(),
        server: server.name.to_string(),
        client: match role {
            Role::Read => client(session.client.ip(), role),
            Role::Operate | Role::Admin => session.client.to_string(),
        },
        route: session.route().map(str::to_owned),
        since: time(session.since),
        age_ms,
        idle_ms: age(active).min(age_ms),
        bytes_up: traffic.bytes.0,
        bytes_down: traffic.bytes.1,
        messages_up: traffic.messages.0,
        messages_down: traffic.messages.1,
        rtt_us: traffic.round_trip.map(|took| took.as_micros() as u64),
        state: match (session.closing(), traffic.opaque) {
            (Some(_), _) => "closing",
            (None, true) => "opaque",
            (None, false) => "open",
        }
        .to_owned(),
    }
}

/// As it travels; nothing where all are meant.
pub(in super::super) fn choice(choice: &Choice) -> Option<wire::Choice> {
    (!choice.is_everybody()).then(|| wire::Choice {
        from: choice.from.map(|net| net.to_string()),
        route: choice.route.clone(),
        older: choice.older.map(format_duration),
        idle: choice.idle.map(format_duration),
    })
}
