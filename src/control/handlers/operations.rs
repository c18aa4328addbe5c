//! Drains that go on, and those that ended lately.

use crate::control::call::Call;
use crate::control::reply::{self, Lines, Outcome, json, line};
use crate::control::role::Role;
use crate::control::{ControlContext, view};
use crate::drain::{Operation, Progress};
use crate::pool::Stamp;
use futures_util::stream;
use hyper::body::{Bytes, Frame};
use lbctl::protocol::{self as wire, Kind, Problem};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The longest that a client may wait in one call.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Lines of a stream come at least so far apart, but for the last.
const PACE: Duration = Duration::from_millis(200);

pub(in crate::control) fn list(context: &ControlContext) -> Outcome {
    let all: Vec<wire::Operation> =
        context.drains.list().iter().map(|drain| view::operation(drain, &drain.progress())).collect();
    json(&all)
}

pub(in crate::control) async fn show(context: &ControlContext, call: &Call, id: &str) -> Outcome {
    let drain = find(context, id)?;
    if let Some(wait) = call.span("wait")? {
        let mut progress = drain.subscribe();
        let ended = progress.wait_for(|progress| progress.phase.is_final());
        // Whether it ended or the time did: the answer says where the drain stands.
        let _ = tokio::time::timeout(wait.min(LONGEST_WAIT), ended).await;
    }
    json(&view::operation(&drain, &drain.progress()))
}

pub(in crate::control) fn cancel(context: &ControlContext, call: &Call, id: &str) -> Outcome {
    call.need(Role::Operate)?;
    let drain = find(context, id)?;
    let reason = call.query("reason");
    let stamp = Stamp::now(Some(call.caller.actor()), reason.map(str::to_owned));
    let Some(progress) = context.drains.cancel(&drain, stamp) else {
        return Err(Problem::new(Kind::Conflict, format!("{id} has ended already, or cannot be undone"))
            .about(id)
            .into());
    };
    let path = format!("{}/{}", drain.server.pool, drain.server.name);
    call.audit(context, "server.ready", &path, reason, json!({ "operation": drain.id }));
    json(&view::operation(&drain, &progress))
}

pub(in crate::control) fn pause(context: &ControlContext, call: &Call, id: &str, paused: bool) -> Outcome {
    call.need(Role::Operate)?;
    let drain = find(context, id)?;
    let Some(progress) = context.drains.pause(&drain, paused) else {
        return Err(Problem::new(Kind::Conflict, format!("{id} has ended already")).about(id).into());
    };
    let path = format!("{}/{}", drain.server.pool, drain.server.name);
    let kind = if paused { "drain.paused" } else { "drain.resumed" };
    call.audit(context, kind, &path, call.query("reason"), json!({ "operation": drain.id }));
    json(&view::operation(&drain, &progress))
}

pub(in crate::control) fn follow(context: &ControlContext, id: &str) -> Outcome {
    let drain = find(context, id)?;
    let mut progress = drain.subscribe();
    progress.mark_changed();
    Ok(reply::lines(steps(drain, progress)))
}

fn steps(drain: Arc<Operation>, progress: watch::Receiver<Progress>) -> Lines {
    let begin = (Some((drain, progress)), false);
    Box::pin(stream::unfold(begin, async |(state, paced)| {
        let (drain, mut progress) = state?;
        if paced {
            // Changes in between are one line; the end does not wait.
            let ended = progress.wait_for(|progress| progress.phase.is_final());
            let _ = tokio::time::timeout(PACE, ended).await;
            progress.mark_changed();
        }
        if progress.changed().await.is_err() {
            return None;
        }
        let now = progress.borrow_and_update().clone();
        let frame = Frame::data(Bytes::from(line(&view::operation(&drain, &now))));
        let rest = (!now.phase.is_final()).then_some((drain, progress));
        Some((Ok(frame), (rest, true)))
    }))
}

fn find(context: &ControlContext, id: &str) -> Result<Arc<Operation>, Box<Problem>> {
    let number = id.strip_prefix("op_").and_then(|number| number.parse().ok());
    let found = number.and_then(|number| context.drains.get(number));
    found
        .ok_or_else(|| Problem::new(Kind::NotFound, format!("no operation is named `{id}`")).about(id).into())
}
