//! Servers: look, and change what the operator wishes of them.

use crate::control::call::{self, Call, bad};
use crate::control::guard;
use crate::control::handlers::drains;
use crate::control::reply::{Outcome, accepted, json};
use crate::control::role::Role;
use crate::control::{ControlContext, view};
use crate::pool::{Closing, Member, Pool, Stamp, Wish};
use lbctl::protocol::{self as wire, Changed, Effect, Kind, Problem, SetAdmin, SetWeight, Weight};
use serde_json::json;
use std::time::Duration;

/// The largest weight of the language.
const HEAVIEST: u32 = 1000;

pub(in crate::control) fn list(context: &ControlContext) -> Outcome {
    let pools = context.world.pools();
    let servers = pools.iter().flat_map(|pool| pool.members.iter().map(|member| view::member(pool, member)));
    json(&servers.collect::<Vec<_>>())
}

pub(in crate::control) fn show(context: &ControlContext, call: &Call, pool: &str, server: &str) -> Outcome {
    let pool = call::pool(context, pool)?;
    json(&view::in_full(&pool, call::member(&pool, server)?, &context.events, call.caller.role))
}

pub(in crate::control) fn set_admin(
    context: &ControlContext,
    call: &Call,
    pool: &str,
    server: &str,
) -> Outcome {
    call.need(Role::Operate)?;
    let ask: SetAdmin = call.json()?;
    let pool = call::pool(context, pool)?;
    let member = call::member(&pool, server)?;
    let drain = drains::ask(context, call, &pool, &ask)?;
    let start = slow_start(&ask)?;
    let verb = match ask.state {
        wire::AdminState::Ready => None,
        wire::AdminState::Drain => Some("draining"),
        wire::AdminState::Maint => Some("stopping"),
    };
    let guards = guards(&pool, member, verb, &ask)?;
    let mut effect = effect(&pool, member, guards);
    effect.forecast = drain.as_ref().map(|drain| drains::forecast(&member.server, drain));
    if ask.dry_run {
        effect.dry_run = true;
        return json(&Changed { server: view::member(&pool, member), operation: None, effect });
    }
    let path = format!("{}/{}", pool.name, member.server.name);
    let facts = json!({ "requests": effect.requests, "sessions": effect.sessions, "force": ask.force });
    let reason = ask.reason.as_deref();
    let stamp = || Stamp::now(Some(call.caller.actor()), ask.reason.clone());
    let operation = match (ask.state, drain) {
        (wire::AdminState::Ready, _) => {
            member.server.admin.set_ready(start, stamp());
            // A drain in progress notices with its next step.
            call.audit(context, "server.ready", &path, reason, facts);
            None
        }
        (_, None) => {
            member.server.admin.set(Wish::Maint, stamp());
            if ask.now {
                let reason = reason.unwrap_or("the server is taken out of use").into();
                member.server.sessions.close_all(&Closing { code: pool.drain.close_code, reason });
            }
            call.audit(context, "server.maint", &path, reason, facts);
            None
        }
        (_, Some(drain)) => {
            call.audit(context, "drain.begun", &path, reason, facts);
            Some(context.drains.begin(&member.server, drain))
        }
    };
    member.server.admin.sign(call.caller.uid);
    let server = view::member(&pool, member);
    match operation {
        None => json(&Changed { server, operation: None, effect }),
        Some(drain) => {
            let operation = view::operation(&drain, &drain.progress());
            let location = format!("/v1/operations/{}", operation.id);
            accepted(&Changed { server, operation: Some(operation), effect }, &location)
        }
    }
}

pub(in crate::control) fn set_weight(
    context: &ControlContext,
    call: &Call,
    pool: &str,
    server: &str,
) -> Outcome {
    call.need(Role::Operate)?;
    let ask: SetWeight = call.json()?;
    let pool = call::pool(context, pool)?;
    let member = call::member(&pool, server)?;
    let weight = weight(&ask.weight, member.weight)?;
    let mut guards = Vec::new();
    if weight == 0
        && let Err(problem) = guard::last_server(&pool, member, "a weight of 0 for")
    {
        if !ask.force {
            return Err(problem);
        }
        guards.push(problem.detail);
    }
    let reason = ask.reason.as_deref();
    change_weight(context, call, &pool, member, Some(weight), reason, guards)
}

pub(in crate::control) fn reset_weight(
    context: &ControlContext,
    call: &Call,
    pool: &str,
    server: &str,
) -> Outcome {
    call.need(Role::Operate)?;
    let pool = call::pool(context, pool)?;
    let member = call::member(&pool, server)?;
    change_weight(context, call, &pool, member, None, call.query("reason"), Vec::new())
}

pub(in crate::control) async fn check(
    context: &ControlContext,
    call: &Call,
    pool: &str,
    server: &str,
) -> Outcome {
    call.need(Role::Operate)?;
    let pool = call::pool(context, pool)?;
    let member = call::member(&pool, server)?;
    let probe = context.world.check(&pool, &member.server.name).await;
    let probe = probe.ok_or_else(|| {
        Problem::new(Kind::NoCheck, format!("pool {} defines no health check", pool.name))
            .about(&*pool.name)
            .help("add a `health` node to the pool")
    })?;
    json(&view::probe(&probe))
}

/// How long the share of a server grows that is given back, if that is said; and that nothing is said out of place.
fn slow_start(ask: &SetAdmin) -> Result<Option<Duration>, Box<Problem>> {
    if ask.now && ask.state != wire::AdminState::Maint {
        return Err(bad("`now` belongs to the state `maint`".to_owned()));
    }
    if ask.slow_start.is_some() && ask.state != wire::AdminState::Ready {
        return Err(bad("`slow_start` belongs to the state `ready`".to_owned()));
    }
    ask.slow_start.as_deref().map(|text| call::span("slow_start", text)).transpose()
}

fn guards(
    pool: &Pool,
    member: &Member,
    verb: Option<&str>,
    ask: &SetAdmin,
) -> Result<Vec<String>, Box<Problem>> {
    let Some(verb) = verb else { return Ok(Vec::new()) };
    let problems = guard::of_leaving(pool, member, verb);
    if ask.force || ask.dry_run {
        return Ok(problems.into_iter().map(|problem| problem.detail).collect());
    }
    problems.into_iter().next().map_or_else(|| Ok(Vec::new()), |problem| Err(problem.into()))
}

fn effect(pool: &Pool, member: &Member, guards: Vec<String>) -> Effect {
    Effect {
        dry_run: false,
        others: guard::others(pool, member),
        requests: u64::from(member.server.in_flight()),
        sessions: member.server.sessions.count() as u64,
        forecast: None,
        guards,
    }
}

fn change_weight(
    context: &ControlContext,
    call: &Call,
    pool: &Pool,
    member: &Member,
    weight: Option<u32>,
    reason: Option<&str>,
    guards: Vec<String>,
) -> Outcome {
    let stamp = Stamp::now(Some(call.caller.actor()), reason.map(str::to_owned));
    member.server.admin.set_weight(weight, stamp);
    member.server.admin.sign(call.caller.uid);
    let path = format!("{}/{}", pool.name, member.server.name);
    let facts = json!({ "weight": member.effective_weight(), "file_weight": member.weight });
    call.audit(context, "server.weight", &path, reason, facts);
    let effect = effect(pool, member, guards);
    json(&Changed { server: view::member(pool, member), operation: None, effect })
}

fn weight(ask: &Weight, file: u32) -> Result<u32, Box<Problem>> {
    let weight = match ask {
        Weight::Absolute(weight) => *weight,
        Weight::Percent(text) => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse::<u32>().ok());
            let percent =
                percent.ok_or_else(|| bad(format!("`{text}` is neither a number nor a percentage")))?;
            // A server that is to have a share keeps at least the smallest one.
            let weight = (u64::from(file) * u64::from(percent)).div_ceil(100);
            u32::try_from(weight).unwrap_or(u32::MAX)
        }
    };
    if weight > HEAVIEST {
        return Err(bad(format!("a weight of {weight} is too large; at most {HEAVIEST}")));
    }
    Ok(weight)
}
