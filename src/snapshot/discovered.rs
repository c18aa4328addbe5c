//! The servers of a pool: those that the file names, then those that were found.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::server;
use crate::config::model;
use crate::pool::ServerSettings;

/// Servers that the file does not name, by pool.
pub type Discovered = BTreeMap<Arc<str>, Vec<ServerSettings>>;

/// Each has a name of its own: what was found is left out where the file has that name.
pub(super) fn servers(pool: &model::Pool, discovered: &Discovered) -> Vec<ServerSettings> {
    let mut servers: Vec<ServerSettings> = pool.servers.iter().map(server).collect();
    for found in discovered.get(&pool.name).into_iter().flatten() {
        if servers.iter().all(|server| server.name != found.name) {
            servers.push(found.clone());
        }
    }
    servers
}
