//! `lbctl config`: what runs, what the files say, and how one becomes the other.

use crate::failure::Failure;
use crate::offer::Candidate;
use crate::screen::Screen;
use http::Method;
use lbctl::args::{ApplyArgs, ConfigCommand};
use lbctl::client::Client;
use lbctl::protocol::{
    ApplyAsk, ConfigFile, ConfigState, Exit, Generation, Part, PinAsk, PlanAsk, Planned, ReasonAsk,
    ReloadDone, Report, RollbackAsk, Severity,
};
use lbctl::render;
use std::path::PathBuf;

pub(super) async fn run(command: ConfigCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Show { generation, expanded: true } => {
            let files: Vec<ConfigFile> =
                client.get(&format!("/v1/config/expanded{}", of(generation))).await?;
            screen.data(&files, |paint| render::config_files(&files, paint));
        }
        ConfigCommand::Model { generation } => {
            let parts: Vec<Part> = client.get(&format!("/v1/config/model{}", of(generation))).await?;
            screen.data(&parts, |paint| render::model(&parts, paint));
        }
        ConfigCommand::Show { generation: None, .. } => {
            let state: ConfigState = client.get("/v1/config").await?;
            screen.data(&state, |paint| render::config_state(&state, paint));
        }
        ConfigCommand::Show { generation: Some(number), .. } => {
            let files: Vec<ConfigFile> =
                client.get(&format!("/v1/config/generations/{number}/files")).await?;
            screen.data(&files, |paint| render::config_files(&files, paint));
        }
        ConfigCommand::Diff { from, to } => {
            let query: Vec<String> = [("from", from), ("to", to)]
                .into_iter()
                .filter_map(|(name, number)| Some(format!("{name}={}", number?)))
                .collect();
            let planned: Planned = client.get(&format!("/v1/config/diff?{}", query.join("&"))).await?;
            screen.data(&planned, |paint| render::diff(&planned, paint));
        }
        ConfigCommand::Plan { path, exit_code } => return plan(path, exit_code, client, screen).await,
        ConfigCommand::Apply(args) => return apply(args, client, screen).await,
        ConfigCommand::Confirm { reason } => {
            let done: Planned =
                client.send(Method::POST, "/v1/config/confirm", &ReasonAsk { reason }).await?;
            screen.data(&done, |paint| render::confirmed(&done, paint));
        }
        ConfigCommand::Rollback { generation, force, reason } => {
            let ask = RollbackAsk { to: generation, force, reason };
            let done: Planned = client.send(Method::POST, "/v1/config/rollback", &ask).await?;
            screen.data(&done, |paint| render::applied(&done, paint));
        }
        ConfigCommand::Pin { generation, until_change, reason } => {
            let ask = PinAsk { generation, until_change, reason };
            let done: Planned = client.send(Method::POST, "/v1/config/pin", &ask).await?;
            screen.data(&done, |paint| render::pinned(generation, &done, paint));
            screen.talk("undo: lbctl config unpin");
        }
        ConfigCommand::Unpin { reason } => {
            let done: Planned = client.send(Method::POST, "/v1/config/unpin", &ReasonAsk { reason }).await?;
            screen.data(&done, |paint| render::unpinned(&done, paint));
        }
        ConfigCommand::Reload => {
            let done: ReloadDone = client.ask(Method::POST, "/v1/config/reload").await?;
            screen.data(&done, |paint| render::reload_done(&done, paint));
        }
        ConfigCommand::History => {
            let generations: Vec<Generation> = client.get("/v1/config/generations").await?;
            screen.data(&generations, |paint| render::generations(&generations, paint));
        }
        ConfigCommand::ShowReport => {
            let report: Report = client.get("/v1/config/report").await?;
            screen.data(&report, |paint| render::report(&report, paint));
            if report.findings.iter().any(|finding| finding.severity == Severity::Error) {
                return Ok(Exit::Failed);
            }
        }
    }
    Ok(Exit::Done)
}

/// The query that asks for a generation.
fn of(generation: Option<u64>) -> String {
    generation.map(|number| format!("?generation={number}")).unwrap_or_default()
}

async fn plan(
    path: Option<PathBuf>,
    exit_code: bool,
    client: &Client,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let planned = match &path {
        None => client.send(Method::POST, "/v1/config/plan", &PlanAsk::default()).await?,
        Some(path) => {
            let candidate = Candidate::read(path)?;
            candidate.send(client, "/v1/config/plan", |offer| PlanAsk { offer: Some(offer) }).await?
        }
    };
    screen.data(&planned, |paint| render::plan(&planned, paint));
    if planned.changed {
        let path = path.map(|path| format!(" {}", path.display())).unwrap_or_default();
        screen.talk(&format!("apply: lbctl config apply{path} --plan {} --confirm-within 5m", planned.plan));
    }
    Ok(if exit_code && planned.changed { Exit::Changes } else { Exit::Done })
}

async fn apply(args: ApplyArgs, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let ask = |offer| ApplyAsk {
        offer,
        plan: args.plan.clone(),
        confirm_within: args.confirm_within.clone(),
        max_errors: args.confirm_within.as_ref().map(|_| args.max_errors),
        max_down: args.confirm_within.as_ref().map(|_| args.max_down),
        force: args.force,
        reason: args.reason.clone(),
    };
    let done = match &args.path {
        None => client.send(Method::POST, "/v1/config/apply", &ask(None)).await?,
        Some(path) => {
            Candidate::read(path)?.send(client, "/v1/config/apply", |offer| ask(Some(offer))).await?
        }
    };
    screen.data(&done, |paint| render::applied(&done, paint));
    match done.confirm_by {
        Some(_) => screen.talk("keep it: lbctl config confirm; undo: lbctl config rollback"),
        None if done.changed => screen.talk("undo: lbctl config rollback"),
        None => {}
    }
    Ok(Exit::Done)
}
