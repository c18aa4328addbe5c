//! `lbctl events`: what happened, and what happens.

use crate::failure::Failure;
use crate::screen::Screen;
use lbctl::client::{Client, encode};
use lbctl::protocol::{Event, Exit, LAGGED};
use lbctl::render;
use std::time::Duration;

pub(super) async fn run(
    since: Option<Duration>,
    kinds: &[String],
    follow: bool,
    client: &Client,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let mut query = vec![format!("follow={follow}")];
    if let Some(since) = since {
        query.push(format!("age_ms={}", since.as_millis()));
    }
    if !kinds.is_empty() {
        query.push(format!("kind={}", encode(&kinds.join(","))));
    }
    let mut lines = client.lines(&format!("/v1/events?{}", query.join("&"))).await?;
    while let Some(event) = lines.next::<Event>().await? {
        screen.data(&event, |paint| render::event(&event, paint) + "\n");
        if event.kind == LAGGED {
            return Ok(Exit::Failed);
        }
    }
    if follow {
        return Err(Failure::new(Exit::Unreachable, "lbd ended the stream"));
    }
    Ok(Exit::Done)
}
