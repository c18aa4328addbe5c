//! Keeping a client on its server: by a signed cookie, or by a table of client addresses.
//!
//! Both remember the server's *name*: a server that moves to another address keeps its clients.

mod cookie;
mod keys;
mod source;

use std::sync::Arc;
use std::time::Duration;

pub use cookie::{CookiePolicy, CookieValue, SameSite, Secure, SetCookie};
pub use keys::KeyRing;
pub use source::{SourceEntry, SourceTable};

use super::acquire::{Ask, How};
use super::server::ServerId;

/// What happens to a client whose server takes no requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// Another server, from now on.
    Redispatch,
    /// 503 until it is back.
    Fail,
}

/// A way to keep a client on its server.
#[derive(Debug)]
pub enum Sticky {
    /// A cookie.
    Cookie(Arc<CookiePolicy>),
    /// A table by client address.
    Source(SourcePolicy),
}

/// Stickiness by client address.
#[derive(Debug)]
pub struct SourcePolicy {
    /// An entry's life after its last use.
    pub ttl: Duration,
    /// Most entries.
    pub max_entries: usize,
    /// When its server is down.
    pub on_down: OnDown,
    /// The entries; they live on across reloads.
    pub table: Arc<SourceTable>,
}

impl Sticky {
    /// What it knows of this client.
    pub(super) fn find(&self, ask: &Ask<'_>) -> Known {
        match self {
            Self::Cookie(policy) => policy.find(ask),
            Self::Source(policy) => match policy.table.find(ask.client_ip, ask.now) {
                Some(id) => Known::Server { id, issued: 0, refresh: false },
                None => Known::Nothing,
            },
        }
    }

    pub(super) fn how(&self) -> How {
        match self {
            Self::Cookie(_) => How::StickyCookie,
            Self::Source(_) => How::StickySource,
        }
    }

    /// What happens to a client whose server takes no requests.
    pub fn on_down(&self) -> OnDown {
        match self {
            Self::Cookie(policy) => policy.on_down,
            Self::Source(policy) => policy.on_down,
        }
    }

    /// Its table, when it has one.
    pub fn table(&self) -> Option<&Arc<SourceTable>> {
        match self {
            Self::Cookie(_) => None,
            Self::Source(policy) => Some(&policy.table),
        }
    }
}

/// What one `sticky` knows of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing (that is valid).
    Nothing,
    /// Its server.
    Server {
        /// Which.
        id: ServerId,
        /// Since when, for a cookie (unix seconds).
        issued: u32,
        /// The memory is about to grow old and should be written anew.
        refresh: bool,
    },
}

impl Known {
    /// Whether it is this server.
    pub(super) fn is(&self, server: ServerId) -> bool {
        matches!(self, Self::Server { id, .. } if *id == server)
    }
}
