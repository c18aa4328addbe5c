//! What the tables remember, over a restart: one file in the state directory.
//!
//! `lbd sticky 1\n`, then for each table: the pool's name and what the table is by (each with its length, 2 bytes),
//! the number of entries (8 bytes), the entries (key 16, server 8, since 8, used 8 bytes, big endian; the highest bit of
//! `since` says that an operator put the client there); at the end SHA-256 over all before. A file that does not match its sum is not read: who is not remembered is balanced anew.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::keyed::{ClientKey, TablePolicy};
use super::keys::write_atomically;
use super::table::ClientEntry;
use crate::pool::pool::Pool;
use crate::pool::server::ServerId;

const FILE: &str = "sticky.entries";
const MAGIC: &[u8] = b"lbd sticky 1\n";
const SUM: usize = 32;
const ENTRY: usize = 40;
const PLACED: u64 = 1 << 63;

/// Entries from before the start, waiting for their pools.
#[derive(Debug, Default)]
pub struct Remembered {
    bytes: Vec<u8>,
    /// By pool and definition: where the entries stand.
    tables: HashMap<(String, String), std::ops::Range<usize>>,
}

/// Why nothing is remembered.
#[derive(Debug)]
pub enum Unreadable {
    /// The file cannot be read.
    Io(io::Error),
    /// It is not whole, or of another version.
    Torn,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{FILE}: {error}"),
            Self::Torn => write!(f, "{FILE}: it is not whole"),
        }
    }
}

impl Remembered {
    /// Reads the file of a state directory; nothing, when there is none.
    pub fn load(state_dir: &Path) -> Result<Self, Unreadable> {
        match std::fs::read(state_dir.join(FILE)) {
            Ok(bytes) => Self::parse(bytes).ok_or(Unreadable::Torn),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Unreadable::Io(error)),
        }
    }

    /// Writes the tables of these pools into a state directory, all or nothing. To be called where waiting for a disk
    /// hurts nobody.
    pub fn save(state_dir: &Path, pools: &[Arc<Pool>], now: u64) -> io::Result<usize> {
        let (bytes, count) = Self::gather(pools, now, 0);
        write_atomically(&state_dir.join(FILE), &bytes)?;
        Ok(count)
    }

    /// The same as bytes, for another process: the entries that were used at that time (unix seconds) or later.
    pub fn dump(pools: &[Arc<Pool>], now: u64, used: u64) -> Vec<u8> {
        Self::gather(pools, now, used).0
    }

    /// What another process dumped; nothing, when it is not whole.
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        Self::parse(bytes)
    }

    fn gather(pools: &[Arc<Pool>], now: u64, used: u64) -> (Vec<u8>, usize) {
        let mut bytes = MAGIC.to_vec();
        let mut count = 0;
        for pool in pools {
            for policy in pool.sticky.iter().filter_map(super::Sticky::table_policy) {
                text(&pool.name, &mut bytes);
                text(&definition(&policy.by), &mut bytes);
                let (at, mut entries) = (bytes.len(), 0_u64);
                bytes.extend_from_slice(&entries.to_be_bytes());
                if used == 0 {
                    bytes.reserve(policy.table.len() * ENTRY + SUM);
                }
                policy.table.each(now, |entry| {
                    if entry.used >= used || entry.since >= used {
                        write(entry, &mut bytes);
                        entries += 1;
                    }
                });
                bytes[at..at + 8].copy_from_slice(&entries.to_be_bytes());
                count += entries as usize;
            }
        }
        let sum = digest(&SHA256, &bytes);
        bytes.extend_from_slice(sum.as_ref());
        (bytes, count)
    }

    /// Gives a pool's tables what is remembered of them, as far as it is in date; says how many entries.
    pub fn fill(&self, pool: &Pool, now: u64) -> usize {
        let policies = pool.sticky.iter().filter_map(super::Sticky::table_policy);
        policies.map(|policy| self.fill_table(&pool.name, policy, now)).sum()
    }

    /// The same for pools that are in use: an entry that was used later here, or that an operator placed here, stays.
    pub fn merge(&self, pool: &Pool, now: u64) -> usize {
        let mut taken = 0;
        for policy in pool.sticky.iter().filter_map(super::Sticky::table_policy) {
            let Some(range) = self.tables.get(&(pool.name.to_string(), definition(&policy.by))) else {
                continue;
            };
            for entry in self.bytes[range.clone()].chunks_exact(ENTRY).filter_map(read) {
                let entry = ClientEntry { used: entry.used.min(now), ..entry };
                let newer = |known: ClientEntry| known.used < entry.used || (entry.placed && !known.placed);
                if policy.table.get(entry.key, now).is_none_or(newer) {
                    policy.table.enter(&entry, now);
                    taken += 1;
                }
            }
        }
        taken
    }

    fn fill_table(&self, pool: &str, policy: &TablePolicy, now: u64) -> usize {
        let Some(range) = self.tables.get(&(pool.to_owned(), definition(&policy.by))) else { return 0 };
        let ttl = policy.ttl.as_secs();
        policy.table.reserve(range.len() / ENTRY);
        let entries = self.bytes[range.clone()].chunks_exact(ENTRY).filter_map(read);
        let alive = entries.filter(|entry| now.saturating_sub(entry.used) <= ttl);
        // A clock that was put back must not make entries that never grow old.
        alive
            .map(|entry| policy.table.enter(&ClientEntry { used: entry.used.min(now), ..entry }, now))
            .count()
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let end = bytes.len().checked_sub(SUM)?;
        let (content, sum) = bytes.split_at(end);
        if digest(&SHA256, content).as_ref() != sum {
            return None;
        }
        let mut tables = HashMap::new();
        let mut rest = content.strip_prefix(MAGIC)?;
        while !rest.is_empty() {
            let pool = take_text(&mut rest)?;
            let by = take_text(&mut rest)?;
            let count = usize::try_from(u64::from_be_bytes(take(&mut rest)?)).ok()?;
            let length = count.checked_mul(ENTRY)?;
            let start = end - rest.len();
            rest = rest.get(length..)?;
            tables.insert((pool, by), start..start + length);
        }
        Some(Self { tables, bytes })
    }
}

/// What a table is by: entries of another definition mean something else.
fn definition(by: &ClientKey) -> String {
    match by {
        ClientKey::SourceIp { mask_v4, mask_v6 } => format!("source-ip/{mask_v4}/{mask_v6}"),
        ClientKey::Header(name) => format!("header/{name}"),
        ClientKey::Learned { from, name, .. } => format!("learn/{}/{name}", from.as_str()),
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    let text = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(take(rest)?));
    let (text, left) = rest.split_at_checked(length)?;
    *rest = left;
    String::from_utf8(text.to_vec()).ok()
}

fn write(entry: &ClientEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(&entry.key.to_be_bytes());
    let since = entry.since & !PLACED | if entry.placed { PLACED } else { 0 };
    for number in [entry.server.0, since, entry.used] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn read(mut bytes: &[u8]) -> Option<ClientEntry> {
    let key = u128::from_be_bytes(take(&mut bytes)?);
    let server = ServerId(u64::from_be_bytes(take(&mut bytes)?));
    let since = u64::from_be_bytes(take(&mut bytes)?);
    let used = u64::from_be_bytes(take(&mut bytes)?);
    Some(ClientEntry { key, server, since: since & !PLACED, used, streams: 0, placed: since & PLACED != 0 })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::pool::testing::{settings, source};
    use crate::pool::{OnDown, PoolSettings, StickySettings};

    const NOW: u64 = 1_800_000_000;

    fn pool(sticky: StickySettings) -> Arc<Pool> {
        Arc::new(Pool::new(PoolSettings { sticky: vec![sticky], ..settings(&["a", "b"]) }, None, 1))
    }

    fn header(name: &str, max_entries: usize) -> StickySettings {
        let StickySettings::Table(table) = source(OnDown::Redispatch) else { unreachable!("a table") };
        StickySettings::Table(crate::pool::TableSettings {
            by: ClientKey::Header(name.into()),
            max_entries,
            ..table
        })
    }

    fn entries(pool: &Pool, now: u64) -> Vec<ClientEntry> {
        let mut found = pool.sticky[0].table().expect("a table").list(now, usize::MAX, |_| true);
        found.sort_unstable_by_key(|entry| entry.key);
        found
    }

    fn some(pool: &Pool) {
        for i in 0..100_u64 {
            let entry = ClientEntry {
                key: u128::from(i),
                server: ServerId::of(if i % 3 == 0 { "a" } else { "b" }),
                since: NOW - 5000 + i,
                used: NOW - i,
                streams: 0,
                placed: i % 7 == 0,
            };
            pool.sticky[0].table().expect("a table").enter(&entry, NOW);
        }
    }

    #[test]
    fn entries_outlive_a_restart_in_their_own_table() {
        let dir = tempfile::tempdir().unwrap();
        let before = pool(source(OnDown::Redispatch));
        some(&before);
        assert_eq!(Remembered::save(dir.path(), std::slice::from_ref(&before), NOW).unwrap(), 100);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
        let remembered = Remembered::load(dir.path()).unwrap();
        let after = pool(source(OnDown::Redispatch));
        assert_eq!(remembered.fill(&after, NOW), 100);
        assert_eq!(entries(&after, NOW), entries(&before, NOW));
        let late = pool(source(OnDown::Redispatch));
        assert_eq!(remembered.fill(&late, NOW + 1800 - 50), 51, "the others grew old meanwhile");
        let other = pool(header("x-device", 1000));
        assert_eq!(remembered.fill(&other, NOW), 0, "keys of another kind");
        let put_back = pool(source(OnDown::Redispatch));
        remembered.fill(&put_back, NOW - 1000);
        assert!(entries(&put_back, NOW - 1000).iter().all(|entry| entry.used <= NOW - 1000));
        assert_eq!(Remembered::load(&dir.path().join("none")).unwrap().fill(&after, NOW), 0);
    }

    #[test]
    fn what_another_process_used_later_counts_and_nothing_else_changes() {
        let (theirs, ours) = (pool(source(OnDown::Redispatch)), pool(source(OnDown::Redispatch)));
        let enter = |pool: &Pool, key, server: &str, used| {
            let server = ServerId::of(server);
            let entry = ClientEntry { key, server, since: NOW - 900, used, streams: 0, placed: false };
            pool.sticky[0].table().expect("a table").enter(&entry, NOW);
        };
        for key in 1..=3 {
            enter(&theirs, key, "a", NOW - 10 * key as u64);
        }
        enter(&ours, 1, "b", NOW - 5);
        enter(&ours, 2, "b", NOW - 50);
        let dump = Remembered::dump(std::slice::from_ref(&theirs), NOW, NOW - 20);
        let dump = Remembered::read(dump).unwrap();
        assert_eq!(dump.merge(&ours, NOW), 1);
        let servers: Vec<_> = entries(&ours, NOW).iter().map(|entry| (entry.key, entry.server)).collect();
        assert_eq!(servers, [(1, ServerId::of("b")), (2, ServerId::of("a"))], "the third was used too early");
    }

    #[test]
    fn a_file_that_is_not_whole_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let before = pool(source(OnDown::Redispatch));
        some(&before);
        Remembered::save(dir.path(), std::slice::from_ref(&before), NOW).unwrap();
        let file = dir.path().join(FILE);
        let whole = std::fs::read(&file).unwrap();
        for cut in [0, 1, 12, 13, 500, whole.len() - 33, whole.len() - 1] {
            std::fs::write(&file, &whole[..cut]).unwrap();
            assert!(matches!(Remembered::load(dir.path()), Err(Unreadable::Torn)), "cut at {cut}");
        }
        for at in [0, 14, 20, 100, whole.len() - 1] {
            let mut bent = whole.clone();
            bent[at] ^= 1;
            std::fs::write(&file, &bent).unwrap();
            assert!(matches!(Remembered::load(dir.path()), Err(Unreadable::Torn)), "changed at {at}");
        }
    }

    #[test]
    fn a_count_that_lies_is_no_panic() {
        for count in [u64::MAX, 1, u64::MAX / 40] {
            let mut bytes = MAGIC.to_vec();
            text("app", &mut bytes);
            text("source-ip/32/64", &mut bytes);
            bytes.extend_from_slice(&count.to_be_bytes());
            let sum = digest(&SHA256, &bytes);
            bytes.extend_from_slice(sum.as_ref());
            assert!(Remembered::parse(bytes).is_none(), "{count}");
        }
    }

    /// A million entries: `cargo test --release -- --ignored a_million` shows the time of each step.
    #[test]
    #[ignore = "a measurement"]
    fn a_million_entries_are_there_at_once() {
        const MANY: u64 = 1_000_000;
        let dir = tempfile::tempdir().unwrap();
        let before = pool(header("x-device", MANY as usize));
        let table = before.sticky[0].table().expect("a table");
        for i in 0..MANY {
            table.put(super::super::digest(&i.to_be_bytes()), ServerId::of("a"), NOW);
        }
        let saving = Instant::now();
        Remembered::save(dir.path(), std::slice::from_ref(&before), NOW).unwrap();
        let saving = saving.elapsed();
        let loading = Instant::now();
        let after = pool(header("x-device", MANY as usize));
        assert_eq!(Remembered::load(dir.path()).unwrap().fill(&after, NOW), MANY as usize);
        let loading = loading.elapsed();
        println!("saved in {saving:?}, loaded in {loading:?}");
        assert!(loading < Duration::from_secs(if cfg!(debug_assertions) { 120 } else { 10 }), "{loading:?}");
    }
}
