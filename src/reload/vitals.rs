//! Whether a generation that is not confirmed yet does harm: a pure judgement over samples of the pools.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How one pool is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Its name.
    pub pool: Arc<str>,
    /// Answers so far.
    pub responses: u64,
    /// Answers of 500 and above among them.
    pub errors: u64,
    /// Servers that take requests.
    pub up: BTreeSet<Arc<str>>,
    /// All servers.
    pub servers: BTreeSet<Arc<str>>,
}

/// What takes an unconfirmed generation back at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// More than this share of a pool's answers within ten seconds are 5xx, and more than twice its share before.
    pub errors_percent: f64,
    /// More than this share of a pool's servers that were up, and are still named, are not.
    pub down_percent: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { errors_percent: 5.0, down_percent: 50.0 }
    }
}

/// What counts as lately.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer answers make no share.
const LEAST: u64 = 20;

/// Answers, and those of 500 and above among them, by pool.
type Counts = BTreeMap<Arc<str>, (u64, u64)>;

/// Compares samples with what was before.
#[derive(Debug)]
pub(super) struct Watchdog {
    limits: Limits,
    before: BTreeMap<Arc<str>, Vitals>,
    samples: VecDeque<(Instant, Counts)>,
}

impl Watchdog {
    /// Begins to watch; `before` is how the pools were.
    pub(super) fn new(limits: Limits, before: Vec<Vitals>, now: Instant) -> Self {
        let first = counts(&before);
        let before = before.into_iter().map(|pool| (Arc::clone(&pool.pool), pool)).collect();
        Self { limits, before, samples: [(now, first)].into() }
    }

    /// Why it must be taken back; `None` while all is well.
    pub(super) fn judge(&mut self, vitals: &[Vitals], now: Instant) -> Option<String> {
        let verdict = vitals.iter().find_map(|pool| self.errors(pool).or_else(|| self.down(pool)));
        self.samples.push_back((now, counts(vitals)));
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.samples.pop_front();
        }
        verdict
    }

    fn errors(&self, pool: &Vitals) -> Option<String> {
        let then = self.samples.iter().find_map(|(_, pools)| pools.get(&pool.pool)).copied();
        // A pool that was not there at the first sample began with nothing.
        let (responses, errors) = then.unwrap_or_default();
        let (responses, errors) = (pool.responses.checked_sub(responses)?, pool.errors.checked_sub(errors)?);
        let share = percent(errors, responses);
        let before = self.before.get(&pool.pool).map_or(0.0, |pool| percent(pool.errors, pool.responses));
        let limit = self.limits.errors_percent;
        (responses >= LEAST && share > limit && share > 2.0 * before)
            .then(|| format!("{share:.0}% of the answers of pool {} are 5xx (allowed: {limit}%)", pool.pool))
    }

    fn down(&self, pool: &Vitals) -> Option<String> {
        let before = self.before.get(&pool.pool)?;
        let named: Vec<_> = before.up.intersection(&pool.servers).collect();
        let down = named.iter().filter(|server| !pool.up.contains(**server)).count();
        let share = percent(down as u64, named.len() as u64);
        let limit = self.limits.down_percent;
        (share > limit).then(|| {
            format!(
                "{down} of the {} servers of pool {} that were up are not (allowed: {limit}%)",
                named.len(),
                pool.pool
            )
        })
    }
}

fn counts(vitals: &[Vitals]) -> Counts {
    vitals.iter().map(|pool| (Arc::clone(&pool.pool), (pool.responses, pool.errors))).collect()
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(responses: u64, errors: u64, up: &[&str]) -> Vec<Vitals> {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        let servers = names(&["a", "b", "c"]);
        vec![Vitals { pool: "app".into(), responses, errors, up: names(up), servers }]
    }

    #[test]
    fn errors_take_it_back_when_they_are_many_and_new() {
        let all = ["a", "b", "c"];
        let check = |before: (u64, u64), after: (u64, u64), expected: bool| {
            let now = Instant::now();
            let mut dog = Watchdog::new(Limits::default(), pool(before.0, before.1, &all), now);
            let verdict = dog.judge(&pool(after.0, after.1, &all), now + Duration::from_secs(1));
            assert_eq!(verdict.is_some(), expected, "{before:?} {after:?} {verdict:?}");
        };
        check((1000, 0), (1020, 2), true);
        check((1000, 0), (1019, 19), false); // too few to judge
        check((1000, 0), (1100, 5), false); // as many as are allowed
        check((1000, 100), (1100, 115), false); // it was as bad before
        check((1000, 100), (1100, 125), true);
        check((1000, 0), (10, 10), false); // the pool is another one now
    }

    #[test]
    fn only_the_last_ten_seconds_count() {
        let now = Instant::now();
        let mut dog = Watchdog::new(Limits::default(), pool(0, 0, &[]), now);
        for second in 1..60 {
            // A few early errors drown; what comes late does not.
            let verdict = dog.judge(&pool(second * 100, 0, &[]), now + Duration::from_secs(second));
            assert_eq!(verdict, None);
            assert!(dog.samples.len() <= 12, "{}", dog.samples.len());
        }
        let verdict = dog.judge(&pool(6000, 100, &[]), now + Duration::from_secs(60));
        assert!(verdict.is_some_and(|why| why.contains("of pool app are 5xx (allowed: 5%)")));
    }

    #[test]
    fn servers_that_were_up_must_stay_up_for_the_greater_part() {
        let check = |before: &[&str], after: &[&str], expected: bool| {
            let now = Instant::now();
            let mut dog = Watchdog::new(Limits::default(), pool(0, 0, before), now);
            assert_eq!(dog.judge(&pool(0, 0, after), now).is_some(), expected, "{before:?} {after:?}");
        };
        check(&["a", "b", "c"], &["a", "b"], false);
        check(&["a", "b", "c"], &["a"], true);
        check(&["a"], &[], true);
        check(&[], &[], false); // they were down before
        check(&["gone"], &[], false); // it is named no more
    }

    proptest::proptest! {
        /// Against all samples that ever were: what counts as before is the last one of ten seconds ago.
        #[test]
        fn the_share_of_errors_is_that_of_the_last_ten_seconds(
            before in (0..200_u64, 0..200_u64),
            steps in proptest::collection::vec((0..4_000_u64, 0..60_u64, 0..5_u64, 0..10_u64), 1..60),
        ) {
            let (good, errors) = before;
            let mut now = Instant::now();
            let vitals = |(responses, errors)| pool(responses, errors, &["a"]);
            let mut total = (good + errors, errors);
            let mut all = vec![(now, total)];
            let mut dog = Watchdog::new(Limits::default(), vitals(total), now);
            let share_before = percent(total.1, total.0);
            for (pause, good, few, burst) in steps {
                // Errors come in bursts: seldom, and then many.
                let errors = if burst == 0 { 10 * few } else { few / 4 };
                let last = now;
                now += Duration::from_millis(pause);
                total = (total.0 + good + errors, total.1 + errors);
                let then = all.iter().rev().find(|(at, _)| last - *at >= WINDOW).unwrap_or(&all[0]).1;
                let (answers, bad) = (total.0 - then.0, total.1 - then.1);
                let share = percent(bad, answers);
                let expected = answers >= LEAST && share > 5.0 && share > 2.0 * share_before;
                proptest::prop_assert_eq!(dog.judge(&vitals(total), now).is_some(), expected);
                all.push((now, total));
            }
        }
    }
}
