//! Long-lived streams: look, close, move to servers that have fewer.

use crate::control::call::{self, Call, bad};
use crate::control::handlers::{choice, drains};
use crate::control::reply::{Outcome, json};
use crate::control::role::Role;
use crate::control::{ControlContext, view};
use crate::drain;
use crate::pool::{Choice, Closing, Server, Session, SessionKind};
use lbctl::protocol::units::format_rate;
use lbctl::protocol::{self as wire, Connections, Kind, Problem, Rebalance, Rebalanced, Share};
use serde_json::json;
use std::sync::Arc;
use std::time::SystemTime;

/// Streams of one answer, unless the caller wants fewer.
const MOST: usize = 1000;
/// What a client is told when nobody says: going away (RFC 6455, section 7.4.1).
const GOING_AWAY: u16 = 1001;

pub(in crate::control) fn list(context: &ControlContext, call: &Call) -> Outcome {
    let filter = Filter::of(context, call)?;
    let limit = call.number("limit")?.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST).min(MOST));
    let cursor = call.query("cursor").map(Cursor::parse).transpose()?;
    let mut all: Vec<(Cursor, Arc<Server>, Arc<Session>)> = Vec::new();
    for server in servers(context).into_iter().filter(|server| filter.wants(server)) {
        for session in server.sessions.list().into_iter().filter(|session| filter.passes(session)) {
            all.push((Cursor::of(&session), Arc::clone(&server), session));
        }
    }
    all.sort_unstable_by_key(|(at, ..)| *at);
    let total = all.len() as u64;
    let first = cursor.map_or(0, |cursor| all.partition_point(|(at, ..)| *at <= cursor));
    let page = &all[first..all.len().min(first.saturating_add(limit))];
    let more = first + page.len() < all.len();
    let role = call.caller.role;
    json(&Connections {
        connections: page
            .iter()
            .map(|(_, server, session)| view::connection(server, session, role))
            .collect(),
        total,
        next: page.last().filter(|_| more).map(|(at, ..)| at.text()),
    })
}

pub(in crate::control) fn show(context: &ControlContext, call: &Call, id: &str) -> Outcome {
    let (server, session) = find(context, id)?;
    json(&view::connection(&server, &session, call.caller.role))
}

pub(in crate::control) fn close(context: &ControlContext, call: &Call, id: &str) -> Outcome {
    call.need(Role::Operate)?;
    let (server, session) = find(context, id)?;
    let code = match call.number("code")? {
        None => GOING_AWAY,
        Some(code) => drains::close_code(u16::try_from(code).unwrap_or(0))?,
    };
    let reason = call.query("reason");
    session.close(Closing { code, reason: reason.unwrap_or("closed by an operator").into() });
    let subject = format!("{}/{}", server.pool, server.name);
    let facts = json!({ "connection": id, "kind": session.kind.as_str(), "code": code });
    call.audit(context, "connection.closed", &subject, reason, facts);
    json(&view::connection(&server, &session, call.caller.role))
}

pub(in crate::control) fn rebalance(context: &ControlContext, call: &Call, pool: &str) -> Outcome {
    call.need(Role::Operate)?;
    let ask: Rebalance = call.json()?;
    let pool = call::pool(context, pool)?;
    let rate = ask.rate.as_deref().map(|text| drains::rate("rate", text)).transpose()?;
    let rate = rate.unwrap_or(pool.drain.close_rate);
    let parts = drain::parts(&pool);
    let shares = parts.iter().map(|part| Share {
        server: part.server.name.to_string(),
        websockets: part.websockets,
        share: part.share,
        closed: part.surplus(),
    });
    let servers: Vec<Share> = shares.collect();
    if !ask.dry_run {
        let reason = ask.reason.as_deref().unwrap_or("the pool is being rebalanced");
        let closing = Closing { code: pool.drain.close_code, reason: reason.into() };
        context.drains.rebalance(&pool.name, &parts, rate, &closing);
        let closed: u64 = servers.iter().map(|share| share.closed).sum();
        let facts = json!({ "closed": closed, "rate": format_rate(rate.count, rate.per) });
        call.audit(context, "pool.rebalanced", &pool.name, ask.reason.as_deref(), facts);
    }
    json(&Rebalanced {
        pool: pool.name.to_string(),
        dry_run: ask.dry_run,
        rate: format_rate(rate.count, rate.per),
        servers,
    })
}

/// Every server that may hold streams: those of the pools, and those on their way out of them.
pub(super) fn servers(context: &ControlContext) -> Vec<Arc<Server>> {
    let pools = context.world.pools();
    let members = pools.iter().flat_map(|pool| pool.members.iter().map(|member| Arc::clone(&member.server)));
    let mut all: Vec<Arc<Server>> = members.collect();
    for operation in context.drains.active() {
        if !all.iter().any(|known| Arc::ptr_eq(known, &operation.server)) {
            all.push(Arc::clone(&operation.server));
        }
    }
    all
}

fn find(context: &ControlContext, id: &str) -> Result<(Arc<Server>, Arc<Session>), Box<Problem>> {
    let number = u64::from_str_radix(id, 16).ok();
    let found = number.and_then(|number| {
        servers(context).into_iter().find_map(|server| {
            let session = server.sessions.get(number)?;
            Some((server, session))
        })
    });
    found.ok_or_else(|| {
        let problem =
            Problem::new(Kind::NotFound, format!("no connection is named `{id}`; it may have ended"));
        problem.about(id).help("lbctl conn list").into()
    })
}

/// The place of a stream in the list: by its beginning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    since: u128,
    id: u64,
}

impl Cursor {
    fn of(session: &Session) -> Self {
        let since = session.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { since: since.as_nanos(), id: session.id }
    }

    fn text(self) -> String {
        format!("{:x}-{:x}", self.since, self.id)
    }

    fn parse(text: &str) -> Result<Self, Box<Problem>> {
        let parts = text.split_once('-').and_then(|(since, id)| {
            Some(Self { since: u128::from_str_radix(since, 16).ok()?, id: u64::from_str_radix(id, 16).ok()? })
        });
        parts.ok_or_else(|| bad(format!("`{text}` is no cursor; pass on the `next` of the page before")))
    }
}

/// Which streams a call means.
struct Filter {
    kind: Option<SessionKind>,
    pool: Option<String>,
    server: Option<String>,
    choice: Choice,
}

impl Filter {
    fn of(context: &ControlContext, call: &Call) -> Result<Self, Box<Problem>> {
        let kinds = [SessionKind::WebSocket, SessionKind::Tunnel, SessionKind::Tcp, SessionKind::Stream];
        let kind = |text: &str| {
            let known = kinds.into_iter().find(|kind| kind.as_str() == text);
            let words = kinds.map(SessionKind::as_str).join(", ");
            known.ok_or_else(|| bad(format!("`{text}` is no kind of connection; kinds: {words}")))
        };
        if let Some(name) = call.query("pool") {
            let pool = call::pool(context, name)?;
            call.query("server").map(|server| call::member(&pool, server)).transpose()?;
        }
        let said = |name| call.query(name).map(str::to_owned);
        let said = wire::Choice {
            from: said("from"),
            route: said("route"),
            older: said("older"),
            idle: said("idle"),
        };
        Ok(Self {
            kind: call.query("kind").map(kind).transpose()?,
            pool: call.query("pool").map(str::to_owned),
            server: call.query("server").map(str::to_owned),
            choice: choice::read(context, &said)?,
        })
    }

    fn wants(&self, server: &Server) -> bool {
        self.pool.as_ref().is_none_or(|pool| *server.pool == **pool)
            && self.server.as_ref().is_none_or(|name| *server.name == **name)
    }

    fn passes(&self, session: &Session) -> bool {
        self.kind.is_none_or(|kind| session.kind == kind) && self.choice.takes(session, SystemTime::now())
    }
}
