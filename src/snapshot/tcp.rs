//! `tcp` of a listener, compiled: which pool gets a connection whose bytes are passed on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::PoolSnap;
use crate::config::model::{Listener, SendProxy, Timeouts};
use crate::router::HostRouter;

/// The `tcp` of one listener.
#[derive(Debug)]
pub struct TcpSnap {
    /// By the name in the client's hello; the default takes every other connection.
    routes: HostRouter<Arc<TcpRouteSnap>>,
    named: bool,
    /// What each takes, for those who look: the name in the hello, and the pool.
    passages: Vec<(Option<Arc<str>>, Arc<str>)>,
}

/// One `tcp`.
#[derive(Debug)]
pub struct TcpRouteSnap {
    /// What the access log calls it: its `sni`, else `tcp`.
    pub name: Arc<str>,
    /// Where the bytes go.
    pub pool: Arc<PoolSnap>,
    /// Its pool's clocks.
    pub timeout: Timeouts,
}

impl TcpSnap {
    /// Compiles those of a listener; none when it has none.
    pub(super) fn of(listener: &Listener, pools: &BTreeMap<Arc<str>, Arc<PoolSnap>>) -> Option<Self> {
        let mut named = Vec::new();
        let mut default = None;
        for tcp in &listener.tcp {
            let Some(pool) = pools.get(&tcp.pool) else { continue };
            let name = tcp.sni.clone().unwrap_or_else(|| "tcp".into());
            let route = Arc::new(TcpRouteSnap { name, pool: Arc::clone(pool), timeout: tcp.timeout });
            match &tcp.sni {
                Some(sni) => named.push((vec![sni.to_string()], route)),
                None => default = Some(route),
            }
        }
        let has_names = !named.is_empty();
        let passages = listener.tcp.iter().map(|tcp| (tcp.sni.as_deref().map(Into::into), tcp.pool.clone()));
        (has_names || default.is_some()).then(|| Self {
            routes: HostRouter::build(named, default),
            named: has_names,
            passages: passages.collect(),
        })
    }

    /// What it passes on to which pool, by the name in the client's hello, in the order of the file.
    pub fn passages(&self) -> impl Iterator<Item = (Option<Arc<str>>, Arc<str>)> {
        self.passages.iter().cloned()
    }

    /// Whether the client's hello must be read to choose.
    pub fn needs_name(&self) -> bool {
        self.named
    }

    /// Who gets a connection whose hello names this host, or none.
    pub fn find(&self, name: Option<&[u8]>) -> Option<&Arc<TcpRouteSnap>> {
        self.routes.find(name.unwrap_or_default())
    }
}

/// A PROXY header that names nobody: the connection is lbd's own.
pub(super) fn greeting(version: SendProxy) -> &'static [u8] {
    match version {
        SendProxy::V1 => b"PROXY UNKNOWN\r\n",
        SendProxy::V2 => b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
    }
}
