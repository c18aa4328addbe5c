//! Buckets by key: sharded, so that workers rarely meet, and bounded. A key is kept as its keyed hash of 64 bits:
//! no text of a client is stored, and nobody can choose two keys that meet.
//!
//! When a shard is full, buckets that are full again go (nothing is lost with them), and if there are none, those
//! that are nearest to it: a newcomer never evicts the one who is being held back most.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
/// One of this many buckets of a full shard goes at a time, so that making room is rare.
const ROOM: usize = 16;

type Shard = HashMap<u64, u64, foldhash::fast::RandomState>;

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    most_in_shard: usize,
    hasher: RandomState,
}

impl Table {
    /// An empty table for about `most` buckets.
    pub(super) fn new(most: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most_in_shard: (most / SHARDS).max(1),
            hasher: RandomState::new(),
        }
    }

    /// Works on the bucket of `key`: the moment at which it is full, which for a new one is now.
    pub(super) fn with<T>(&self, key: &[u8], now: u64, work: impl FnOnce(&mut u64) -> T) -> T {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(&self.shards[hash as usize % SHARDS]);
        if shard.len() >= self.most_in_shard && !shard.contains_key(&hash) {
            make_room(&mut shard, now);
        }
        work(shard.entry(hash).or_insert(now))
    }

    /// How many buckets there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

fn make_room(shard: &mut Shard, now: u64) {
    let before = shard.len();
    shard.retain(|_, full_at| *full_at > now);
    let room = before.div_ceil(ROOM);
    if before - shard.len() >= room {
        return;
    }
    let mut moments: Vec<u64> = shard.values().copied().collect();
    let last = room.min(moments.len()) - 1;
    let (_, &mut latest, _) = moments.select_nth_unstable(last);
    shard.retain(|_, full_at| *full_at > latest);
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(table: &Table, keys: std::ops::Range<u32>, now: u64, full_at: impl Fn(u32) -> u64) {
        for key in keys {
            table.with(&key.to_le_bytes(), now, |moment| *moment = full_at(key));
        }
    }

    #[test]
    fn a_table_is_bounded_and_keeps_those_who_are_held_back() {
        let table = Table::new(6400);
        fill(&table, 0..100, 0, |_| 1_000_000);
        fill(&table, 100..100_000, 0, |_| 500);
        assert!(table.len() <= 6400, "{}", table.len());
        let held =
            (0..100_u32).filter(|key| table.with(&key.to_le_bytes(), 0, |moment| *moment) == 1_000_000);
        assert_eq!(held.count(), 100, "the flood evicted those who are limited");
    }

    #[test]
    fn idle_buckets_make_room_first() {
        let table = Table::new(6400);
        fill(&table, 0..100_000, 0, |key| if key % 2 == 0 { 10 } else { 100 });
        fill(&table, 100_000..200_000, 50, |_| 70);
        assert!(table.len() <= 6400);
        fill(&table, 200_000..200_001, 1000, |_| 2000);
        assert_eq!(table.with(&200_000_u32.to_le_bytes(), 1000, |moment| *moment), 2000);
    }
}
