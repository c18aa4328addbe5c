//! The daemon itself: what it is, how it is, its end.

use crate::control::call::{Call, bad, span};
use crate::control::reply::{Outcome, json, text};
use crate::control::role::Role;
use crate::control::world::{UpgradeAsk, UpgradeRefusal};
use crate::control::{ControlContext, view};
use lbctl::protocol::{
    API, Api, Kind, LogFilter, METRICS_CONTENT_TYPE, Problem, SetLog, Shutdown, Status, Upgrade,
};
use serde_json::json;
use std::time::Duration;

/// What was added to the protocol since its first version.
const FEATURES: [&str; 6] = ["config-apply", "idempotency-key", "metrics", "requests", "stream", "upgrade"];
/// How long streams have to finish unless the caller says otherwise.
const DRAIN: Duration = Duration::from_secs(30);

pub(in crate::control) fn api(context: &ControlContext, call: &Call) -> Outcome {
    json(&Api {
        api: API.to_owned(),
        lbd: env!("CARGO_PKG_VERSION").to_owned(),
        instance: context.instance.clone(),
        pid: std::process::id(),
        started: view::time(context.started),
        workers: context.world.workers(),
        generation: context.world.generation(),
        features: FEATURES.map(str::to_owned).into(),
        role: view::role(call.caller.role),
    })
}

pub(in crate::control) fn status(context: &ControlContext) -> Outcome {
    json(&overview(context))
}

/// Everything on one screen.
pub(super) fn overview(context: &ControlContext) -> Status {
    let pools = context.world.pools();
    let drains = context.drains.active();
    Status {
        lbd: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: view::age(context.started),
        config: view::config_summary(&context.world.config()),
        listeners: context.world.listeners().iter().map(view::listener).collect(),
        pools: pools.iter().map(|pool| super::pools::summary(context, pool)).collect(),
        unresolved: context.world.unresolved().iter().map(view::unresolved).collect(),
        predecessors: context.world.predecessors().into_iter().map(view::predecessor).collect(),
        operations: drains.iter().map(|drain| view::operation(drain, &drain.progress())).collect(),
    }
}

pub(in crate::control) fn metrics(context: &ControlContext) -> Outcome {
    Ok(text(METRICS_CONTENT_TYPE, context.world.metrics()))
}

pub(in crate::control) fn shutdown(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: Shutdown = call.json()?;
    let drain = ask.drain.as_deref().map(|text| span("drain", text)).transpose()?.unwrap_or(DRAIN);
    let facts = json!({ "drain_ms": view::millis(drain) });
    call.audit(context, "daemon.shutdown", "lbd", ask.reason.as_deref(), facts);
    context.world.shutdown(drain);
    json(&json!({ "shutting_down": true, "drain_ms": view::millis(drain) }))
}

pub(in crate::control) async fn upgrade(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: Upgrade = call.json()?;
    let time = |name, text: Option<&str>| text.map(|text| span(name, text)).transpose();
    let (drain, within) = (time("drain", ask.drain.as_deref())?, time("within", ask.within.as_deref())?);
    if ask.binary.as_ref().is_some_and(|binary| !binary.is_absolute()) {
        return Err(bad("`binary` must be an absolute path"));
    }
    if ask.binary.is_some() && !call.caller.may_name_programs() {
        let detail = "only root, and the user that lbd runs as, may name another binary";
        return Err(Problem::new(Kind::NotPermitted, detail).into());
    }
    let facts = json!({ "binary": ask.binary, "drain": ask.drain });
    call.audit(context, "daemon.upgrade", "lbd", ask.reason.as_deref(), facts);
    let actor = Some(call.caller.actor());
    let ask = UpgradeAsk { binary: ask.binary, drain, ready_within: within, actor };
    match context.world.upgrade(ask).await {
        Ok(done) => json(&view::upgraded(done)),
        Err(UpgradeRefusal::Refused { message, help }) => {
            Err(Problem::new(Kind::Conflict, message).help(help).into())
        }
        Err(UpgradeRefusal::Failed { message, said }) => {
            let problem = Problem::new(Kind::UpgradeFailed, format!("{message}; nothing has changed"));
            let rendered = Some(said).filter(|said| !said.is_empty());
            Err(Problem { rendered, ..problem }.into())
        }
    }
}

/// How long an operator's filter holds unless the caller says otherwise, and at most.
const FILTER: Duration = Duration::from_secs(600);
const LONGEST_FILTER: Duration = Duration::from_secs(24 * 3600);

pub(in crate::control) fn log(context: &ControlContext) -> Outcome {
    let (filter, until) = context.world.log();
    json(&LogFilter { filter, until: until.map(view::time) })
}

pub(in crate::control) fn set_log(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: SetLog = call.json()?;
    let time = ask.time.as_deref().map(|text| span("for", text)).transpose()?.unwrap_or(FILTER);
    if time > LONGEST_FILTER {
        return Err(bad(
            "a filter holds for at most 24h; what is to last belongs into the file (`log level=`)",
        ));
    }
    context.world.set_log(ask.filter.as_deref(), time).map_err(bad)?;
    let facts = json!({ "filter": ask.filter, "for_ms": view::millis(time) });
    call.audit(context, "daemon.log", "lbd", ask.reason.as_deref(), facts);
    log(context)
}
