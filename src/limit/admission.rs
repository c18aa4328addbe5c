//! Admission of upgrades to one pool: one token bucket for all clients, without a lock.
//!
//! While many come back at once some are turned away. They are told to come again within a time in which the rate
//! lets all of them in, so that they do not all come together once more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Terms;

/// The longest that anybody is told to stay away.
const LONGEST: Duration = Duration::from_secs(60);
/// The shortest time over which those who are turned away are spread.
const SHORTEST: Duration = Duration::from_secs(3);

/// See the module. Lives on over reloads while its terms are the same.
#[derive(Debug)]
pub struct Admission {
    terms: Terms,
    /// Nanoseconds are counted from here.
    epoch: Instant,
    /// When the bucket is full again.
    full_at: AtomicU64,
    /// Turned away in the present rush and not yet let in, about.
    outside: AtomicU64,
    turned_away: AtomicU64,
}

impl Admission {
    /// A full bucket.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            epoch: Instant::now(),
            full_at: AtomicU64::new(0),
            outside: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
        }
    }

    /// What it allows.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Lets one in, or says over which time those outside are to come again.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let now = self.nanos(now);
        if self.full_at.load(Ordering::Relaxed) <= now {
            self.outside.store(0, Ordering::Relaxed);
        }
        let mut wait = 0;
        let taken = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let mut full_at = full_at;
            match self.terms.take(&mut full_at, now) {
                Ok(()) => Some(full_at),
                Err(nanos) => {
                    wait = nanos;
                    None
                }
            }
        });
        if taken.is_ok() {
            let one_less = |outside: u64| outside.checked_sub(1);
            let _ = self.outside.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
            return Ok(());
        }
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        let outside = self.outside.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let nanos = wait.saturating_add(self.terms.time_for(outside));
        Err(Duration::from_nanos(nanos).clamp(SHORTEST, LONGEST))
    }

    /// How many were turned away since it is there.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn per_second(count: u32, burst: u32) -> Admission {
        Admission::new(Terms::new(count, Duration::from_secs(1), burst))
    }

    #[test]
    fn a_rush_is_let_in_at_the_rate_and_the_rest_is_spread_over_the_time_that_it_takes() {
        let admission = per_second(100, 10);
        let start = Instant::now();
        let rush: Vec<_> = (0..1010).map(|_| admission.admit(start)).collect();
        assert_eq!(rush.iter().filter(|one| one.is_ok()).count(), 10, "the burst");
        assert_eq!(admission.turned_away(), 1000);
        assert_eq!(rush[10], Err(SHORTEST));
        let last = rush[1009].expect_err("the last was turned away");
        assert!((last.as_secs_f64() - 10.0).abs() < 0.1, "a thousand at 100/s: {last:?}");
        let second = start + Duration::from_secs(1);
        assert_eq!(
            (0..1000).filter(|_| admission.admit(second).is_ok()).count(),
            10,
            "no more than the burst"
        );
        // When all is calm nothing is left of the rush.
        let calm = second + Duration::from_secs(60);
        assert!((0..10).all(|_| admission.admit(calm).is_ok()));
        assert_eq!(admission.admit(calm), Err(SHORTEST));
    }

    #[test]
    fn nobody_is_sent_away_for_long() {
        let admission = per_second(1, 1);
        let start = Instant::now();
        let longest = (0..10_000).filter_map(|_| admission.admit(start).err()).max();
        assert_eq!(longest, Some(LONGEST));
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_burst_and_rate(
            count in 1u32..500,
            burst in 1u32..50,
            asks in prop::collection::vec(0u64..20_000, 1..400),
            window in 1u64..1_000_000,
        ) {
            let admission = per_second(count, burst);
            let (mut now, mut admitted) = (Instant::now(), Vec::new());
            for wait in asks {
                now += Duration::from_micros(wait);
                if admission.admit(now).is_ok() {
                    admitted.push(now);
                }
            }
            let window = Duration::from_micros(window);
            let most = f64::from(burst) + window.as_secs_f64() * f64::from(count) + 1.0;
            for (from, first) in admitted.iter().enumerate() {
                let within = admitted[from..].partition_point(|at| *at - *first < window);
                prop_assert!(within as f64 <= most, "{within} in {window:?}");
            }
        }
    }
}
