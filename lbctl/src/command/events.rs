//! `lbctl events`: what happened, and what happens.
//!
//! Following survives a daemon that goes and comes: the stream is taken up after the last event that was seen, or,
//! when another daemon answers, from its beginning.

use crate::failure::Failure;
use crate::screen::Screen;
use lbctl::client::{Client, Error, Lines, encode};
use lbctl::protocol::{Api, Event, Exit, LAGGED};
use lbctl::render;
use std::time::Duration;
use tokio::time::Instant;

/// How long a daemon that went is waited for, unless `--timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Which events are asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Younger than this.
    pub(super) since: Option<Duration>,
    /// Later than this number.
    pub(super) after: Option<u64>,
    /// Of these kinds; all when empty.
    pub(super) kinds: Vec<String>,
    /// And what happens from now on.
    pub(super) follow: bool,
}

impl Wanted {
    fn path(&self, after: Option<u64>) -> String {
        let mut query = vec![format!("follow={}", self.follow)];
        query.extend(after.map(|seq| format!("since={seq}")));
        let since = self.since.filter(|_| after.is_none());
        query.extend(since.map(|since| format!("age_ms={}", since.as_millis())));
        if !self.kinds.is_empty() {
            query.push(format!("kind={}", encode(&self.kinds.join(","))));
        }
        format!("/v1/events?{}", query.join("&"))
    }
}

pub(super) async fn run(wanted: Wanted, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let mut last = wanted.after;
    let mut instance = None;
    if wanted.follow {
        instance = Some(client.get::<Api>("/v1").await?.instance);
    }
    let mut lines = client.lines(&wanted.path(last)).await?;
    loop {
        let (missed, ended) = print(&mut lines, &mut last, screen).await;
        match ended {
            _ if missed => return Ok(Exit::Failed),
            Ok(()) if !wanted.follow => return Ok(Exit::Done),
            Err(error) if !wanted.follow => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        lines = take_up(&wanted, &mut instance, &mut last, client, screen).await?;
    }
}

/// Prints until the end; says whether events were missed, and how it ended.
async fn print(lines: &mut Lines, last: &mut Option<u64>, screen: &Screen) -> (bool, Result<(), Error>) {
    let mut missed = false;
    loop {
        let event = match lines.next::<Event>().await {
            Ok(Some(event)) => event,
            Ok(None) => return (missed, Ok(())),
            Err(error) => return (missed, Err(error)),
        };
        screen.data(&event, |paint| render::event(&event, paint) + "\n");
        if event.kind == LAGGED {
            missed = true;
        } else {
            *last = Some(event.seq);
        }
    }
}

/// The stream again, from where it broke off.
async fn take_up(
    wanted: &Wanted,
    instance: &mut Option<String>,
    last: &mut Option<u64>,
    client: &Client,
    screen: &Screen,
) -> Result<Lines, Failure> {
    screen.talk("lbd ended the stream; waiting for it");
    let until = Instant::now() + client.limit().unwrap_or(PATIENCE);
    loop {
        let found = async {
            let api: Api = client.get("/v1").await?;
            if instance.as_ref() != Some(&api.instance) {
                // The events of another daemon have numbers of their own.
                *last = Some(0);
                *instance = Some(api.instance);
            }
            client.lines(&wanted.path(*last)).await
        };
        match found.await {
            Ok(lines) => return Ok(lines),
            Err(error @ (Error::Forbidden { .. } | Error::Problem(_))) => return Err(error.into()),
            Err(_) if Instant::now() >= until => {
                return Err(Failure::new(Exit::Unreachable, "lbd ended the stream and did not come back"));
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
