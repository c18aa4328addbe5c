//! A table of clients: which server each is on, by a key of 128 bits ([`super::ClientKey`] makes them).
//!
//! Sharded by the key, so that workers rarely meet; a hit takes a shard's read lock and stamps an atomic. Bounded:
//! when it is full, entries that are out of date go first, then those that were idle longest in the shard of the
//! newcomer, and those that an open stream holds go last.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use super::super::server::ServerId;

const SHARDS: usize = 64;
/// One of this many entries of a full shard goes at a time, so that making room is rare.
const ROOM: usize = 16;

type Shard = RwLock<HashMap<u128, Entry, foldhash::fast::RandomState>>;

/// Clients by key.
#[derive(Debug)]
pub struct ClientTable {
    shards: Box<[Shard]>,
    hasher: foldhash::fast::RandomState,
    ttl: AtomicU64,
    max_entries: AtomicUsize,
    count: AtomicUsize,
    evicted: AtomicU64,
}

/// One client, as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientEntry {
    /// What it is known by.
    pub key: u128,
    /// Its server.
    pub server: ServerId,
    /// When it first came (unix seconds).
    pub since: u64,
    /// When it last came (unix seconds).
    pub used: u64,
    /// Open streams that hold it.
    pub streams: usize,
}

#[derive(Debug)]
struct Entry {
    server: ServerId,
    since: u64,
    used: AtomicU64,
    /// Held while anybody has the other end.
    held: Weak<()>,
}

impl ClientTable {
    /// An empty table.
    pub fn new(ttl: Duration, max_entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            ttl: AtomicU64::new(ttl.as_secs()),
            max_entries: AtomicUsize::new(max_entries),
            count: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// How many entries there are, those that are out of date included.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries ever went, before their time, to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// An entry's life after its last use, and the most entries.
    pub fn limits(&self) -> (Duration, usize) {
        (Duration::from_secs(self.ttl.load(Ordering::Relaxed)), self.max_entries.load(Ordering::Relaxed))
    }

    /// A client's server, if it came within the time; that counts as a use.
    pub fn find(&self, key: u128, now: u64) -> Option<ServerId> {
        let shard = read(self.shard(key));
        let entry = shard.get(&key).filter(|entry| !self.is_stale(entry, now))?;
        // Not written again within the second: a busy client's line stays shared between workers.
        if entry.used.load(Ordering::Relaxed) < now {
            entry.used.store(now, Ordering::Relaxed);
        }
        Some(entry.server)
    }

    /// A client's entry, if it came within the time; looking is no use.
    pub fn get(&self, key: u128, now: u64) -> Option<ClientEntry> {
        let shard = read(self.shard(key));
        shard.get(&key).filter(|entry| !self.is_stale(entry, now)).map(|entry| entry.show(key))
    }

    /// Puts a client on a server.
    pub fn put(&self, key: u128, server: ServerId, now: u64) {
        self.enter(&ClientEntry { key, server, since: now, used: now, streams: 0 }, now);
    }

    /// Puts a client on a server, with its past.
    pub fn enter(&self, entry: &ClientEntry, now: u64) {
        let max = self.max_entries.load(Ordering::Relaxed);
        if max == 0 {
            return;
        }
        let ClientEntry { key, server, since, used, .. } = *entry;
        let mut entries = write(self.shard(key));
        if let Some(known) = entries.get_mut(&key) {
            if known.server != server {
                (known.server, known.since) = (server, since);
            }
            known.used.store(used, Ordering::Relaxed);
            return;
        }
        entries.insert(key, Entry { server, since, used: AtomicU64::new(used), held: Weak::new() });
        let over = (self.count.fetch_add(1, Ordering::Relaxed) + 1).saturating_sub(max);
        if over == 0 {
            return;
        }
        let gone = self.make_room(&mut entries, key, now, false);
        drop(entries);
        if gone < over {
            self.shrink(max, key, now);
        }
    }

    /// Puts a client that passes on another server; says whether it did.
    pub fn change(&self, key: u128, to: ServerId, pass: impl Fn(&ClientEntry) -> bool) -> bool {
        let mut entries = write(self.shard(key));
        let Some(entry) = entries.get_mut(&key).filter(|entry| pass(&entry.show(key))) else { return false };
        entry.server = to;
        true
    }

    /// Holds a client's entry until the result is dropped.
    pub(super) fn hold(&self, key: u128) -> Option<Arc<()>> {
        let mut entries = write(self.shard(key));
        let entry = entries.get_mut(&key)?;
        let held = entry.held.upgrade().unwrap_or_default();
        entry.held = Arc::downgrade(&held);
        Some(held)
    }

    /// The entries that are in date and pass, at most `limit`.
    pub fn list(&self, now: u64, limit: usize, pass: impl Fn(&ClientEntry) -> bool) -> Vec<ClientEntry> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let entries = read(shard);
            let alive = entries.iter().filter(|(_, entry)| !self.is_stale(entry, now));
            found.extend(alive.map(|(&key, entry)| entry.show(key)).filter(&pass).take(limit - found.len()));
            if found.len() == limit {
                break;
            }
        }
        found
    }

    /// Forgets the entries that pass; says how many.
    pub fn clear(&self, pass: impl Fn(&ClientEntry) -> bool) -> usize {
        self.retain(|&key, entry| !pass(&entry.show(key)))
    }

    /// Forgets what is out of date; says how many.
    pub fn sweep(&self, now: u64) -> usize {
        self.retain(|_, entry| !self.is_stale(entry, now))
    }

    /// New limits; what is too much goes, idle longest first.
    pub(in crate::pool) fn limit(&self, ttl: Duration, max_entries: usize) {
        self.ttl.store(ttl.as_secs(), Ordering::Relaxed);
        if self.max_entries.swap(max_entries, Ordering::Relaxed) <= max_entries {
            return;
        }
        let mut stamps: Vec<u64> = Vec::with_capacity(self.len());
        for shard in &self.shards {
            stamps.extend(read(shard).values().map(Entry::rank));
        }
        if stamps.len() <= max_entries {
            return;
        }
        stamps.sort_unstable_by(|a, b| b.cmp(a));
        let oldest_kept = max_entries.checked_sub(1).map_or(u64::MAX, |last| stamps[last]);
        let mut equals = max_entries - stamps.iter().take_while(|&&stamp| stamp > oldest_kept).count();
        let gone = self.retain(|_, entry| match entry.rank() {
            used if used == oldest_kept && equals > 0 => {
                equals -= 1;
                true
            }
            used => used > oldest_kept,
        });
        self.evicted.fetch_add(gone as u64, Ordering::Relaxed);
    }

    /// Takes entries from other shards until there are few enough: a small table is spread thin.
    fn shrink(&self, max: usize, newcomer: u128, now: u64) {
        let first = self.hash(newcomer);
        for (held, step) in
            [false, true].into_iter().flat_map(|held| (1..=SHARDS).map(move |step| (held, step)))
        {
            if self.len() <= max {
                return;
            }
            let mut entries = write(&self.shards[(first + step) % SHARDS]);
            self.make_room(&mut entries, newcomer, now, held);
        }
    }

    /// Removes what is out of date, or else a share of what was idle longest, but never `newcomer`, nor what is
    /// held unless `held` says so; says how many.
    fn make_room<S: BuildHasher>(
        &self,
        entries: &mut HashMap<u128, Entry, S>,
        newcomer: u128,
        now: u64,
        held: bool,
    ) -> usize {
        let before = entries.len();
        entries.retain(|_, entry| !self.is_stale(entry, now));
        let mut gone = before - entries.len();
        if gone == 0 {
            gone = evict(entries, newcomer, held);
            self.evicted.fetch_add(gone as u64, Ordering::Relaxed);
        }
        self.count.fetch_sub(gone, Ordering::Relaxed);
        gone
    }

    fn retain(&self, mut keep: impl FnMut(&u128, &Entry) -> bool) -> usize {
        let mut gone = 0;
        for shard in &self.shards {
            let mut entries = write(shard);
            let before = entries.len();
            entries.retain(|key, entry| keep(key, entry));
            let here = before - entries.len();
            self.count.fetch_sub(here, Ordering::Relaxed);
            gone += here;
        }
        gone
    }

    fn is_stale(&self, entry: &Entry, now: u64) -> bool {
        let idle = now.saturating_sub(entry.used.load(Ordering::Relaxed));
        idle > self.ttl.load(Ordering::Relaxed) && entry.held.strong_count() == 0
    }

    fn hash(&self, key: u128) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }

    fn shard(&self, key: u128) -> &Shard {
        &self.shards[self.hash(key)]
    }
}

impl Entry {
    fn show(&self, key: u128) -> ClientEntry {
        let used = self.used.load(Ordering::Relaxed);
        ClientEntry { key, server: self.server, since: self.since, used, streams: self.held.strong_count() }
    }

    /// Who goes first: the smallest.
    fn rank(&self) -> u64 {
        if self.held.strong_count() > 0 { u64::MAX } else { self.used.load(Ordering::Relaxed) }
    }
}

/// Removes a share of what was idle longest, but never `newcomer`, nor what is held unless `held` says so; says how
/// many.
fn evict<S: BuildHasher>(entries: &mut HashMap<u128, Entry, S>, newcomer: u128, held: bool) -> usize {
    let may = |(key, entry): &(&u128, &Entry)| **key != newcomer && (held || entry.rank() < u64::MAX);
    let others = entries.iter().filter(may);
    let mut others: Vec<(u64, u128)> = others.map(|(key, entry)| (entry.rank(), *key)).collect();
    if others.is_empty() {
        return 0;
    }
    let room = others.len().div_ceil(ROOM);
    others.select_nth_unstable(room - 1);
    for (_, key) in &others[..room] {
        entries.remove(key);
    }
    room
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
