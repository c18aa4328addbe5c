//! `lbctl pool`: pools and their servers.

use crate::failure::Failure;
use crate::screen::Screen;
use lbctl::args::PoolCommand;
use lbctl::client::{Client, encode};
use lbctl::protocol::{Exit, Pool, PoolSummary};
use lbctl::render;

pub(super) async fn run(command: PoolCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        PoolCommand::List => {
            let pools: Vec<PoolSummary> = client.get("/v1/pools").await?;
            screen.data(&pools, |paint| render::pools(&pools, paint));
        }
        PoolCommand::Show { pool } => {
            let pool: Pool = client.get(&format!("/v1/pools/{}", encode(&pool))).await?;
            screen.data(&pool, |paint| render::pool(&pool, paint));
        }
    }
    Ok(Exit::Done)
}
