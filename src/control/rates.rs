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
/// How many moments of each pool are remembered: five minutes.
const REMEMBERED: usize = 300;

/// Samples of the totals of every pool.
#[derive(Debug, Default)]
pub(super) struct Rates {
    samples: VecDeque<(Instant, HashMap<Arc<str>, Totals>)>,
    past: HashMap<Arc<str>, VecDeque<Moment>>,
}

/// What happened to a pool about one moment, small enough to remember many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Requests a second.
    pub(super) rate: f32,
    /// Share of 5xx; 0 without responses.
    pub(super) error_share: f32,
    /// In microseconds; 0 without responses.
    pub(super) p99_us: u32,
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
        if self.samples.back().is_some_and(|(last, _)| now < *last + EVERY * 9 / 10) {
            return;
        }
        let totals: HashMap<Arc<str>, Totals> =
            pools.iter().map(|pool| (Arc::clone(&pool.name), pool.counters.total())).collect();
        for (pool, total) in &totals {
            if let Some(lately) = self.lately(pool, total, now) {
                let past = self.past.entry(Arc::clone(pool)).or_default();
                past.push_back(lately.moment());
                past.drain(..past.len().saturating_sub(REMEMBERED));
            }
        }
        self.past.retain(|pool, _| totals.contains_key(pool));
        self.samples.push_back((now, totals));
        if self.samples.len() > KEPT {
            self.samples.pop_front();
        }
    }

    /// The moments of a pool, one a second, oldest first.
    pub(super) fn past(&self, pool: &str) -> impl Iterator<Item = Moment> {
        self.past.get(pool).into_iter().flatten().copied()
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

impl Lately {
    fn moment(self) -> Moment {
        Moment {
            rate: self.rate as f32,
            error_share: self.error_share.unwrap_or_default() as f32,
            p99_us: self.p99.map_or(0, |p99| u32::try_from(p99.as_micros()).unwrap_or(u32::MAX)),
        }
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
    #[test]
    fn the_past_is_bounded_and_goes_with_its_pool() {
        let pool = |name: &str| {
            let settings = crate::pool::testing::settings(&["a"]);
            Arc::new(Pool::new(crate::pool::PoolSettings { name: name.into(), ..settings }, None, 1))
        };
        let (start, mut rates) = (Instant::now(), Rates::default());
        let pools = [pool("a"), pool("b")];
        for second in 0..=REMEMBERED as u64 + 20 {
            rates.sample(&pools, start + Duration::from_secs(second));
        }
        assert_eq!(rates.past("a").count(), REMEMBERED);
        rates.sample(&pools[..1], start + Duration::from_secs(1000));
        assert_eq!((rates.past("a").count(), rates.past("b").count()), (REMEMBERED, 0));
    }
}
