//! What `discover` gives now. LB901: a name that gives no servers.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::AT_A_TIME;
use crate::config::diagnostic::{Diagnostic, Severity, Span};
use crate::config::model::{Discover, DiscoverKind, Model, Pool};
use crate::config::source::Sources;
use crate::discover;
use crate::pool::ServerSettings;
use crate::snapshot::Discovered;

/// What was heard of all names.
pub(super) struct Named {
    /// The servers, by pool.
    pub(super) servers: Discovered,
    /// Names that give none.
    pub(super) findings: Vec<Diagnostic>,
    /// Whether every name was asked for.
    pub(super) in_time: bool,
}

/// Asks for every name that a pool takes servers from, until a deadline.
pub(super) async fn look(model: &Model, sources: &Sources, until: Instant) -> Named {
    let mut named = Named { servers: Discovered::new(), findings: Vec::new(), in_time: true };
    let all =
        model.pools.values().flat_map(|pool| pool.discover.iter().map(move |discover| (pool, discover)));
    let asked = futures_util::stream::iter(all)
        .map(async |(pool, discover)| (pool, discover, discover::once(&model.resolver, discover).await));
    let heard = async {
        let mut answers = std::pin::pin!(asked.buffer_unordered(AT_A_TIME));
        while let Some((pool, discover, answer)) = answers.next().await {
            match answer {
                Ok(found) => add(&mut named.servers, pool, found),
                Err(why) => named.findings.push(nothing(pool, discover, &why, sources)),
            }
        }
    };
    let in_time = timeout_at(until, heard).await.is_ok();
    named.servers.values_mut().for_each(|servers| servers.sort_by(|a, b| a.name.cmp(&b.name)));
    Named { in_time, ..named }
}

/// Two names of a pool may lead to one server.
fn add(servers: &mut Discovered, pool: &Pool, found: Vec<ServerSettings>) {
    let known = servers.entry(Arc::clone(&pool.name)).or_default();
    for server in found {
        if known.iter().all(|other| other.name != server.name) {
            known.push(server);
        }
    }
}

/// LB901.
fn nothing(pool: &Pool, discover: &Discover, why: &str, sources: &Sources) -> Diagnostic {
    let at = match discover.kind {
        DiscoverKind::Address { port } => format!("{}:{port}", discover.name),
        DiscoverKind::Service => discover.name.to_string(),
    };
    let message = format!("`{}` gives no servers from here: {why}", discover.name);
    let finding = Diagnostic::new("LB901", Severity::Warning, Some(place(pool, &at, sources)), message);
    let label = match pool.servers.is_empty() && pool.discover.len() == 1 {
        true => "the pool would start empty",
        false => "the pool would start without them",
    };
    finding
        .label(label)
        .help("mend the name, or say whom to ask: `resolver { nameserver \"10.0.0.53\"; }`")
        .subject(format!("pool/{}/discover/{}", pool.name, discover.name))
}

/// The line of a `discover` inside its pool, else that of the pool: what a template gave stands elsewhere.
pub(super) fn place(pool: &Pool, source: &str, sources: &Sources) -> Span {
    let begin = pool.span.start as usize;
    let text = sources.file(pool.span.file).and_then(|file| file.text().get(begin..)).unwrap_or_default();
    let quoted = format!("\"{source}\"");
    let mut start = begin;
    for line in text.split_inclusive('\n') {
        let words = line.trim();
        if words.starts_with("discover") && words.contains(&quoted) {
            let start = start + (line.len() - line.trim_start().len());
            return Span::new(pool.span.file, start..start + words.len());
        }
        if line.starts_with('}') {
            break;
        }
        start += line.len();
    }
    pool.span
}
