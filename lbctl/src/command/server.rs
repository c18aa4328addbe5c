//! `lbctl server`: look at servers, and change what the operator wishes of them.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::{ChangeArgs, MaintArgs, ServerCommand, WaitFor};
use lbctl::client::{Client, encode};
use lbctl::protocol::units::format_count;
use lbctl::protocol::{AdminState, Changed, Exit, HealthState, Probe, Server, SetAdmin, SetWeight, Weight};
use lbctl::render::{self, server_state};
use lbctl::target::Target;
use std::time::Duration;

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn run(command: ServerCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        ServerCommand::List { target } => {
            let all: Vec<Server> = client.get("/v1/servers").await?;
            let shown = match &target {
                None => all,
                Some(target) => target.shown(&all)?.into_iter().cloned().collect(),
            };
            screen.data(&shown, |paint| render::servers(&shown, paint));
            Ok(Exit::Done)
        }
        ServerCommand::Show { target } => {
            for server in chosen(&target, client).await? {
                let server: Server = client.get(&path(&server, "")).await?;
                screen.data(&server, |paint| render::server(&server, paint));
            }
            Ok(Exit::Done)
        }
        ServerCommand::Maint(args) => maint(args, client, screen).await,
        ServerCommand::Weight { target, weight, reset, reason, force } => {
            let weight = if reset { None } else { weight };
            set_weight(&target, weight.as_deref(), reason, force, client, screen).await
        }
        ServerCommand::Check { target } => check(&target, client, screen).await,
        ServerCommand::Wait { target, state } => wait(&target, state, client, screen).await,
        ServerCommand::Drain(args) => super::drain::run(args, client, screen).await,
        ServerCommand::Ready(args) => ready(args, client, screen).await,
    }
}

/// Back to serving: admin state and weight.
pub(super) async fn ready(args: ChangeArgs, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    for server in chosen(&args.target, client).await? {
        let (reason, slow_start) = (args.reason.clone(), args.slow_start.clone());
        let wish = SetAdmin { state: AdminState::Ready, slow_start, reason, ..SetAdmin::default() };
        let mut changed: Changed = client.send(Method::PUT, &path(&server, "/admin"), &wish).await?;
        if changed.server.weight != changed.server.file_weight {
            changed = client.ask(Method::DELETE, &path(&server, "/weight")).await?;
        }
        let name = name(&server);
        screen.data(&changed, |_| format!("{name} is ready, {}\n", server_state(&changed.server).0));
        let undo = match server.admin.state {
            AdminState::Ready if server.weight != server.file_weight => {
                Some(format!("lbctl server weight {name} {}", server.weight))
            }
            AdminState::Ready => None,
            AdminState::Drain => Some(format!("lbctl drain {name}")),
            AdminState::Maint => Some(format!("lbctl server maint {name}")),
        };
        if let Some(undo) = undo {
            screen.talk(&format!("undo: {undo}"));
        }
    }
    Ok(Exit::Done)
}

async fn maint(args: MaintArgs, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    for server in chosen(&args.target, client).await? {
        let wish = SetAdmin {
            state: AdminState::Maint,
            now: args.now,
            reason: args.change.reason.clone(),
            force: args.change.force,
            dry_run: args.change.dry_run,
            ..SetAdmin::default()
        };
        let changed: Changed = client.send(Method::PUT, &path(&server, "/admin"), &wish).await?;
        let name = name(&server);
        screen.data(&changed, |_| {
            let verb =
                if changed.effect.dry_run { "would take no more requests" } else { "takes no more requests" };
            let requests = format_count(changed.effect.requests, "request");
            let sessions = format_count(changed.effect.sessions, "session");
            match (args.now, changed.effect.dry_run) {
                (false, _) => format!("{name} {verb}; {requests} and {sessions} go on to their end\n"),
                (true, false) => format!("{name} {verb}; {sessions} closed, {requests} may finish\n"),
                (true, true) => format!("{name} {verb}; {sessions} would be closed, {requests} may finish\n"),
            }
        });
        super::drain::talk_of_effect(&changed, screen);
        if !changed.effect.dry_run {
            screen.talk(&format!("undo: lbctl ready {name}"));
        }
    }
    Ok(Exit::Done)
}

async fn set_weight(
    target: &Target,
    weight: Option<&str>,
    reason: Option<String>,
    force: bool,
    client: &Client,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let weight = weight.map(parse_weight).transpose()?;
    for server in chosen(target, client).await? {
        let at = path(&server, "/weight");
        let changed: Changed = match &weight {
            None => client.ask(Method::DELETE, &at).await?,
            Some(weight) => {
                let wish = SetWeight { weight: weight.clone(), reason: reason.clone(), force };
                client.send(Method::PUT, &at, &wish).await?
            }
        };
        let name = name(&server);
        screen.data(&changed, |_| {
            format!(
                "{name} has weight {} (file says {})\n",
                changed.server.weight, changed.server.file_weight
            )
        });
        let undo = if server.weight == server.file_weight {
            format!("lbctl server weight {name} --reset")
        } else {
            format!("lbctl server weight {name} {}", server.weight)
        };
        screen.talk(&format!("undo: {undo}"));
    }
    Ok(Exit::Done)
}

fn parse_weight(text: &str) -> Result<Weight, Failure> {
    let bad = || Failure::new(Exit::Usage, format!("`{text}` is not a weight; write 0 to 1000, or 50%"));
    match text.strip_suffix('%') {
        Some(percent) => percent.parse::<u32>().map(|_| Weight::Percent(text.to_owned())).map_err(|_| bad()),
        None => text.parse().map(Weight::Absolute).map_err(|_| bad()),
    }
}

async fn check(target: &Target, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for server in chosen(target, client).await? {
        let probe: Probe = client.ask(Method::POST, &path(&server, "/check")).await?;
        screen.data(&probe, |paint| render::probe(&name(&server), &probe, paint));
        if !probe.passed {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

async fn wait(target: &Target, state: WaitFor, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    // The global time limit bounds each call; here it bounds the whole wait.
    let work = async {
        loop {
            let servers = chosen(target, client).await?;
            if servers.iter().all(|server| reached(server, state)) {
                return Ok::<_, Failure>(servers);
            }
            for server in servers.iter().filter(|server| !reached(server, state)) {
                screen.progress(&format!(
                    "{}  {}  {}, {}",
                    name(server),
                    server_state(server).0,
                    format_count(server.in_flight, "request"),
                    format_count(server.sessions, "session")
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let servers = match client.limit() {
        None => work.await,
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => {
                screen.end_progress();
                let word = format!("{state:?}").to_lowercase();
                return Err(Failure::new(Exit::Deadline, format!("{target} is not {word} yet")));
            }
        },
    }?;
    screen.end_progress();
    for server in &servers {
        screen.data(server, |_| format!("{} is {}\n", name(server), server_state(server).0));
    }
    Ok(Exit::Done)
}

fn reached(server: &Server, state: WaitFor) -> bool {
    let idle = server.in_flight == 0 && server.sessions == 0;
    match state {
        WaitFor::Idle => idle,
        WaitFor::Drained => idle && server.admin.state != AdminState::Ready,
        // Nobody will ever find it up when nobody looks.
        WaitFor::Up => server.health.state == HealthState::Up || !server.health.checked,
        WaitFor::Down => server.health.state == HealthState::Down,
    }
}

/// The servers that a target means.
pub(super) async fn chosen(target: &Target, client: &Client) -> Result<Vec<Server>, Failure> {
    let all: Vec<Server> = client.get("/v1/servers").await?;
    Ok(target.servers(&all)?.into_iter().cloned().collect())
}

/// `POOL/SERVER`.
pub(super) fn name(server: &Server) -> String {
    format!("{}/{}", server.pool, server.name)
}

/// Where a server stands in the protocol.
pub(super) fn path(server: &Server, rest: &str) -> String {
    format!("/v1/pools/{}/servers/{}{rest}", encode(&server.pool), encode(&server.name))
}
