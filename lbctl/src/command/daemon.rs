//! `lbctl daemon`: the process itself.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::DaemonCommand;
use lbctl::client::Client;
use lbctl::protocol::{API, Api, Exit, Shutdown, Upgrade, Upgraded};
use lbctl::render;
use serde_json::Value;

pub(super) async fn run(command: DaemonCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        DaemonCommand::Info => {
            let api: Api = client.get("/v1").await?;
            if major(&api.api) > major(API) {
                screen.talk(&format!("note: lbd {} speaks protocol {}, this lbctl {API}", api.lbd, api.api));
            }
            screen.data(&api, |_| render::api(&api));
        }
        DaemonCommand::Upgrade { binary, drain, within, reason } => {
            let binary = binary.map(std::path::absolute).transpose();
            let binary = binary.map_err(|error| Failure::new(Exit::Usage, format!("--binary: {error}")))?;
            let ask = Upgrade { binary, drain, within, reason };
            let done: Upgraded = client.send(Method::POST, "/v1/upgrade", &ask).await?;
            screen.data(&done, |_| render::upgraded(&done));
        }
        DaemonCommand::Shutdown { drain, reason } => {
            let answer: Value =
                client.send(Method::POST, "/v1/shutdown", &Shutdown { drain, reason }).await?;
            screen.data(&answer, |_| "lbd is shutting down\n".to_owned());
        }
    }
    Ok(Exit::Done)
}

fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}
