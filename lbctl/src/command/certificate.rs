//! `lbctl cert`: which certificates are in use, until when.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::CertCommand;
use lbctl::client::{Client, encode};
use lbctl::protocol::{Certificate, Exit, ReloadDone};
use lbctl::render;

pub(super) async fn run(command: CertCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        CertCommand::List => {
            let all: Vec<Certificate> = client.get("/v1/certificates").await?;
            screen.data(&all, |paint| render::certificates(&all, paint));
        }
        CertCommand::Show { name } => {
            let found: Vec<Certificate> = client.get(&format!("/v1/certificates/{}", encode(&name))).await?;
            screen.data(&found, |paint| {
                let shown: Vec<String> = found.iter().map(|one| render::certificate(one, paint)).collect();
                shown.join("\n")
            });
        }
        CertCommand::Reload => {
            let done: ReloadDone = client.ask(Method::POST, "/v1/certificates/reload").await?;
            screen.data(&done, |paint| render::reload_done(&done, paint));
        }
    }
    Ok(Exit::Done)
}
