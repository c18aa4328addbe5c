//! A long-lived stream and its client's stickiness.
//!
//! A stream holds the table entries of its client: while one is held it neither grows old nor makes room for others,
//! and its idleness starts when the last hold ends. And whoever sends the stream away to another server sends its
//! client's stickiness along ([`Ties::move_to`]).

use std::sync::Arc;
use std::time::SystemTime;

use super::moved::Moved;
use super::table::ClientTable;
use super::{SetCookie, Sticky};
use crate::pool::acquire::Ask;
use crate::pool::pool::Pool;
use crate::pool::server::ServerId;

/// A hold on one entry. Not `Clone`: a stream is counted once.
#[derive(Debug)]
struct Hold {
    table: Arc<ClientTable>,
    key: u128,
    held: Option<Arc<()>>,
}

impl Hold {
    fn new(table: &Arc<ClientTable>, key: u128) -> Option<Self> {
        let held = table.hold(key)?;
        Some(Self { table: Arc::clone(table), key, held: Some(held) })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held = None;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.table.find(self.key, now);
    }
}

/// What remembers the server of a stream's client.
#[derive(Debug)]
enum Tie {
    Entry(Hold),
    /// A cookie that the client has, by [`Sticky::shown`].
    Cookie(Arc<Moved>, u128),
}

/// All that remembers the server of a stream's client.
#[derive(Debug, Default)]
#[must_use = "what is dropped at once holds nothing"]
pub struct Ties(Vec<Tie>);

impl Ties {
    /// The client goes to another server when it comes next, whatever remembers this one.
    pub(in crate::pool) fn move_to(&self, from: ServerId, to: ServerId, now: u64) {
        for tie in &self.0 {
            match tie {
                Tie::Entry(hold) => {
                    hold.table.change(hold.key, to, |entry| entry.server == from);
                }
                Tie::Cookie(moved, key) => {
                    moved.expect(*key, to, now);
                }
            }
        }
    }
}

impl Pool {
    /// The ties of a request that becomes a long-lived stream; `set` is the cookie that its answer gives.
    pub fn ties(&self, ask: &Ask<'_>, set: Option<&SetCookie>) -> Ties {
        let tie = |sticky: &Sticky| match sticky {
            Sticky::Table(policy) => Some(Tie::Entry(Hold::new(&policy.table, policy.by.of(ask)?)?)),
            Sticky::Cookie(_) | Sticky::Marked(_) => {
                Some(Tie::Cookie(Arc::clone(&self.moved), sticky.shown(ask, set)?))
            }
        };
        Ties(self.sticky.iter().filter_map(tie).collect())
    }
}
