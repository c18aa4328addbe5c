//! The quicker of two drawn at random, by peak EWMA: a slow answer counts at once, and fades over ten seconds.
//!
//! The cost of a server is its latency times the requests that it has; a failure counts as a second at least, so that
//! who fails fast is not taken for quick.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Candidates, busy, draw};
use crate::pool::server::Server;

/// How fast the past fades.
const FADE: Duration = Duration::from_secs(10);
/// What a failure counts at least.
const FAILURE: Duration = Duration::from_secs(1);
/// What is as good as nothing: below it requests in flight decide.
const FLOOR: f64 = 50.0;

/// A server's latency.
#[derive(Debug)]
pub(in crate::pool) struct Latency {
    born: Instant,
    /// Microseconds, a float's bits.
    value: AtomicU64,
    /// Microseconds since `born` of the last answer.
    stamp: AtomicU64,
}

impl Latency {
    pub(in crate::pool) fn new(born: Instant) -> Self {
        Self { born, value: AtomicU64::new(0), stamp: AtomicU64::new(0) }
    }

    /// Takes what an answer took. Answers that come together may lose one another's share, which is small.
    pub(in crate::pool) fn observe(&self, took: Duration, failed: bool, now: Instant) {
        let sample = if failed { took.max(FAILURE) } else { took }.as_micros() as f64;
        let at = self.at(now);
        let (value, keep) = self.faded(at);
        let next = if sample > value { sample } else { value * keep + sample * (1.0 - keep) };
        self.value.store(next.to_bits(), Ordering::Relaxed);
        self.stamp.store(at, Ordering::Relaxed);
    }

    /// What an answer may take now, in microseconds: a server that is not asked is forgiven.
    pub(in crate::pool) fn expected(&self, now: Instant) -> f64 {
        let (value, keep) = self.faded(self.at(now));
        value * keep
    }

    fn at(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_micros() as u64
    }

    /// The last value, and how much of it is left.
    fn faded(&self, at: u64) -> (f64, f64) {
        let age = at.saturating_sub(self.stamp.load(Ordering::Relaxed));
        let value = f64::from_bits(self.value.load(Ordering::Relaxed));
        (value, (-(age as f64) / FADE.as_micros() as f64).exp())
    }
}

pub(super) fn pick(among: &Candidates<'_>) -> Option<usize> {
    let (first, second) = draw::two(among)?;
    let Some(second) = second else { return Some(first) };
    let now = Instant::now();
    let cost =
        |server: &Server| (server.latency.expected(now) + FLOOR) * f64::from(busy(server).saturating_add(1));
    let per_weight = |one: usize, other: usize| cost(among.server(one)) * f64::from(among.raw_weight(other));
    Some(if per_weight(first, second) > per_weight(second, first) { second } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let born = Instant::now();
        let latency = Latency::new(born);
        latency.observe(MS(10), false, born);
        assert_eq!(latency.expected(born), 10_000.0);
        latency.observe(MS(500), false, born + MS(100));
        assert_eq!(latency.expected(born + MS(100)), 500_000.0);
        latency.observe(MS(10), false, born + MS(1100));
        let after = latency.expected(born + MS(1100));
        assert!(after > 400_000.0 && after < 500_000.0, "{after}");
        assert!(latency.expected(born + Duration::from_secs(61)) < 2_000.0, "who is not asked is forgiven");
    }

    #[test]
    fn a_quick_failure_is_not_quick() {
        let born = Instant::now();
        let latency = Latency::new(born);
        latency.observe(MS(1), true, born);
        assert_eq!(latency.expected(born), 1_000_000.0);
    }
}
