//! How connections to a pool's servers are made and kept.

use std::sync::Arc;
use std::time::Duration;

use crate::config::model::{Connections, SendProxy, ServerHttp};
use crate::pool::TlsToServer;

/// How connections to a pool's servers are made and kept.
#[derive(Debug)]
pub struct ConnectSpec {
    /// TLS, when the pool speaks it; offers HTTP/1.1.
    pub tls: Option<TlsToServer>,
    /// The same, offering what requests may go over.
    pub offer: Option<Arc<rustls::ClientConfig>>,
    /// What requests go over. Without TLS there is no choice, so never [`ServerHttp::Auto`] there.
    pub http: ServerHttp,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept to each server by each worker.
    pub max_idle: u32,
    /// Requests a connection may carry.
    pub max_uses: Option<u32>,
    /// Which PROXY header opens each connection: it then serves that one client only.
    pub send_proxy: Option<SendProxy>,
}

impl ConnectSpec {
    /// As a pool says.
    pub(super) fn of(connections: &Connections, tls: Option<TlsToServer>) -> Self {
        let http = match connections.http {
            ServerHttp::Auto if tls.is_none() => ServerHttp::Http1,
            http => http,
        };
        let protocols: &[&[u8]] = match http {
            ServerHttp::Http1 => &[],
            ServerHttp::Http2 => &[b"h2"],
            ServerHttp::Auto => &[b"h2", b"http/1.1"],
        };
        let offer = tls.as_ref().filter(|_| !protocols.is_empty()).map(|tls| {
            // Shares trust and sessions with the original.
            let mut config = rustls::ClientConfig::clone(&tls.config);
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        });
        Self {
            tls,
            offer,
            http,
            idle_timeout: connections.idle_timeout,
            max_idle: connections.max_idle,
            max_uses: connections.max_uses,
            send_proxy: connections.send_proxy,
        }
    }

    /// Whether connections made under the one may be used under the other.
    pub fn same_as(&self, other: &Self) -> bool {
        self.tls == other.tls
            && self.http == other.http
            && self.idle_timeout == other.idle_timeout
            && self.max_idle == other.max_idle
            && self.max_uses == other.max_uses
            && self.send_proxy == other.send_proxy
    }
}
