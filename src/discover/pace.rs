//! When a name is asked for again. Pure.

use std::time::Duration;

/// Never sooner: a TTL of 0 is no reason to ask without end.
const LEAST: Duration = Duration::from_secs(1);
/// Failures are asked about again no later than this, also where answers are good for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The pace of one question.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
}

impl Pace {
    /// After an answer: when it ends, or `refresh` later when that is sooner.
    pub(super) fn answered(&mut self, ttl: Duration, refresh: Duration) -> Duration {
        self.failures = 0;
        ttl.min(refresh).max(LEAST)
    }

    /// After a failure: 1 s, 2 s, 4 s and so on up to `refresh`.
    pub(super) fn failed(&mut self, refresh: Duration) -> Duration {
        let wait = LEAST.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        wait.min(refresh.min(LONGEST_WAIT)).max(LEAST)
    }
}

/// A tenth later at most, so that what began together does not ask together for ever. Never sooner: a cache would
/// only repeat itself.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + 0.1 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_holds_for_its_ttl_within_a_second_and_the_refresh() {
        let mut pace = Pace::default();
        for (ttl, refresh, expected) in [(5, 30, 5), (300, 30, 30), (0, 30, 1), (0, 0, 1), (60, 60, 60)] {
            assert_eq!(pace.answered(s(ttl), s(refresh)), s(expected), "{ttl} {refresh}");
        }
        assert_eq!(pace.answered(Duration::MAX, s(30)), s(30));
    }

    #[test]
    fn failures_are_asked_about_ever_more_seldom_until_one_is_answered() {
        let mut pace = Pace::default();
        let waits: Vec<u64> = (0..7).map(|_| pace.failed(s(300)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        pace.answered(s(5), s(30));
        let waits: Vec<u64> = (0..4).map(|_| pace.failed(s(3)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 3, 3]);
        for _ in 0..100 {
            pace.failed(s(3));
        }
        let pause = jittered(s(10));
        assert!(pause >= s(10) && pause <= s(11), "{pause:?}");
    }
}
