//! `lbctl status`: one screen.

use crate::failure::Failure;
use crate::screen::Screen;
use lbctl::client::Client;
use lbctl::protocol::{Exit, Status};
use lbctl::render;
use std::time::Duration;

pub(super) async fn run(watch: bool, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    if !watch {
        let status: Status = client.get("/v1/status").await?;
        screen.data(&status, |paint| render::status(&status, paint));
        return Ok(Exit::Done);
    }
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    loop {
        interval.tick().await;
        let status: Status = client.get("/v1/status").await?;
        if screen.json {
            screen.line(&status);
        } else {
            screen.frame(&render::status(&status, screen.paint()));
        }
    }
}
