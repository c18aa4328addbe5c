//! Which moments are right for closing one more session. Pure: the time goes in, a yes or no comes out.
//!
//! Moments are a slot apart; each is put off by a random part of a slot, so that clients do not come back in step.
//! Who asks late may catch up a little, never more: in any window of time no more than
//! `(window + `[`CATCH_UP`]`) * rate + 2` are allowed.

use crate::pool::Rate;
use std::time::{Duration, Instant};

/// How much of lost time may be made up for.
pub const CATCH_UP: Duration = Duration::from_millis(250);

/// Keeps a rate.
#[derive(Clone, Debug)]
pub struct Pacer {
    slot: Duration,
    /// The slot that is next.
    base: Instant,
    /// Its moment.
    at: Instant,
}

impl Pacer {
    /// From now on; `draw` is from 0 to 1, as for [`Pacer::take`].
    pub fn new(rate: Rate, now: Instant, draw: f64) -> Self {
        let slot = rate.per / rate.count.max(1);
        Self { slot, base: now, at: now + slot.mul_f64(draw.clamp(0.0, 1.0)) }
    }

    /// Another rate from now on.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        let slot = rate.per / rate.count.max(1);
        if slot != self.slot {
            // The slot at hand keeps its beginning, so that changing to and fro gains nothing.
            let since = self.base.max(now);
            *self = Self { slot, base: since, at: since + slot.min(self.slot) };
        }
    }

    /// Whether one more may be closed now. `draw` says where in its slot the moment after this one is.
    pub fn take(&mut self, now: Instant, draw: f64) -> bool {
        if now < self.at {
            return false;
        }
        // Time that was missed beyond what may be made up for is gone.
        let gone = now.saturating_duration_since(self.at).saturating_sub(CATCH_UP);
        self.base += self.slot + gone;
        self.at = self.base + self.slot.mul_f64(draw.clamp(0.0, 1.0));
        true
    }

    /// What was missed until now is not made up for: nobody was to be closed.
    pub fn skip(&mut self, now: Instant) {
        if self.at < now {
            (self.base, self.at) = (now, now);
        }
    }

    /// The moment that it waits for.
    pub fn next(&self) -> Instant {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_rate_allows(
            count in 1u32..2000,
            seconds in prop_oneof![Just(1u64), Just(60), Just(3600)],
            asks in prop::collection::vec((0u64..300_000, 0.0f64..1.0), 1..300),
            window in 1u64..5_000_000,
        ) {
            let rate = Rate { count, per: Duration::from_secs(seconds) };
            let start = Instant::now() + Duration::from_secs(3600);
            let (mut now, mut pacer, mut taken) = (start, Pacer::new(rate, start, 0.0), Vec::new());
            for (wait, draw) in asks {
                now += Duration::from_micros(wait);
                while pacer.take(now, draw) {
                    taken.push(now);
                }
            }
            let window = Duration::from_micros(window);
            let most = (window + CATCH_UP).as_secs_f64() / rate.per.as_secs_f64() * f64::from(count) + 2.0;
            for (from, first) in taken.iter().enumerate() {
                let within = taken[from..].partition_point(|at| *at - *first < window);
                prop_assert!(within as f64 <= most + 1e-6, "{within} in {window:?}, at most {most}");
            }
        }

        #[test]
        fn who_asks_often_gets_the_rate(count in 1u32..1000, seed: u64) {
            let rate = Rate { count, per: Duration::from_secs(1) };
            let start = Instant::now();
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut pacer, mut taken) = (Pacer::new(rate, start, random.f64()), 0u32);
            for millis in 0..10_000 {
                while pacer.take(start + Duration::from_millis(millis), random.f64()) {
                    taken += 1;
                }
            }
            prop_assert!(taken.abs_diff(count * 10) <= 2, "{taken} of {}", count * 10);
        }
    }

    #[test]
    fn a_short_stall_costs_nothing_and_idle_time_earns_nothing() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Rate { count: 500, per: Duration::from_secs(1) }, start, 0.0);
        let mut taken = |at: Duration, idle: bool| {
            if idle {
                pacer.skip(start + at);
            }
            std::iter::from_fn(|| pacer.take(start + at, 0.0).then_some(())).count()
        };
        assert_eq!(taken(Duration::ZERO, false), 1);
        assert_eq!(taken(Duration::from_millis(200), false), 100);
        assert_eq!(taken(Duration::from_secs(10), false), 126);
        assert_eq!(taken(Duration::from_secs(20), true), 1);
    }

    #[test]
    fn another_rate_holds_from_now_on() {
        let start = Instant::now();
        let rate = |count| Rate { count, per: Duration::from_secs(1) };
        let mut pacer = Pacer::new(rate(1), start, 0.0);
        assert!(pacer.take(start, 0.0));
        pacer.set_rate(rate(100), start);
        assert!(pacer.next() <= start + Duration::from_secs(2));
        let late = start + Duration::from_secs(5);
        assert!(pacer.take(late, 0.0) && pacer.next() < late + Duration::from_millis(10));
    }
}
