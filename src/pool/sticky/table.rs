//! A table of clients: which server each is on, by a key of 128 bits ([`super::ClientKey`] makes them).
//!
//! Who looks takes no lock: a hit is a look-up in a concurrent map and, once a second, a stamp. Who adds, moves or
//! removes takes the lock of one of many shards. Bounded: when it is full, entries that are out of date go first, then
//! those that were idle longest in the shard of the newcomer, and those that an open stream holds go last.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::super::server::ServerId;

const SHARDS: usize = 64;
/// One of this many entries of a full shard goes at a time, so that making room is rare.
const ROOM: usize = 16;

/// Clients by key.
#[derive(Debug)]
pub struct ClientTable {
    shards: Box<[Shard]>,
    hasher: foldhash::fast::RandomState,
    ttl: AtomicU64,
    max_entries: AtomicUsize,
    count: AtomicUsize,
    evicted: AtomicU64,
    changes: AtomicU64,
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
    /// An operator put it there: it does not go home by itself.
    pub placed: bool,
}

#[derive(Debug, Default)]
struct Shard {
    entries: papaya::HashMap<u128, Entry, foldhash::fast::RandomState>,
    writing: Mutex<()>,
}

/// Changed in place, under its shard's lock, but for `used`.
#[derive(Debug)]
struct Entry {
    server: AtomicU64,
    since: AtomicU64,
    used: AtomicU64,
    placed: AtomicBool,
    /// Every hold is a clone of it.
    held: OnceLock<Arc<()>>,
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
            changes: AtomicU64::new(0),
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

    /// How often entries came, went to another server, or left; uses are not counted.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// An entry's life after its last use, and the most entries.
    pub fn limits(&self) -> (Duration, usize) {
        (Duration::from_secs(self.ttl.load(Ordering::Relaxed)), self.max_entries.load(Ordering::Relaxed))
    }

    /// A client's server, if it came within the time; that counts as a use.
    pub fn find(&self, key: u128, now: u64) -> Option<ServerId> {
        self.place(key, now).map(|(server, _)| server)
    }

    /// The same, and whether an operator put it there.
    pub(super) fn place(&self, key: u128, now: u64) -> Option<(ServerId, bool)> {
        let entries = self.shard(key).entries.pin();
        let entry = entries.get(&key).filter(|entry| !self.is_stale(entry, now))?;
        // Not written again within the second: a busy client's line stays shared between workers.
        if entry.used.load(Ordering::Relaxed) < now {
            entry.used.store(now, Ordering::Relaxed);
        }
        Some((entry.server(), entry.placed.load(Ordering::Relaxed)))
    }

    /// A client's entry, if it came within the time; looking is no use.
    pub fn get(&self, key: u128, now: u64) -> Option<ClientEntry> {
        let entries = self.shard(key).entries.pin();
        entries.get(&key).filter(|entry| !self.is_stale(entry, now)).map(|entry| entry.show(key))
    }

    /// Puts a client on a server.
    pub fn put(&self, key: u128, server: ServerId, now: u64) {
        self.enter(&ClientEntry { key, server, since: now, used: now, streams: 0, placed: false }, now);
    }

    /// Puts a client on a server, with its past.
    pub fn enter(&self, entry: &ClientEntry, now: u64) {
        let max = self.max_entries.load(Ordering::Relaxed);
        if max == 0 {
            return;
        }
        let key = entry.key;
        let shard = self.shard(key);
        let writing = shard.write();
        if let Some(known) = shard.entries.pin().get(&key) {
            if known.take(entry) {
                self.note_change();
            }
            return;
        }
        shard.entries.pin().insert(key, Entry::of(entry));
        self.note_change();
        let over = (self.count.fetch_add(1, Ordering::Relaxed) + 1).saturating_sub(max);
        if over == 0 {
            return;
        }
        let gone = self.make_room(shard, key, now, false);
        drop(writing);
        if gone < over {
            self.shrink(max, key, now);
        }
    }

    /// So many are about to be entered: room is made once.
    pub(super) fn reserve(&self, count: usize) {
        let count = count.min(self.max_entries.load(Ordering::Relaxed));
        // Shards are not filled evenly.
        let each = count / SHARDS + count / SHARDS / 16;
        self.shards.iter().for_each(|shard| shard.entries.pin().reserve(each));
    }

    /// An operator puts a client that passes on another server; says whether it did.
    pub fn change(&self, key: u128, to: ServerId, pass: impl Fn(&ClientEntry) -> bool) -> bool {
        let shard = self.shard(key);
        let _writing = shard.write();
        let entries = shard.entries.pin();
        let Some(entry) = entries.get(&key).filter(|entry| pass(&entry.show(key))) else { return false };
        entry.server.store(to.0, Ordering::Relaxed);
        entry.placed.store(true, Ordering::Relaxed);
        self.note_change();
        true
    }

    /// Holds a client's entry until the result is dropped.
    pub(super) fn hold(&self, key: u128) -> Option<Arc<()>> {
        let shard = self.shard(key);
        let _writing = shard.write();
        shard.entries.pin().get(&key).map(|entry| Arc::clone(entry.held.get_or_init(Arc::default)))
    }

    /// The entries that are in date and pass, at most `limit`.
    pub fn list(&self, now: u64, limit: usize, pass: impl Fn(&ClientEntry) -> bool) -> Vec<ClientEntry> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let entries = shard.entries.pin();
            let alive = entries.iter().filter(|(_, entry)| !self.is_stale(entry, now));
            found.extend(alive.map(|(&key, entry)| entry.show(key)).filter(&pass).take(limit - found.len()));
            if found.len() == limit {
                break;
            }
        }
        found
    }

    /// Shows the entries that are in date, one by one.
    pub(super) fn each(&self, now: u64, mut see: impl FnMut(&ClientEntry)) {
        for shard in &self.shards {
            let entries = shard.entries.pin();
            let alive = entries.iter().filter(|(_, entry)| !self.is_stale(entry, now));
            alive.for_each(|(&key, entry)| see(&entry.show(key)));
        }
    }

    /// Forgets the entries that pass; says how many.
    pub fn clear(&self, pass: impl Fn(&ClientEntry) -> bool) -> usize {
        self.remove(|key, entry| pass(&entry.show(key)))
    }

    /// Forgets what is out of date; says how many.
    pub fn sweep(&self, now: u64) -> usize {
        self.remove(|_, entry| self.is_stale(entry, now))
    }

    /// New limits; what is too much goes, idle longest first.
    pub(in crate::pool) fn limit(&self, ttl: Duration, max_entries: usize) {
        self.ttl.store(ttl.as_secs(), Ordering::Relaxed);
        if self.max_entries.swap(max_entries, Ordering::Relaxed) <= max_entries {
            return;
        }
        let mut stamps: Vec<u64> = Vec::with_capacity(self.len());
        for shard in &self.shards {
            stamps.extend(shard.entries.pin().values().map(Entry::rank));
        }
        if stamps.len() <= max_entries {
            return;
        }
        stamps.sort_unstable_by(|a, b| b.cmp(a));
        let oldest_kept = max_entries.checked_sub(1).map_or(u64::MAX, |last| stamps[last]);
        let mut equals = max_entries - stamps.iter().take_while(|&&stamp| stamp > oldest_kept).count();
        let gone = self.remove(|_, entry| match entry.rank() {
            used if used == oldest_kept && equals > 0 => {
                equals -= 1;
                false
            }
            used => used <= oldest_kept,
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
            let shard = &self.shards[(first + step) % SHARDS];
            let _writing = shard.write();
            self.make_room(shard, newcomer, now, held);
        }
    }

    /// Removes what is out of date, or else a share of what was idle longest, but never `newcomer`, nor what is
    /// held unless `held` says so; says how many. The caller has the shard's lock.
    fn make_room(&self, shard: &Shard, newcomer: u128, now: u64, held: bool) -> usize {
        let mut gone = shard.remove(|_, entry| self.is_stale(entry, now));
        if gone == 0 {
            gone = shard.evict(newcomer, held);
            self.evicted.fetch_add(gone as u64, Ordering::Relaxed);
        }
        self.forget(gone);
        gone
    }

    fn remove(&self, mut pass: impl FnMut(u128, &Entry) -> bool) -> usize {
        let mut gone = 0;
        for shard in &self.shards {
            let _writing = shard.write();
            let here = shard.remove(&mut pass);
            self.forget(here);
            gone += here;
        }
        gone
    }

    fn forget(&self, count: usize) {
        if count > 0 {
            self.count.fetch_sub(count, Ordering::Relaxed);
            self.note_change();
        }
    }

    fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn is_stale(&self, entry: &Entry, now: u64) -> bool {
        let idle = now.saturating_sub(entry.used.load(Ordering::Relaxed));
        idle > self.ttl.load(Ordering::Relaxed) && entry.streams() == 0
    }

    fn hash(&self, key: u128) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }

    fn shard(&self, key: u128) -> &Shard {
        &self.shards[self.hash(key)]
    }
}

impl Shard {
    fn write(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what passes; says how many.
    fn remove(&self, mut pass: impl FnMut(u128, &Entry) -> bool) -> usize {
        let entries = self.entries.pin();
        let gone: Vec<u128> =
            entries.iter().filter(|(key, entry)| pass(**key, entry)).map(|(&key, _)| key).collect();
        gone.iter().filter(|key| entries.remove(*key).is_some()).count()
    }

    /// Removes a share of what was idle longest, but never `newcomer`, nor what is held unless `held` says so; says
    /// how many.
    fn evict(&self, newcomer: u128, held: bool) -> usize {
        let entries = self.entries.pin();
        let others = entries.iter().filter(|(key, _)| **key != newcomer);
        let ranked = others.map(|(&key, entry)| (entry.rank(), key));
        let mut others: Vec<(u64, u128)> = ranked.filter(|(rank, _)| held || *rank < u64::MAX).collect();
        if others.is_empty() {
            return 0;
        }
        let room = others.len().div_ceil(ROOM);
        others.select_nth_unstable(room - 1);
        others[..room].iter().filter(|(_, key)| entries.remove(key).is_some()).count()
    }
}

impl Entry {
    fn of(entry: &ClientEntry) -> Self {
        Self {
            server: AtomicU64::new(entry.server.0),
            since: AtomicU64::new(entry.since),
            used: AtomicU64::new(entry.used),
            placed: AtomicBool::new(entry.placed),
            held: OnceLock::new(),
        }
    }

    /// Becomes this; says whether that is news.
    fn take(&self, entry: &ClientEntry) -> bool {
        self.used.store(entry.used, Ordering::Relaxed);
        let moved = self.server() != entry.server;
        if moved {
            self.server.store(entry.server.0, Ordering::Relaxed);
            self.since.store(entry.since, Ordering::Relaxed);
            self.placed.store(entry.placed, Ordering::Relaxed);
        }
        moved || (entry.placed && !self.placed.swap(true, Ordering::Relaxed))
    }

    fn server(&self) -> ServerId {
        ServerId(self.server.load(Ordering::Relaxed))
    }

    fn streams(&self) -> usize {
        self.held.get().map_or(0, |held| Arc::strong_count(held) - 1)
    }

    fn show(&self, key: u128) -> ClientEntry {
        ClientEntry {
            key,
            server: self.server(),
            since: self.since.load(Ordering::Relaxed),
            used: self.used.load(Ordering::Relaxed),
            streams: self.streams(),
            placed: self.placed.load(Ordering::Relaxed),
        }
    }

    /// Who goes first: the smallest.
    fn rank(&self) -> u64 {
        if self.streams() > 0 { u64::MAX } else { self.used.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests;
