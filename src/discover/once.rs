//! One question, for who wants to know without a daemon.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::model::{Discover, DiscoverKind, Resolver};
use crate::pool::ServerSettings;

use super::answer;
use super::dns::{Dns, Memory};
use super::registry::source;

/// The servers that a name gives now, asked for as the daemon would; the error says why there are none.
pub async fn once(resolver: &Resolver, discover: &Discover) -> Result<Vec<ServerSettings>, String> {
    let (dns, memory) = (Dns::new(resolver.clone()), Memory::default());
    let heard = match discover.kind {
        DiscoverKind::Service => dns.services(&discover.name, &memory).await,
        DiscoverKind::Address { .. } => dns.hosts(&discover.name, &memory).await,
    };
    match heard {
        Ok(answer) => Ok(answer::servers(&answer.targets, discover.kind, &source(discover))),
        Err(failure) => Err(failure.to_string()),
    }
}

/// The addresses that a host has now, asked for as the daemon would; the error says why there are none.
pub async fn addresses(resolver: &Resolver, host: &Arc<str>) -> Result<Vec<IpAddr>, String> {
    let heard = Dns::new(resolver.clone()).hosts(host, &Memory::default()).await;
    let answer = heard.map_err(|failure| failure.to_string())?;
    Ok(answer.targets.iter().map(|target| target.ip).collect())
}
