//! `lbctl check`: a monitoring plugin, and a track script for keepalived.
//!
//! Its exit codes are those of monitoring plugins, not those of the other commands; its line is on stdout, whatever
//! happens, because that is where a plugin's caller looks.

use crate::screen::Screen;
use lbctl::client::{Client, Error, encode};
use lbctl::protocol::{Exit, Pool, PoolSummary};
use lbctl::render::{self, Verdict};
use serde_json::json;
use std::time::Duration;

/// A plugin that hangs is worse than one that says that it does not know.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(pools: &[String], max_down: usize, client: &Client, screen: &Screen) -> Exit {
    let limit = client.limit().unwrap_or(PATIENCE);
    let client = client.clone().timeout(Some(limit));
    let (verdict, remark, seen) = match look(pools, &client).await {
        Ok(seen) => {
            let (verdict, remark) = render::judge(&seen, max_down);
            (verdict, remark, seen)
        }
        Err(error) => (Verdict::Unknown, error.to_string(), Vec::new()),
    };
    let value = json!({ "verdict": verdict.as_str(), "remark": remark, "pools": seen });
    screen.data(&value, |_| render::check(verdict, &remark, &seen));
    exit(verdict)
}

async fn look(pools: &[String], client: &Client) -> Result<Vec<Pool>, Error> {
    let names: Vec<String> = if pools.is_empty() {
        client.get::<Vec<PoolSummary>>("/v1/pools").await?.into_iter().map(|pool| pool.name).collect()
    } else {
        pools.to_vec()
    };
    let mut seen = Vec::new();
    for name in names {
        seen.push(client.get::<Pool>(&format!("/v1/pools/{}", encode(&name))).await?);
    }
    Ok(seen)
}

/// Plugins number their verdicts as they like; the numbers happen to be taken by other words here.
fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Ok => Exit::Done,
        Verdict::Warning => Exit::Failed,
        Verdict::Critical => Exit::Usage,
        Verdict::Unknown => Exit::Unreachable,
    }
}
