//! Slow start: the share of a server that became ready grows from a hundredth to the whole over a while.
//!
//! Ready since: its checks brought it up (or it is new and has none), the operator gave it back, or its ejection
//! ended, whichever was last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A point in time that changes now and then, for the hot path.
#[derive(Debug)]
pub(super) struct Moment {
    born: Instant,
    /// Milliseconds since `born`, and one; 0 is never.
    at: AtomicU64,
}

impl Moment {
    pub(super) fn never(born: Instant) -> Self {
        Self { born, at: AtomicU64::new(0) }
    }

    pub(super) fn set(&self, at: Instant) {
        self.at.store(at.saturating_duration_since(self.born).as_millis() as u64 + 1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<Instant> {
        let at = self.at.load(Ordering::Relaxed).checked_sub(1)?;
        self.born.checked_add(Duration::from_millis(at))
    }
}

/// The share, in percent, of a server that has been ready for `age`.
pub(super) fn share(age: Duration, ramp: Duration) -> u32 {
    if age >= ramp {
        return 100;
    }
    ((age.as_secs_f64() / ramp.as_secs_f64() * 100.0) as u32).clamp(1, 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_with_time() {
        let ramp = Duration::from_secs(60);
        let check = |seconds, expected| assert_eq!(share(Duration::from_secs(seconds), ramp), expected);
        check(0, 1);
        check(6, 10);
        check(30, 50);
        check(59, 98);
        check(60, 100);
        check(6000, 100);
    }

    #[test]
    fn a_moment_keeps_its_time() {
        let born = Instant::now();
        let moment = Moment::never(born);
        assert_eq!(moment.get(), None);
        moment.set(born);
        assert_eq!(moment.get(), Some(born));
        moment.set(born + Duration::from_millis(1500));
        assert_eq!(moment.get(), Some(born + Duration::from_millis(1500)));
    }
}
