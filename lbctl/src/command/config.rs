//! `lbctl config`: what runs, and what the files say.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::ConfigCommand;
use lbctl::client::Client;
use lbctl::protocol::{ConfigState, Exit, Generation, ReloadDone, Report, Severity};
use lbctl::render;

pub(super) async fn run(command: ConfigCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Show => {
            let state: ConfigState = client.get("/v1/config").await?;
            screen.data(&state, |paint| render::config_state(&state, paint));
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
