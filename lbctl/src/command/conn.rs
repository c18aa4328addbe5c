//! `lbctl conn`: streams that are open, closing some, moving some to servers that have fewer.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::ConnCommand;
use lbctl::client::{Client, encode};
use lbctl::protocol::{Connection, Connections, Exit, Rebalance, Rebalanced};
use lbctl::render;

pub(super) async fn run(command: ConnCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        ConnCommand::List { ws, pool, server, choice, limit } => {
            let kind = ws.then(|| "websocket".to_owned());
            let places = [("kind", &kind), ("pool", &pool), ("server", &server)];
            let choice = choice.choice().unwrap_or_default();
            let mut parts: Vec<(&str, &str)> =
                places.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
            parts.extend(choice.parts());
            let filter: Vec<String> =
                parts.into_iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
            let found = pages(&filter.join("&"), limit, client).await?;
            screen.data(&found, |paint| render::connections(&found, paint));
        }
        ConnCommand::Show { id } => {
            let one: Connection = client.get(&path(&id, &[])).await?;
            screen.data(&one, |_| render::connection(&one));
        }
        ConnCommand::Close { id, code, reason } => {
            for id in &id {
                let mut query = vec![("code", code.to_string())];
                query.extend(reason.clone().map(|reason| ("reason", reason)));
                let one: Connection = client.ask(Method::DELETE, &path(id, &query)).await?;
                screen.data(&one, |_| {
                    format!("closing {} of {} on {}/{}\n", one.id, one.client, one.pool, one.server)
                });
            }
        }
        ConnCommand::Rebalance { pool, rate, reason, dry_run } => {
            let wish = Rebalance { rate, reason, dry_run };
            let at = format!("/v1/pools/{}/rebalance", encode(&pool));
            let done: Rebalanced = client.send(Method::POST, &at, &wish).await?;
            screen.data(&done, |paint| render::rebalanced(&done, paint));
        }
    }
    Ok(Exit::Done)
}

/// Page after page, up to the limit.
async fn pages(filter: &str, limit: usize, client: &Client) -> Result<Connections, Failure> {
    let mut all = Connections::default();
    loop {
        let left = limit.saturating_sub(all.connections.len());
        let cursor = all.next.as_ref().map(|next| format!("&cursor={}", encode(next))).unwrap_or_default();
        let page: Connections = client.get(&format!("/v1/connections?{filter}&limit={left}{cursor}")).await?;
        let is_last = page.next.is_none() || page.connections.is_empty();
        all.connections.extend(page.connections);
        (all.total, all.next) = (page.total, page.next);
        if is_last || all.connections.len() >= limit {
            return Ok(all);
        }
    }
}

fn path(id: &str, query: &[(&str, String)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/v1/connections/{}{mark}{}", encode(id), query.join("&"))
}
