//! Live state of rate limits: who asked how often. Pure but for its locks: the time is given.
//!
//! A [`Limiter`] belongs to one limit of the configuration and lives on across reloads while the limit's numbers are
//! the same. A bucket is one number in a bounded, sharded table (`table`); an idle bucket is a full one, so
//! forgetting it changes nothing. [`Admission`] is the same for one bucket that all share.

mod admission;
mod bucket;
mod table;

use std::time::{Duration, Instant};

pub use admission::Admission;
pub use bucket::Terms;
use table::Table;

/// The most buckets of one limit.
const MOST_BUCKETS: usize = 131_072;

/// The buckets of one limit.
#[derive(Debug)]
pub struct Limiter {
    terms: Terms,
    /// Nanoseconds are counted from here.
    epoch: Instant,
    table: Table,
}

impl Limiter {
    /// Full buckets for everyone.
    pub fn new(terms: Terms) -> Self {
        Self { terms, epoch: Instant::now(), table: Table::new(MOST_BUCKETS) }
    }

    /// What it allows.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Takes a token from the bucket of `key`; how long to wait for one when there is none.
    pub fn take(&self, key: &[u8], now: Instant) -> Result<(), Duration> {
        let now = self.nanos(now);
        self.table.with(key, now, |filled_at| self.terms.take(filled_at, now)).map_err(Duration::from_nanos)
    }

    /// Gives a token back that was taken for a request which another limit refused.
    pub fn give_back(&self, key: &[u8], now: Instant) {
        self.table.with(key, self.nanos(now), |filled_at| self.terms.give_back(filled_at));
    }

    /// How many buckets it remembers.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_refills_and_belongs_to_its_key() {
        let limiter = Limiter::new(Terms::new(2, Duration::from_secs(1), 3));
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        assert!((0..3).all(|_| limiter.take(b"a", at(0)).is_ok()), "the burst");
        let wait = limiter.take(b"a", at(0)).unwrap_err();
        assert!(wait > Duration::from_millis(490) && wait <= Duration::from_millis(500), "{wait:?}");
        assert!(limiter.take(b"b", at(0)).is_ok(), "another's bucket is full");
        assert!(limiter.take(b"a", at(499)).is_err());
        assert!(limiter.take(b"a", at(500)).is_ok());
        assert!(limiter.take(b"a", at(501)).is_err(), "one token came in half a second");
        limiter.give_back(b"a", at(501));
        assert!(limiter.take(b"a", at(501)).is_ok());
        assert!((0..3).all(|_| limiter.take(b"a", at(10_000)).is_ok()));
        assert!(limiter.take(b"a", at(10_000)).is_err(), "a long rest fills no more than the burst");
    }
}
