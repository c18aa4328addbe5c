//! What one process tells the other while it hands over. Additions only: the two may be of different versions.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::model::ListenAddress;
use crate::pool::Known;

/// The version of all of it.
pub(super) const VERSION: u32 = 1;

/// What the sockets that follow are, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Handed {
    /// Of clients.
    Listener(Address),
    /// Of the status endpoint.
    Status(Address),
    /// Of control clients.
    Control(PathBuf),
    /// Where the log goes.
    Stderr,
}

/// A [`ListenAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    ip: Option<IpAddr>,
    port: u16,
}

impl From<ListenAddress> for Address {
    fn from(ListenAddress { ip, port }: ListenAddress) -> Self {
        Self { ip, port }
    }
}

impl From<Address> for ListenAddress {
    fn from(Address { ip, port }: Address) -> Self {
        Self { ip, port }
    }
}

/// The first frame, from the old process. Then come the sockets, and the sticky entries.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    pub(super) lbd: String,
    pub(super) pid: u32,
    pub(super) sockets: Vec<Handed>,
    /// Keys of sticky cookies, where they are in no state directory.
    pub(super) keys: Option<String>,
    /// Keys of TLS session tickets, which are on no disk.
    #[serde(default)]
    pub(super) tickets: String,
    pub(super) servers: Vec<Known>,
    pub(super) estate: Estate,
}

/// What may have changed until the new process begins; sent again then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Estate {
    /// What operators want, in the form of the file.
    pub(super) wishes: String,
    /// The number of the last event.
    pub(super) events: u64,
}

/// The answer of the new process: it could begin now.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) lbd: String,
    /// The addresses that it will accept on.
    pub(super) listens: Vec<Address>,
}

/// The new process has begun.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Serving {}

/// How far the old process is with its end; from time to time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    pub(super) pid: u32,
    pub(super) lbd: String,
    /// Milliseconds for which it has been ending, and for which it may go on.
    pub(super) since: u64,
    pub(super) left: u64,
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) websockets: u64,
    pub(super) tunnels: u64,
    pub(super) tcp: u64,
    pub(super) streams: u64,
    /// Whether a frame with sticky entries follows.
    pub(super) sticky: bool,
    /// Processes that were before it and still end.
    pub(super) before: Vec<Progress>,
}
