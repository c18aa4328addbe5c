//! `lbctl sticky`: which client stays with which server.

mod transfer;

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::{StickyCommand, StickyFilter, StickySort};
use lbctl::client::{Client, encode};
use lbctl::protocol::{
    Exit, StickyCleared, StickyEntries, StickyLookup, StickyMove, StickyMoved, StickyTable,
};
use lbctl::render;

pub(super) async fn run(command: StickyCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        StickyCommand::List => {
            let tables: Vec<StickyTable> = client.get("/v1/sticky").await?;
            screen.data(&tables, |paint| render::tables(&tables, paint));
        }
        StickyCommand::Show { pool, filter, limit, sort } => {
            let mut query = filter_query(&filter);
            query.push(("limit", limit.to_string()));
            if sort == StickySort::Age {
                query.push(("sort", "age".to_owned()));
            }
            let entries: StickyEntries = client.get(&path(&pool, &query)).await?;
            screen.data(&entries, |paint| render::entries(&entries, paint));
        }
        StickyCommand::Get { pool, key } => {
            let lookup: StickyLookup = client.get(&path(&pool, &[("lookup", key)])).await?;
            screen.data(&lookup, |_| render::lookup(&lookup));
            if lookup.server.is_none() {
                return Ok(Exit::Failed);
            }
        }
        StickyCommand::Move { pool, from, to, count, reason, dry_run } => {
            let ask = StickyMove { from, to, count, reason, dry_run };
            let path = format!("/v1/sticky/{}/move", encode(&pool));
            let moved: StickyMoved = client.send(Method::POST, &path, &ask).await?;
            screen.data(&moved, |_| {
                let verb = if moved.dry_run { "would move" } else { "moved" };
                format!(
                    "{verb} {} entries of {} from {} to {}\n",
                    moved.moved, moved.pool, moved.from, moved.to
                )
            });
        }
        StickyCommand::Export { pool, format } => transfer::export(&pool, format, client, screen).await?,
        StickyCommand::Import { pool, reason } => transfer::import(&pool, reason, client, screen).await?,
        StickyCommand::Clear { pool, filter, all, reason, dry_run } => {
            let mut query = filter_query(&filter);
            query.push(("all", all.to_string()));
            query.push(("dry_run", dry_run.to_string()));
            query.extend(reason.map(|reason| ("reason", reason)));
            let cleared: StickyCleared = client.ask(Method::DELETE, &path(&pool, &query)).await?;
            screen.data(&cleared, |_| {
                let verb = if cleared.dry_run { "would clear" } else { "cleared" };
                format!("{verb} {} entries of {}\n", cleared.cleared, cleared.pool)
            });
            if !dry_run {
                screen.talk("this cannot be undone; the clients are balanced anew with their next request");
            }
        }
    }
    Ok(Exit::Done)
}

fn filter_query(filter: &StickyFilter) -> Vec<(&'static str, String)> {
    let parts = [("key", &filter.key), ("server", &filter.server), ("older", &filter.older)];
    parts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
}

fn path(pool: &str, query: &[(&str, String)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("/v1/sticky/{}?{}", encode(pool), query.join("&"))
}
