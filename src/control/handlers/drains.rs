//! What a call says of a drain, and what the drain will come to.

use crate::control::call::{Call, bad, span};
use crate::control::handlers::choice;
use crate::control::{ControlContext, view};
use crate::drain::DrainAsk;
use crate::pool::{CloseOrder, DrainSticky, Pacing, Pool, Rate, Server, SessionKind};
use jiff::Timestamp;
use lbctl::protocol::units::{parse_duration, parse_rate};
use lbctl::protocol::{self as wire, Forecast, Problem, SetAdmin};
use std::time::{Duration, SystemTime};

/// The drain that is asked for; what the call does not say, the pool does. `None`: it asks for another state.
pub(super) fn ask(
    context: &ControlContext,
    call: &Call,
    pool: &Pool,
    ask: &SetAdmin,
) -> Result<Option<DrainAsk>, Box<Problem>> {
    if ask.state != wire::AdminState::Drain {
        let texts = [&ask.deadline, &ask.close_rate, &ask.until];
        let others =
            ask.sticky.is_some() || ask.close_code.is_some() || ask.close.is_some() || ask.only.is_some();
        if others || texts.into_iter().any(Option::is_some) {
            let names = "`deadline`, `sticky`, `close`, `close_rate`, `close_code`, `only` and `until`";
            return Err(bad(format!("{names} belong to the state `drain`")));
        }
        return Ok(None);
    }
    let policy = &pool.drain;
    let mut drain = DrainAsk::from(policy);
    if let Some(text) = &ask.deadline {
        drain.deadline = Some(span("deadline", text)?);
    }
    if let Some(sticky) = ask.sticky {
        drain.sticky = match sticky {
            wire::DrainSticky::Keep => DrainSticky::Keep,
            wire::DrainSticky::Move => DrainSticky::Move,
        };
    }
    let rate = ask.close_rate.as_deref().map(|text| rate("close_rate", text)).transpose()?;
    let rate = rate.unwrap_or(policy.close_rate);
    let order = match ask.close.unwrap_or_default() {
        wire::CloseOrder::Idle => Some(CloseOrder::Idle),
        wire::CloseOrder::Oldest => Some(CloseOrder::Oldest),
        wire::CloseOrder::Newest => Some(CloseOrder::Newest),
        wire::CloseOrder::Nobody => None,
    };
    drain.terms.pacing = order.map(|order| Pacing { rate, order });
    if let Some(only) = &ask.only {
        if order.is_none() {
            return Err(bad("`only` chooses whom the drain closes, and `close` says: nobody"));
        }
        drain.terms.only = choice::read(context, only)?;
    }
    if let Some(code) = ask.close_code {
        drain.terms.close_code = close_code(code)?;
    }
    drain.terms.until = ask.until.as_deref().map(instant).transpose()?;
    drain.actor = Some(call.caller.actor());
    drain.reason = ask.reason.clone();
    Ok(Some(drain))
}

/// What it will come to, by what is on the server now.
pub(super) fn forecast(server: &Server, drain: &DrainAsk) -> Forecast {
    let (sessions, now) = (server.sessions.list(), SystemTime::now());
    let all = sessions.iter().filter(|session| session.kind == SessionKind::WebSocket);
    let (chosen, staying): (Vec<_>, Vec<_>) = all.partition(|session| drain.terms.only.takes(session, now));
    let (websockets, staying) = (chosen.len() as u64, staying.len() as u64);
    // Oldest first.
    let age = |at: usize| sessions.get(at).map_or(0, |session| view::age(session.since));
    let closing = drain
        .terms
        .pacing
        .map(|Pacing { rate, .. }| rate.per.mul_f64(websockets as f64 / f64::from(rate.count.max(1))));
    Forecast {
        websockets,
        staying,
        others: sessions.len() as u64 - websockets - staying,
        closing_ms: closing.map(view::millis),
        median_age_ms: age(sessions.len() / 2),
        oldest_ms: age(0),
    }
}

/// A rate in a body or a query.
pub(super) fn rate(name: &str, text: &str) -> Result<Rate, Box<Problem>> {
    let (count, per) = parse_rate(text).map_err(|error| bad(format!("{name}: {error}")))?;
    Ok(Rate { count, per })
}

/// A code that may stand in a Close (RFC 6455, section 7.4).
pub(super) fn close_code(code: u16) -> Result<u16, Box<Problem>> {
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(code),
        _ => Err(bad(format!(
            "{code} cannot be sent in a Close; use 1001 (going away), 1012 (come back), or 3000 to 4999"
        ))),
    }
}

/// A span from now, or an instant.
fn instant(text: &str) -> Result<SystemTime, Box<Problem>> {
    let from_now = |span: Duration| SystemTime::now().checked_add(span);
    let at = match parse_duration(text) {
        Ok(span) => from_now(span),
        Err(_) => text.parse::<Timestamp>().ok().map(SystemTime::from),
    };
    let at = at.ok_or_else(|| {
        bad(format!(
            "until: `{text}` is neither a span such as 2h nor an instant such as 2026-01-02T14:00:00Z"
        ))
    })?;
    if at <= SystemTime::now() {
        return Err(bad(format!("until: {text} is in the past")));
    }
    Ok(at)
}
