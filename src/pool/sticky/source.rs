//! A table of client addresses: which server each client is on. For clients that keep no cookies (devices).
//!
//! Sharded by the masked address, so that workers rarely meet; a hit takes a shard's read lock and stamps an
//! atomic. Bounded: when it is full, entries that are out of date go first, then those that were idle longest in
//! the shard of the newcomer.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::super::server::ServerId;

const SHARDS: usize = 64;
/// One of this many entries of a full shard goes at a time, so that making room is rare.
const ROOM: usize = 16;

type Shard = RwLock<HashMap<IpAddr, Entry, foldhash::fast::RandomState>>;

/// Clients by masked address.
#[derive(Debug)]
pub struct SourceTable {
    shards: Box<[Shard]>,
    hasher: foldhash::fast::RandomState,
    mask_v4: u8,
    mask_v6: u8,
    ttl: AtomicU64,
    max_entries: AtomicUsize,
    count: AtomicUsize,
}

/// One client, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEntry {
    /// The masked address.
    pub address: IpAddr,
    /// Its server.
    pub server: ServerId,
    /// When it first came (unix seconds).
    pub since: u64,
    /// When it last came (unix seconds).
    pub used: u64,
}

#[derive(Debug)]
struct Entry {
    server: ServerId,
    since: u64,
    used: AtomicU64,
}

impl SourceTable {
    /// An empty table.
    pub fn new(mask_v4: u8, mask_v6: u8, ttl: Duration, max_entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            mask_v4,
            mask_v6,
            ttl: AtomicU64::new(ttl.as_secs()),
            max_entries: AtomicUsize::new(max_entries),
            count: AtomicUsize::new(0),
        }
    }

    /// The bits of an IPv4 and of an IPv6 address that count.
    pub fn masks(&self) -> (u8, u8) {
        (self.mask_v4, self.mask_v6)
    }

    /// How many entries there are, those that are out of date included.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An entry's life after its last use, and the most entries.
    pub fn limits(&self) -> (Duration, usize) {
        (Duration::from_secs(self.ttl.load(Ordering::Relaxed)), self.max_entries.load(Ordering::Relaxed))
    }

    /// A client's server, if it came within the time; that counts as a use.
    pub fn find(&self, client: IpAddr, now: u64) -> Option<ServerId> {
        let key = self.mask(client);
        let shard = read(self.shard(key));
        let entry = shard.get(&key).filter(|entry| !self.is_stale(entry, now))?;
        // Not written again within the second: a busy client's line stays shared between workers.
        if entry.used.load(Ordering::Relaxed) < now {
            entry.used.store(now, Ordering::Relaxed);
        }
        Some(entry.server)
    }

    /// A client's entry, if it came within the time; looking is no use.
    pub fn get(&self, client: IpAddr, now: u64) -> Option<SourceEntry> {
        let key = self.mask(client);
        let shard = read(self.shard(key));
        shard.get(&key).filter(|entry| !self.is_stale(entry, now)).map(|entry| entry.show(key))
    }

    /// Puts a client on a server.
    pub fn put(&self, client: IpAddr, server: ServerId, now: u64) {
        let max = self.max_entries.load(Ordering::Relaxed);
        if max == 0 {
            return;
        }
        let key = self.mask(client);
        let shard = self.shard(key);
        let mut entries = write(shard);
        let entry = Entry { server, since: now, used: AtomicU64::new(now) };
        if entries.insert(key, entry).is_some() {
            return;
        }
        let over = (self.count.fetch_add(1, Ordering::Relaxed) + 1).saturating_sub(max);
        if over == 0 {
            return;
        }
        let gone = make_room(&mut entries, key, |entry| self.is_stale(entry, now));
        drop(entries);
        self.count.fetch_sub(gone, Ordering::Relaxed);
        if gone < over {
            self.shrink(max, key, now);
        }
    }

    /// The entries that are in date and pass, at most `limit`.
    pub fn list(&self, now: u64, limit: usize, pass: impl Fn(&SourceEntry) -> bool) -> Vec<SourceEntry> {
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
    pub fn clear(&self, pass: impl Fn(&SourceEntry) -> bool) -> usize {
        self.retain(|&key, entry| !pass(&entry.show(key)))
    }

    /// Forgets one client; says whether it was known.
    pub fn remove(&self, client: IpAddr) -> bool {
        let key = self.mask(client);
        let was = write(self.shard(key)).remove(&key).is_some();
        self.count.fetch_sub(usize::from(was), Ordering::Relaxed);
        was
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
            stamps.extend(read(shard).values().map(|entry| entry.used.load(Ordering::Relaxed)));
        }
        if stamps.len() <= max_entries {
            return;
        }
        stamps.sort_unstable_by(|a, b| b.cmp(a));
        let oldest_kept = max_entries.checked_sub(1).map_or(u64::MAX, |last| stamps[last]);
        let mut equals = max_entries - stamps.iter().take_while(|&&stamp| stamp > oldest_kept).count();
        self.retain(|_, entry| match entry.used.load(Ordering::Relaxed) {
            used if used == oldest_kept && equals > 0 => {
                equals -= 1;
                true
            }
            used => used > oldest_kept,
        });
    }

    /// Takes entries from other shards until there are few enough: a small table is spread thin.
    fn shrink(&self, max: usize, newcomer: IpAddr, now: u64) {
        let first = self.hash(newcomer);
        for step in 1..=SHARDS {
            if self.len() <= max {
                return;
            }
            let mut entries = write(&self.shards[(first + step) % SHARDS]);
            let gone = make_room(&mut entries, newcomer, |entry| self.is_stale(entry, now));
            self.count.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    fn retain(&self, mut keep: impl FnMut(&IpAddr, &Entry) -> bool) -> usize {
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
        now.saturating_sub(entry.used.load(Ordering::Relaxed)) > self.ttl.load(Ordering::Relaxed)
    }

    fn mask(&self, client: IpAddr) -> IpAddr {
        match client.to_canonical() {
            IpAddr::V4(ip) => {
                let keep = u32::MAX.checked_shl(32 - u32::from(self.mask_v4.min(32))).unwrap_or(0);
                Ipv4Addr::from_bits(ip.to_bits() & keep).into()
            }
            IpAddr::V6(ip) => {
                let keep = u128::MAX.checked_shl(128 - u32::from(self.mask_v6.min(128))).unwrap_or(0);
                Ipv6Addr::from_bits(ip.to_bits() & keep).into()
            }
        }
    }

    fn hash(&self, key: IpAddr) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }

    fn shard(&self, key: IpAddr) -> &Shard {
        &self.shards[self.hash(key)]
    }
}

impl Entry {
    fn show(&self, address: IpAddr) -> SourceEntry {
        let used = self.used.load(Ordering::Relaxed);
        SourceEntry { address, server: self.server, since: self.since, used }
    }
}

/// Removes what is out of date, or else a share of what was idle longest, but never `newcomer`; says how many.
fn make_room<S: BuildHasher>(
    entries: &mut HashMap<IpAddr, Entry, S>,
    newcomer: IpAddr,
    is_stale: impl Fn(&Entry) -> bool,
) -> usize {
    let before = entries.len();
    entries.retain(|_, entry| !is_stale(entry));
    if entries.len() < before {
        return before - entries.len();
    }
    let mut others: Vec<(u64, IpAddr)> = entries
        .iter()
        .filter(|(key, _)| **key != newcomer)
        .map(|(key, entry)| (entry.used.load(Ordering::Relaxed), *key))
        .collect();
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
mod tests {
    use super::*;

    const A: ServerId = ServerId(1);
    const B: ServerId = ServerId(2);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn table(max: usize) -> SourceTable {
        SourceTable::new(32, 64, Duration::from_secs(100), max)
    }

    fn nth(i: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0A00_0000 + i).into()
    }

    #[test]
    fn an_entry_lives_from_its_last_use() {
        let table = table(10);
        assert_eq!(table.find(ip("10.0.0.1"), 1000), None);
        table.put(ip("10.0.0.1"), A, 1000);
        assert_eq!(table.find(ip("10.0.0.1"), 1100), Some(A));
        assert_eq!(table.find(ip("10.0.0.1"), 1200), Some(A), "the use at 1100 counts");
        assert!(table.get(ip("10.0.0.1"), 1300).is_some(), "looking");
        assert_eq!(table.find(ip("10.0.0.1"), 1301), None, "is no use");
        table.put(ip("10.0.0.1"), B, 1301);
        assert_eq!((table.find(ip("10.0.0.1"), 1301), table.len()), (Some(B), 1));
    }

    #[test]
    fn masks_join_clients() {
        let check = |v4, v6, a: &str, b: &str, same: bool| {
            let table = SourceTable::new(v4, v6, Duration::from_secs(100), 10);
            table.put(ip(a), A, 0);
            assert_eq!(table.find(ip(b), 0).is_some(), same, "{a} {b} /{v4} /{v6}");
        };
        check(32, 64, "10.0.0.1", "10.0.0.2", false);
        check(24, 64, "10.0.0.1", "10.0.0.2", true);
        check(24, 64, "10.0.0.1", "10.0.1.1", false);
        check(0, 64, "10.0.0.1", "192.0.2.1", true);
        check(32, 64, "2001:db8::1", "2001:db8::ffff", true);
        check(32, 64, "2001:db8::1", "2001:db8:0:1::1", false);
        check(32, 128, "2001:db8::1", "2001:db8::2", false);
        check(32, 0, "2001:db8::1", "::1", true);
        check(32, 64, "10.0.0.1", "::ffff:10.0.0.1", true);
    }

    #[test]
    fn it_never_grows_over_its_bound() {
        for max in [1, 7, 64, 1000] {
            let table = table(max);
            for i in 0..3000 {
                table.put(nth(i), A, 1000);
                assert!(table.len() <= max, "{} of {max}", table.len());
                assert_eq!(table.find(nth(i), 1000), Some(A), "the newest is there");
            }
            let counted: usize = table.shards.iter().map(|shard| read(shard).len()).sum();
            assert_eq!(counted, table.len());
            assert!(table.len() > max / 2, "{} of {max}: too much went", table.len());
        }
    }

    #[test]
    fn who_is_idle_goes_first() {
        let table = table(640);
        for i in 0..640 {
            table.put(nth(i), A, u64::from(1000 + i % 2));
        }
        for i in 640..700 {
            table.put(nth(i), A, 1010);
        }
        // Odd ones were used later: no shard gave one up while it still held an even one.
        let mut gone = 0;
        for shard in 0..SHARDS {
            let of =
                |parity| (0..640).filter(move |i| i % 2 == parity).filter(|&i| table.hash(nth(i)) == shard);
            let alive = |i: u32| table.get(nth(i), 1010).is_some();
            let later_gone = of(1).filter(|&i| !alive(i)).count();
            let earlier_left = of(0).filter(|&i| alive(i)).count();
            assert!(
                later_gone == 0 || earlier_left == 0,
                "shard {shard}: {later_gone} gone, {earlier_left} left"
            );
            gone += later_gone + of(0).count() - earlier_left;
        }
        assert!(gone > 0 && table.len() <= 640, "{gone} gone, {} left", table.len());
    }

    #[test]
    fn lower_limits_keep_those_used_last() {
        let table = table(1000);
        for i in 0..100 {
            table.put(nth(i), A, u64::from(1000 + i / 2));
        }
        table.limit(Duration::from_secs(100), 15);
        assert_eq!(table.len(), 15);
        assert!((86..100).all(|i| table.get(nth(i), 1050).is_some()));
        table.limit(Duration::from_secs(3), 1000);
        assert_eq!(table.len(), 15);
        assert_eq!(table.sweep(1049 + 3), 15 - 2);
        table.limit(Duration::from_secs(3), 0);
        table.put(nth(1), A, 1050);
        assert!(table.is_empty());
    }

    #[test]
    fn listing_and_clearing() {
        let table = table(1000);
        for i in 0..50 {
            table.put(nth(i), if i % 5 == 0 { B } else { A }, 1000);
        }
        assert_eq!(table.list(1000, 3, |_| true).len(), 3);
        assert_eq!(table.list(1000, 99, |entry| entry.server == B).len(), 10);
        assert_eq!(table.list(5000, 99, |_| true).len(), 0, "out of date");
        assert_eq!(table.clear(|entry| entry.server == B), 10);
        assert_eq!(table.len(), 40);
        assert!(table.remove(nth(1)));
        assert!(!table.remove(nth(1)));
        assert_eq!(table.len(), 39);
    }
}
