//! Counts of requests, one shard per worker: only its worker writes a shard, so an increment is a relaxed load and
//! a relaxed store (a quarter of a nanosecond) and no cache line is written by two cores.
//!
//! Readers sum over the shards; a sum is never torn, at most a few increments late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::seldom::Seldom;
use super::timing::Timing;

/// Counts of one thing (a pool, a server, a route).
#[derive(Debug)]
pub struct Counters {
    shards: Box<[Shard]>,
    /// What happens seldom.
    pub seldom: Seldom,
}

impl Counters {
    /// Zeroes for this many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        let shards = (0..workers.max(1)).map(|_| Shard::default()).collect();
        Arc::new(Self { shards, seldom: Seldom::default() })
    }

    /// The shard of a worker. Only that worker may write to it; an index beyond the last wraps around, which may
    /// lose counts but never corrupts them.
    pub fn shard(&self, worker: usize) -> &Shard {
        of_worker(&self.shards, worker)
    }

    /// How many shards there are.
    pub fn workers(&self) -> usize {
        self.shards.len()
    }

    /// The sum over all workers.
    pub fn total(&self) -> Totals {
        let mut totals = Totals::default();
        for shard in &self.shards {
            shard.add_to(&mut totals);
        }
        totals
    }
}

/// One worker's counts. Written by that worker only.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Shard {
    requests: AtomicU64,
    classes: [AtomicU64; 6],
    retries: AtomicU64,
    redispatches: AtomicU64,
    sticky_hits: AtomicU64,
    sticky_misses: AtomicU64,
    failures: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    latency: Timing,
}

impl Shard {
    /// A request arrived.
    pub fn request(&self) {
        add(&self.requests, 1);
    }

    /// A response began, this long after its request; of a server, after it was sent to it.
    pub fn response(&self, status: u16, micros_to_first_byte: u64) {
        add(&self.classes[class(status)], 1);
        self.latency.record(micros_to_first_byte);
    }

    /// A request was sent again.
    pub fn retry(&self) {
        add(&self.retries, 1);
    }

    /// A sticky client was moved to another server.
    pub fn redispatch(&self) {
        add(&self.redispatches, 1);
    }

    /// Stickiness named the server.
    pub fn sticky_hit(&self) {
        add(&self.sticky_hits, 1);
    }

    /// Stickiness was asked and knew nothing.
    pub fn sticky_miss(&self) {
        add(&self.sticky_misses, 1);
    }

    /// A request failed without a response from a server.
    pub fn failure(&self) {
        add(&self.failures, 1);
    }

    /// Bytes went to a server (`up`) and came from it (`down`).
    pub fn bytes(&self, up: u64, down: u64) {
        add(&self.bytes_up, up);
        add(&self.bytes_down, down);
    }

    fn add_to(&self, totals: &mut Totals) {
        totals.requests += read(&self.requests);
        for (sum, class) in totals.classes.iter_mut().zip(&self.classes) {
            *sum += read(class);
        }
        totals.retries += read(&self.retries);
        totals.redispatches += read(&self.redispatches);
        totals.sticky_hits += read(&self.sticky_hits);
        totals.sticky_misses += read(&self.sticky_misses);
        totals.failures += read(&self.failures);
        totals.bytes_up += read(&self.bytes_up);
        totals.bytes_down += read(&self.bytes_down);
        self.latency.add_to(&mut totals.latency);
    }
}

/// Sums over all workers at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests that arrived.
    pub requests: u64,
    /// Responses by class: index 2 is 2xx; 0 is what is no class.
    pub classes: [u64; 6],
    /// Requests that were sent again.
    pub retries: u64,
    /// Sticky clients that were moved.
    pub redispatches: u64,
    /// Stickiness named the server.
    pub sticky_hits: u64,
    /// Stickiness knew nothing.
    pub sticky_misses: u64,
    /// Requests that failed without a response.
    pub failures: u64,
    /// Bytes to servers.
    pub bytes_up: u64,
    /// Bytes from servers.
    pub bytes_down: u64,
    /// Time to the first byte of a response; of a server, since it had the request.
    pub latency: Histogram,
}

impl Totals {
    /// The sum of both.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let mut classes = self.classes;
        classes.iter_mut().zip(&other.classes).for_each(|(sum, class)| *sum += class);
        Self {
            requests: self.requests + other.requests,
            classes,
            retries: self.retries + other.retries,
            redispatches: self.redispatches + other.redispatches,
            sticky_hits: self.sticky_hits + other.sticky_hits,
            sticky_misses: self.sticky_misses + other.sticky_misses,
            failures: self.failures + other.failures,
            bytes_up: self.bytes_up + other.bytes_up,
            bytes_down: self.bytes_down + other.bytes_down,
            latency: self.latency.and(&other.latency),
        }
    }

    /// Responses of all classes.
    pub fn responses(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// A quantile of the time to first byte.
    pub fn quantile(&self, q: f64) -> Duration {
        self.latency.quantile(q)
    }
}

/// The class of a status; 0 for what has none.
pub(super) fn class(status: u16) -> usize {
    let class = usize::from(status / 100);
    if class < 6 { class } else { 0 }
}

/// A worker's shard; without a division where every worker has its own.
pub(super) fn of_worker<T>(shards: &[T], worker: usize) -> &T {
    // Asked for several times a request: a division each would be what a counter costs ten times over.
    shards.get(worker).unwrap_or_else(|| &shards[worker % shards.len()])
}

/// By the one writer of a counter.
pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_sum_what_each_worker_counted() {
        let counters = Counters::new(3);
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let shard = counters.shard(worker);
                scope.spawn(move || {
                    for i in 0..10_000_u64 {
                        shard.request();
                        shard.response(if i % 10 == 0 { 503 } else { 200 }, i);
                        shard.bytes(2, 3);
                    }
                });
            }
        });
        let totals = counters.total();
        assert_eq!(totals.requests, 30_000);
        assert_eq!((totals.classes[2], totals.classes[5]), (27_000, 3_000));
        assert_eq!((totals.bytes_up, totals.bytes_down), (60_000, 90_000));
        assert_eq!(totals.latency.count(), 30_000);
        assert_eq!(totals.latency.sum_micros, 3 * (0..10_000_u64).sum::<u64>());
    }

    #[test]
    fn a_status_without_a_class_is_counted_as_none() {
        let counters = Counters::new(1);
        counters.shard(0).response(999, 1);
        counters.shard(0).response(101, 1);
        let totals = counters.total();
        assert_eq!((totals.classes[0], totals.classes[1], totals.responses()), (1, 1, 2));
    }

    #[test]
    fn shards_share_no_cache_line() {
        let counters = Counters::new(2);
        let distance =
            std::ptr::from_ref(counters.shard(1)).addr() - std::ptr::from_ref(counters.shard(0)).addr();
        assert_eq!(distance % 128, 0);
        assert_eq!(std::ptr::from_ref(counters.shard(0)).addr() % 128, 0);
    }
}
