//! `lbctl drain`: no new clients, and, with `--wait`, watching the old ones leave.
//!
//! The drain belongs to the daemon: interrupting this command, or losing the connection, stops nothing.

use super::server::{chosen, name, path};
use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::{CloseArg, DrainArgs, StickyArg};
use lbctl::client::{Client, encode};
use lbctl::protocol::units::{format_count, format_duration};
use lbctl::protocol::{AdminState, Changed, CloseOrder, DrainSticky, Exit, Operation, Phase, SetAdmin};
use lbctl::render;
use std::time::Duration;

pub(super) async fn run(args: DrainArgs, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    if args.pause || args.resume {
        return pause(&args, client, screen).await;
    }
    let mut operations = Vec::new();
    for server in chosen(&args.target, client).await? {
        let wish = wish(&args);
        let changed: Changed = client.send(Method::PUT, &path(&server, "/admin"), &wish).await?;
        let name = name(&server);
        if screen.json && !args.wait {
            screen.line(&changed);
        } else {
            let effect = &changed.effect;
            let verb = if effect.dry_run { "would drain" } else { "draining" };
            let others = match effect.others.as_slice() {
                [] => "no server is left for new clients".to_owned(),
                others => format!("new clients go to {}", others.join(", ")),
            };
            let line = format!(
                "{verb} {name}: {}, {}; {others}",
                format_count(effect.sessions, "session"),
                format_count(effect.requests, "request")
            );
            if args.wait { screen.talk(&line) } else { screen.write(&(line + "\n")) }
        }
        talk_of_effect(&changed, screen);
        if let Some(forecast) = changed.effect.forecast.filter(|_| changed.effect.dry_run) {
            screen.talk(&render::forecast(&forecast));
        }
        if !changed.effect.dry_run {
            let deadline = changed.operation.as_ref().and_then(deadline_text).unwrap_or_default();
            screen.talk(&format!("{deadline}undo: lbctl ready {name}"));
        }
        operations.extend(changed.operation);
    }
    if !args.wait || args.change.dry_run {
        return Ok(Exit::Done);
    }
    watch_patiently(&operations, client, screen).await
}

/// What is asked of the daemon.
fn wish(args: &DrainArgs) -> SetAdmin {
    SetAdmin {
        state: AdminState::Drain,
        deadline: args.deadline.clone(),
        sticky: args.sticky.map(|sticky| match sticky {
            StickyArg::Keep => DrainSticky::Keep,
            StickyArg::Move => DrainSticky::Move,
        }),
        close_rate: args.close_rate.clone(),
        close_code: args.close_code,
        close: args.close.map(|close| match close {
            CloseArg::Idle => CloseOrder::Idle,
            CloseArg::Oldest => CloseOrder::Oldest,
            CloseArg::Newest => CloseOrder::Newest,
            CloseArg::Nobody => CloseOrder::Nobody,
        }),
        only: args.only.choice(),
        until: args.until.clone(),
        reason: args.change.reason.clone(),
        force: args.change.force,
        dry_run: args.change.dry_run,
        slow_start: None,
        now: false,
    }
}

/// Pauses or resumes the drains that go on.
async fn pause(args: &DrainArgs, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let all: Vec<Operation> = client.get("/v1/operations").await?;
    let mut operations = Vec::new();
    for server in chosen(&args.target, client).await? {
        let name = name(&server);
        let running = all.iter().rev().find(|one| one.subject == name && !one.phase.is_final());
        let Some(running) = running else {
            return Err(Failure::new(Exit::NoSuchThing, format!("no drain of {name} goes on")));
        };
        let verb = if args.pause { "pause" } else { "resume" };
        let path = format!("/v1/operations/{}/{verb}", encode(&running.id));
        let now: Operation = client.ask(Method::POST, &path).await?;
        let left = format_count(now.left.sessions, "session");
        screen.data(&now, |_| match args.pause {
            true => format!("{name}: nobody is closed for now, {left} left\n"),
            false => format!("{name}: closing goes on, {left} left\n"),
        });
        let undo = if args.pause { "--resume" } else { "--pause" };
        screen.talk(&format!("undo: lbctl drain {name} {undo}"));
        operations.push(now);
    }
    if args.wait { watch_patiently(&operations, client, screen).await } else { Ok(Exit::Done) }
}

/// Watches until all have ended, the time is up, or the user is tired of it.
async fn watch_patiently(
    operations: &[Operation],
    client: &Client,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let work = watch_all(operations, client, screen);
    let limited = async {
        match client.limit() {
            None => work.await,
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                let span = format_duration(limit);
                Err(Failure::new(Exit::Deadline, format!("not drained after {span}; the drain goes on")))
            }),
        }
    };
    tokio::select! {
        done = limited => {
            screen.end_progress();
            done
        }
        _ = tokio::signal::ctrl_c() => {
            screen.end_progress();
            let names: Vec<&str> = operations.iter().map(|operation| operation.subject.as_str()).collect();
            screen.talk(&format!("interrupted; the drain goes on (lbctl server wait {0}, lbctl ready {0})", names.join(" ")));
            Ok(Exit::Interrupted)
        }
    }
}

/// `deadline 30m; `.
fn deadline_text(operation: &Operation) -> Option<String> {
    let left = operation.deadline?.duration_since(jiff::Timestamp::now());
    let left = Duration::try_from(left).unwrap_or_default();
    // Rounded, since the answer took a moment.
    let left = Duration::from_secs((left.as_millis() as u64).div_ceil(1000));
    Some(format!("deadline {}; ", format_duration(left)))
}

/// Guards that were overridden, or that would object.
pub(super) fn talk_of_effect(changed: &Changed, screen: &Screen) {
    for guard in &changed.effect.guards {
        let remark = if changed.effect.dry_run { "would be refused without --force" } else { "forced" };
        screen.talk(&format!("note: {guard} ({remark})"));
    }
}

async fn watch_all(operations: &[Operation], client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for operation in operations {
        let last = watch(operation, client, screen).await?;
        screen.end_progress();
        screen.data(&last, |paint| render::outcome(&last, paint) + "\n");
        match last.phase {
            Phase::Cancelled => exit = Exit::Failed,
            Phase::Forced => exit = Exit::Deadline,
            _ => {}
        }
    }
    Ok(exit)
}

async fn watch(operation: &Operation, client: &Client, screen: &Screen) -> Result<Operation, Failure> {
    let mut lines = client.lines(&format!("/v1/operations/{}/events", encode(&operation.id))).await?;
    while let Some(now) = lines.next::<Operation>().await? {
        if now.phase.is_final() {
            return Ok(now);
        }
        if screen.json {
            screen.line(&now);
        } else {
            screen.progress(&render::progress(&now, jiff::Timestamp::now()));
        }
    }
    Err(Failure::new(Exit::Unreachable, "lbd ended before the drain did"))
}
