//! What a listener does below HTTP: bytes passed to a pool, and the PROXY protocol ahead of everything.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::{Listener, Name, Timeouts};

/// A `tcp` inside `listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpRoute {
    /// Lower-case host that the client's TLS hello must name, exact or `*.suffix`; `None` takes every other connection.
    pub sni: Option<Name>,
    /// Where the bytes go.
    pub pool: Name,
    /// The pool's clocks; only `connect` and the tunnel ones apply.
    pub timeout: Timeouts,
}

/// `proxy-protocol` inside `listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Who must send the header. All others must not.
    pub from: Vec<IpNet>,
    /// How long the header may take.
    pub timeout: Duration,
}

impl ProxyProtocol {
    /// Whether `peer` must send the header.
    pub fn is_due_from(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.from.iter().any(|net| net.contains(&peer))
    }
}

/// Which PROXY header a server is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendProxy {
    /// Version 1, a line of text.
    V1,
    /// Version 2, binary.
    V2,
}

impl Listener {
    /// Whether HTTP is spoken here. Without TLS of its own, a listener with `tcp` reads no requests.
    pub fn speaks_http(&self) -> bool {
        self.tcp.is_empty() || self.tls.is_some()
    }
}
