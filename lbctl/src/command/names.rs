//! `lbctl names KIND`: what completion offers, a name a line. Says nothing where nobody answers.

use crate::screen::Screen;
use lbctl::client::Client;
use lbctl::completions::Named;
use lbctl::protocol::{Exit, PoolSummary, Server};

pub(super) async fn run(kind: Named, client: &Client, screen: &Screen) -> Exit {
    let names: Vec<String> = match kind {
        Named::Pool => {
            let pools = client.get::<Vec<PoolSummary>>("/v1/pools").await.unwrap_or_default();
            pools.into_iter().map(|pool| pool.name).collect()
        }
        Named::Target => {
            let servers = client.get::<Vec<Server>>("/v1/servers").await.unwrap_or_default();
            servers.into_iter().map(|server| format!("{}/{}", server.pool, server.name)).collect()
        }
    };
    names.iter().for_each(|name| screen.write(&format!("{name}\n")));
    Exit::Done
}
