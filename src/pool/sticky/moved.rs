//! Clients that were sent away from their server and carry the memory of it themselves, in a cookie: where each goes
//! when it comes back.
//!
//! Such a cookie is believed at the server that it names until its client came back with it. Nobody is waited for
//! longer than [`PATIENCE`]; while nobody is awaited, looking costs one load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::server::ServerId;

/// Clients come back within this many seconds, or as new ones.
pub(super) const PATIENCE: u64 = 600;
/// Who is sent away beyond so many goes back to its server.
const MOST: usize = 65_536;

/// Who is awaited, by what it shows.
#[derive(Debug, Default)]
pub(in crate::pool) struct Moved {
    clients: Mutex<HashMap<u128, Awaited>>,
    /// How many are awaited.
    count: AtomicUsize,
}

/// Clients that show the same.
#[derive(Debug)]
struct Awaited {
    /// Where each goes.
    to: Vec<ServerId>,
    /// Unix seconds.
    until: u64,
}

impl Moved {
    /// A client that shows this is to go there; says whether there was room to note it.
    pub(super) fn expect(&self, key: u128, to: ServerId, now: u64) -> bool {
        let mut clients = self.lock();
        if self.count.load(Ordering::Relaxed) >= MOST {
            self.forget(&mut clients, now);
        }
        if self.count.load(Ordering::Relaxed) >= MOST {
            return false;
        }
        let awaited = clients.entry(key).or_insert(Awaited { to: Vec::new(), until: 0 });
        if awaited.until < now {
            self.count.fetch_sub(awaited.to.len(), Ordering::Relaxed);
            awaited.to.clear();
        }
        awaited.to.push(to);
        awaited.until = now + PATIENCE;
        self.count.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether nobody is awaited.
    pub(in crate::pool) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Where a client that shows this goes.
    pub(in crate::pool) fn find(&self, key: u128, now: u64) -> Option<ServerId> {
        let clients = self.lock();
        clients.get(&key).filter(|awaited| awaited.until >= now)?.to.last().copied()
    }

    /// One that shows this came back, and got another cookie.
    pub(in crate::pool) fn came(&self, key: u128) {
        let mut clients = self.lock();
        let Some(awaited) = clients.get_mut(&key) else { return };
        if awaited.to.pop().is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        if awaited.to.is_empty() {
            clients.remove(&key);
        }
    }

    /// Awaits nobody any longer who should have come by now.
    pub(in crate::pool) fn sweep(&self, now: u64) {
        if !self.is_empty() {
            self.forget(&mut self.lock(), now);
        }
    }

    fn forget(&self, clients: &mut HashMap<u128, Awaited>, now: u64) {
        clients.retain(|_, awaited| awaited.until >= now);
        self.count.store(clients.values().map(|awaited| awaited.to.len()).sum(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, Awaited>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ServerId = ServerId(1);
    const B: ServerId = ServerId(2);

    #[test]
    fn as_many_go_elsewhere_as_were_sent_away() {
        let moved = Moved::default();
        assert!(moved.is_empty() && moved.find(7, 0).is_none());
        assert!(moved.expect(7, A, 1000) && moved.expect(7, B, 1000) && moved.expect(8, A, 1000));
        assert_eq!(moved.find(7, 1000), Some(B), "looking");
        assert_eq!(moved.find(7, 1000), Some(B), "takes nothing");
        moved.came(7);
        assert_eq!(moved.find(7, 1000), Some(A));
        moved.came(7);
        moved.came(7);
        assert_eq!((moved.find(7, 1000), moved.find(8, 1000)), (None, Some(A)));
        moved.came(8);
        assert!(moved.is_empty());
    }

    #[test]
    fn nobody_is_awaited_for_ever_and_not_too_many() {
        let moved = Moved::default();
        moved.expect(7, A, 1000);
        assert_eq!(moved.find(7, 1000 + PATIENCE), Some(A));
        assert_eq!(moved.find(7, 1001 + PATIENCE), None);
        moved.sweep(1000 + PATIENCE);
        assert!(!moved.is_empty());
        moved.sweep(1001 + PATIENCE);
        assert!(moved.is_empty());
        let noted = (0..MOST as u128 + 9).filter(|key| moved.expect(key % 100, A, 1000)).count();
        assert_eq!(noted, MOST);
        assert!(moved.expect(5, A, 1001 + PATIENCE), "the time of the others is over");
        assert_eq!(moved.count.load(Ordering::Relaxed), 1);
    }
}
