//! The configuration: what runs, what the files say.

use crate::control::call::{Call, bad};
use crate::control::reply::{Outcome, json};
use crate::control::role::Role;
use crate::control::world::ReportFacts;
use crate::control::{ControlContext, view};
use lbctl::protocol::{Generation, Kind, Problem};
use serde_json::json;

pub(in crate::control) fn show(context: &ControlContext, call: &Call) -> Outcome {
    // Texts may hold what is meant for few; who only reads sees which files run, not what they say.
    let files = if call.caller.role > Role::Read { context.world.config_text() } else { Vec::new() };
    json(&view::config_state(&context.world.config(), &files))
}

pub(in crate::control) fn report(context: &ControlContext) -> Outcome {
    json(&view::report(&context.world.config().report))
}

pub(in crate::control) fn generations(context: &ControlContext) -> Outcome {
    let all: Vec<Generation> = context.world.config().history.iter().map(view::generation).collect();
    json(&all)
}

pub(in crate::control) fn generation(context: &ControlContext, number: &str) -> Outcome {
    let number: u64 = number.parse().map_err(|_| bad(format!("`{number}` is not a generation")))?;
    let config = context.world.config();
    let found = config.history.iter().find(|generation| generation.number == number);
    let found = found
        .ok_or_else(|| Problem::new(Kind::NotFound, format!("generation {number} is not remembered")))?;
    json(&view::generation(found))
}

pub(in crate::control) async fn reload(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    call.audit(context, "config.reload", "config", call.query("reason"), json!({}));
    read_again(context, call).await
}

/// Reads every file, and says what came of it.
pub(super) async fn read_again(context: &ControlContext, call: &Call) -> Outcome {
    match context.world.reload(call.caller.actor()).await {
        Ok(reloaded) => json(&view::reloaded(&reloaded)),
        Err(report) => Err(rejected(context, &report)),
    }
}

/// The problem of files that were refused.
pub(super) fn rejected(context: &ControlContext, report: &ReportFacts) -> Box<Problem> {
    let errors: Vec<_> = report.findings.iter().filter(|finding| finding.error).collect();
    let detail = match errors.as_slice() {
        [] => "the files were refused".to_owned(),
        [one] => format!("the files were refused: {} ({})", one.message, one.code),
        many => format!("the files were refused: {} errors", many.len()),
    };
    let running = context.world.generation();
    let mut problem = Problem::new(Kind::ConfigRejected, detail)
        .help(format!("generation {running} goes on; mend the file and it is read again"));
    problem.findings = report.findings.iter().map(view::finding).collect();
    problem.rendered = (!report.rendered.is_empty()).then(|| report.rendered.clone());
    problem.into()
}
