//! Changes of the configuration: plan, apply, confirm, roll back, pin; and what is different between generations.

use crate::control::call::{Call, bad, span};
use crate::control::reply::{Outcome, json};
use crate::control::role::Role;
use crate::control::world::ConfigRefusal;
use crate::control::{ControlContext, view};
use crate::reload::{Ask, By, Confirmation, Limits, Offer, Part, Refusal, Source};
use lbctl::protocol::{self as wire, Kind, Problem};
use serde_json::json;
use std::path::PathBuf;

pub(in crate::control) async fn plan(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Operate)?;
    let ask: wire::PlanAsk = call.json()?;
    if ask.offer.is_some() {
        // A text can name any file that the daemon can read, and findings and differences quote what is read.
        call.need(Role::Admin)?;
    }
    let source = source(context, ask.offer)?;
    answer(context, Ask::Plan { source }).await
}

pub(in crate::control) async fn diff(context: &ControlContext, call: &Call) -> Outcome {
    // Values of settings are told: not to those who only look.
    call.need(Role::Operate)?;
    let (from, to) = (call.number("from")?, call.number("to")?);
    answer(context, Ask::Diff { from, to }).await
}

pub(in crate::control) async fn files(context: &ControlContext, call: &Call, number: &str) -> Outcome {
    call.need(Role::Operate)?;
    let generation = number.parse().map_err(|_| bad(format!("`{number}` is not a generation")))?;
    let told = ask(context, Ask::Texts { generation }).await?;
    json(&told.answer.texts.iter().map(file).collect::<Vec<_>>())
}

pub(in crate::control) async fn expanded(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Operate)?;
    let told = ask(context, Ask::Expanded { generation: call.number("generation")? }).await?;
    json(&told.answer.texts.iter().map(file).collect::<Vec<_>>())
}

pub(in crate::control) async fn model(context: &ControlContext, call: &Call) -> Outcome {
    // Values of settings are told: not to those who only look.
    call.need(Role::Operate)?;
    let told = ask(context, Ask::Model { generation: call.number("generation")? }).await?;
    let part = |part: &Part| wire::Part {
        kind: part.kind.to_owned(),
        name: part.name.clone(),
        place: part.place.clone(),
        settings: part.settings.clone(),
    };
    json(&told.answer.parts.iter().map(part).collect::<Vec<_>>())
}

fn file((path, text): (&PathBuf, &String)) -> wire::ConfigFile {
    wire::ConfigFile { path: path.display().to_string(), text: text.clone() }
}

pub(in crate::control) async fn apply(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: wire::ApplyAsk = call.json()?;
    let percent = |name: &str, value: Option<f64>, default: f64| match value.unwrap_or(default) {
        share if (0.0..=100.0).contains(&share) => Ok(share),
        share => Err(bad(format!("{name}: {share} is no share, from 0 to 100"))),
    };
    let limits = Limits {
        errors_percent: percent("max_errors", ask.max_errors, Limits::default().errors_percent)?,
        down_percent: percent("max_down", ask.max_down, Limits::default().down_percent)?,
    };
    let within = ask.confirm_within.as_deref().map(|text| span("confirm_within", text)).transpose()?;
    let source = source(context, ask.offer)?;
    let facts = json!({ "confirm_within": ask.confirm_within, "force": ask.force });
    call.audit(context, "config.apply", "config", ask.reason.as_deref(), facts);
    let by = by(call, ask.reason);
    let confirm = within.map(|within| Confirmation { within, limits });
    answer(context, Ask::Apply { source, by, confirm, force: ask.force, id: ask.plan }).await
}

pub(in crate::control) async fn rollback(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: wire::RollbackAsk = call.json()?;
    let facts = json!({ "to": ask.to, "force": ask.force });
    call.audit(context, "config.rollback", "config", ask.reason.as_deref(), facts);
    answer(context, Ask::Rollback { to: ask.to, by: by(call, ask.reason), force: ask.force }).await
}

pub(in crate::control) async fn confirm(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: wire::ReasonAsk = call.json()?;
    call.audit(context, "config.confirm", "config", ask.reason.as_deref(), json!({}));
    answer(context, Ask::Confirm { by: by(call, ask.reason) }).await
}

pub(in crate::control) async fn pin(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: wire::PinAsk = call.json()?;
    let facts = json!({ "generation": ask.generation, "until_change": ask.until_change });
    call.audit(context, "config.pin", "config", ask.reason.as_deref(), facts);
    let (generation, until_change) = (ask.generation, ask.until_change);
    answer(context, Ask::Pin { generation, until_change, by: by(call, ask.reason) }).await
}

pub(in crate::control) async fn unpin(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    let ask: wire::ReasonAsk = call.json()?;
    call.audit(context, "config.unpin", "config", ask.reason.as_deref(), json!({}));
    answer(context, Ask::Unpin { by: by(call, ask.reason) }).await
}

fn by(call: &Call, reason: Option<String>) -> By {
    By { actor: call.caller.actor(), reason }
}

/// The candidate of a request, under the names that the daemon's files have.
fn source(context: &ControlContext, offer: Option<wire::Offer>) -> Result<Source, Box<Problem>> {
    let Some(offer) = offer else { return Ok(Source::Files) };
    let main = context.world.config().main;
    let name = main.file_name().ok_or_else(|| bad("the daemon's main file has no name"))?;
    let mut files: std::collections::BTreeMap<PathBuf, Option<String>> =
        offer.files.into_iter().map(|(path, text)| (path.into(), text)).collect();
    files.insert(name.into(), Some(offer.main));
    let paths = |found: Vec<String>| found.into_iter().map(PathBuf::from).collect();
    let globs = offer.globs.into_iter().map(|(pattern, found)| (pattern.into(), paths(found))).collect();
    Ok(Source::Offer(Offer { files, globs }))
}

async fn answer(context: &ControlContext, question: Ask) -> Outcome {
    let told = ask(context, question).await?;
    json(&view::planned(&told))
}

async fn ask(
    context: &ControlContext,
    ask: Ask,
) -> Result<crate::control::world::ConfigAnswer, Box<Problem>> {
    context.world.configure(ask).await.map_err(|refusal| match refusal {
        ConfigRefusal::Rejected(report) => super::config::rejected(context, &report),
        ConfigRefusal::Refused(refusal) => {
            let detail = refusal.to_string();
            let (kind, help) = match refusal {
                Refusal::Unknown(_) => (Kind::NotFound, "lbctl config history".to_owned()),
                Refusal::Guard(_, help) => (Kind::ConfigGuard, help),
                Refusal::Unwritable(_, help) => (Kind::FilesUnwritable, help),
                Refusal::Conflict(_, help) => (Kind::Conflict, help),
                Refusal::Rejected(_) => (Kind::ConfigRejected, String::new()),
            };
            let problem = Problem::new(kind, detail);
            if help.is_empty() { problem.into() } else { problem.help(help).into() }
        }
    })
}
