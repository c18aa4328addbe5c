//! Keeping a client on its server: by a signed cookie, by a mark on the application's cookie, or by a table.
//!
//! All remember the server's *name*: a server that moves to another address keeps its clients.

mod cookie;
mod hold;
mod keyed;
mod keys;
mod mark;
mod moved;
mod store;
mod table;
mod token;
mod verified;

use std::net::IpAddr;
use std::sync::Arc;

pub use cookie::{CookiePolicy, SameSite, Secure, SetCookie};
pub use hold::Ties;
pub use keyed::{ClientKey, Headers, LearnFrom, TablePolicy, address, any_param};
pub use keys::KeyRing;
pub use mark::{MarkedCookie, Side};
pub(super) use moved::Moved;
pub use store::{Remembered, Unreadable};
pub use table::{ClientEntry, ClientTable};
pub use token::CookieValue;

use super::acquire::{Ask, How};
use super::pool::Pool;
use super::server::ServerId;

/// What happens to a client whose server takes no requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// Another server, from now on.
    Redispatch,
    /// 503 until it is back.
    Fail,
}

/// What happens to a client that was moved, once the server is back that its key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReturn {
    /// It stays where it is now.
    Stay,
    /// It goes back.
    Home,
}

/// A way to keep a client on its server.
#[derive(Debug)]
pub enum Sticky {
    /// A cookie of lbd's own.
    Cookie(Arc<CookiePolicy>),
    /// The application's cookie.
    Marked(Arc<MarkedCookie>),
    /// A table.
    Table(TablePolicy),
}

impl Sticky {
    /// What it knows of this client.
    pub(super) fn find(&self, ask: &Ask<'_>, pool: &Pool) -> Found {
        match self {
            Self::Cookie(policy) => Found { known: policy.find(ask), ..Found::NOTHING },
            Self::Marked(policy) => policy.find(ask, &|id| pool.index_of(id).is_some()),
            Self::Table(policy) => policy.find(ask),
        }
    }

    /// What a client's cookie is told from others by, when it has one: `set` is what an answer is about to give it.
    ///
    /// Cookies of lbd's own that are made in one second are equal; the client's address tells most of them apart.
    fn shown(&self, ask: &Ask<'_>, set: Option<&SetCookie>) -> Option<u128> {
        match self {
            Self::Cookie(policy) => {
                let given =
                    set.filter(|set| set.name() == &*policy.name).map(|set| digest_from(ask, set.value()));
                given.or_else(|| policy.shown(ask).map(|value| digest_from(ask, &value)))
            }
            Self::Marked(policy) => policy.shown(ask),
            Self::Table(_) => None,
        }
    }

    /// A client that was sent away from its server goes where it was sent, if that server `takes` it.
    pub(super) fn redirected(
        &self,
        found: Found,
        ask: &Ask<'_>,
        moved: &Moved,
        takes: impl Fn(ServerId) -> bool,
    ) -> Found {
        let Known::Server { issued, .. } = found.known else { return found };
        let Some(key) = self.shown(ask, None) else { return found };
        let Some(id) = moved.find(key, ask.now).filter(|id| takes(*id)) else { return found };
        // The application's cookie is not ours to give anew: it goes on meaning the other server.
        let came = matches!(self, Self::Cookie(_)).then_some(key);
        Found { known: Known::Server { id, issued, refresh: true }, came, ..found }
    }

    /// The same without using what it finds.
    pub(super) fn peek(&self, ask: &Ask<'_>, pool: &Pool) -> Found {
        match self {
            Self::Cookie(_) | Self::Marked(_) => self.find(ask, pool),
            Self::Table(policy) => policy.peek(ask),
        }
    }

    pub(super) fn how(&self) -> How {
        match self {
            Self::Cookie(_) | Self::Marked(_) => How::StickyCookie,
            Self::Table(policy) => match policy.by {
                ClientKey::SourceIp { .. } => How::StickySource,
                ClientKey::Header(_) => How::StickyHeader,
                ClientKey::Learned { .. } => How::StickyLearned,
            },
        }
    }

    /// What happens to a client whose server takes no requests.
    pub fn on_down(&self) -> OnDown {
        match self {
            Self::Cookie(policy) => policy.on_down,
            Self::Marked(policy) => policy.on_down,
            Self::Table(policy) => policy.on_down,
        }
    }

    /// Its table, when it has one.
    pub fn table(&self) -> Option<&Arc<ClientTable>> {
        self.table_policy().map(|policy| &policy.table)
    }

    /// Its table and what the keys of that mean, when it has one.
    pub fn table_policy(&self) -> Option<&TablePolicy> {
        match self {
            Self::Cookie(_) | Self::Marked(_) => None,
            Self::Table(policy) => Some(policy),
        }
    }
}

/// What one `sticky` knows of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Its server.
    pub(super) known: Known,
    /// What the client is known by, where it shows something: the key of a table, and of the hash.
    pub(super) key: Option<u128>,
    /// An operator put it there: it does not go home by itself.
    pub(super) placed: bool,
    /// It was awaited under this ([`Moved`]), and gets another cookie now.
    pub(super) came: Option<u128>,
}

impl Found {
    /// Nothing.
    pub(super) const NOTHING: Self = Self { known: Known::Nothing, key: None, placed: false, came: None };
}

/// A client's server.
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
        /// The memory is out of step or about to grow old, and should be written anew.
        refresh: bool,
    },
}

/// A hash of what a client shows: 128 bits of SHA-256, so that a table keeps no session, and none can be made to
/// meet another.
pub(super) fn digest(value: &[u8]) -> u128 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, value);
    digest.as_ref().iter().take(16).fold(0, |sum, &byte| sum << 8 | u128::from(byte))
}

/// The same of a value that a client at some address shows.
fn digest_from(ask: &Ask<'_>, value: &[u8]) -> u128 {
    let ip = match ask.client_ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    digest(&[&ip.octets()[..], value].concat())
}

/// The hash of a key that servers' names compete for: the same on every lbd, for ever.
pub(super) fn rendezvous(key: u128) -> u64 {
    super::balance::hash(&key.to_be_bytes())
}
