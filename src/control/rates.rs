//! Rates over the last seconds, from totals that only grow.

use crate::observe::Totals;
use crate::pool::Pool;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between samples.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How many samples are kept: rates are over the last ten seconds.
const KEPT: usize = 11;

/// Samples of the totals of every pool.
#[derive(Debug, Default)]
pub(super) struct Rates {
    samples: VecDeque<(Instant, HashMap<Arc<str>, Totals>)>,
}

/// What happened lately.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lately {
    /// Requests a second.
    pub(super) rate: f64,
    /// Share of 5xx among the responses; `None` without responses.
    pub(super) error_share: Option<f64>,
    /// Time to the first byte that 99 of 100 responses kept.
    pub(super) p99: Option<Duration>,
}

impl Rates {
    /// Takes a sample, unless the last one is fresh.
    pub(super) fn sample(&mut self, pools: &[Arc<Pool>], now: Instant) {
        if self.samples.back().is_some_and(|(last, _)| now < *last + EVERY / 2) {
            return;
        }
        let totals = pools.iter().map(|pool| (Arc::clone(&pool.name), pool.counters.total())).collect();
        self.samples.push_back((now, totals));
        if self.samples.len() > KEPT {
            self.samples.pop_front();
        }
    }

    /// What happened to a pool since the oldest sample that knows it; `None` while there is none of half a second.
    pub(super) fn lately(&self, pool: &str, total: &Totals, now: Instant) -> Option<Lately> {
        let (then, before) = self.samples.iter().find_map(|(at, pools)| Some((*at, pools.get(pool)?)))?;
        let span = now.saturating_duration_since(then);
        if span < EVERY / 2 {
            return None;
        }
        let mut latency = total.latency.clone();
        for (bucket, before) in latency.buckets.iter_mut().zip(&before.latency.buckets) {
            *bucket = bucket.saturating_sub(*before);
        }
        let responses = total.responses().saturating_sub(before.responses());
        let errors = total.classes[5].saturating_sub(before.classes[5]);
        let any = responses > 0;
        Some(Lately {
            rate: total.requests.saturating_sub(before.requests) as f64 / span.as_secs_f64(),
            error_share: any.then(|| errors as f64 / responses as f64),
            p99: any.then(|| latency.quantile(0.99)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Counters;

    #[test]
    fn rates_are_of_the_window_alone() {
        let counters = Counters::new(1);
        let shard = counters.shard(0);
        for _ in 0..100 {
            shard.request();
            shard.response(500, 1_000_000);
        }
        let start = Instant::now();
        let mut rates = Rates::default();
        rates.samples.push_back((start, [(Arc::from("a"), counters.total())].into()));
        assert_eq!(rates.lately("a", &counters.total(), start), None, "no time has passed");
        for status in [200, 200, 200, 503] {
            shard.request();
            shard.response(status, 100);
        }
        let lately = rates.lately("a", &counters.total(), start + Duration::from_secs(2)).unwrap();
        assert_eq!((lately.rate, lately.error_share), (2.0, Some(0.25)));
        assert!(lately.p99.unwrap() <= Duration::from_micros(128), "{lately:?}");
        assert_eq!(rates.lately("b", &counters.total(), start + Duration::from_secs(2)), None);
    }
}
