//! A token bucket as one number: the moment at which it is full again (the generic cell rate algorithm). Pure.

use std::time::Duration;

/// What a limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    /// Nanoseconds in which one token comes.
    each: u64,
    /// Tokens of a full bucket.
    burst: u64,
}

impl Terms {
    /// `count` tokens in `per`, and at most `burst` at once; neither count nor burst is less than one.
    pub fn new(count: u32, per: Duration, burst: u32) -> Self {
        let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        Self { each: (per / u64::from(count.max(1))).max(1), burst: u64::from(burst.max(1)) }
    }

    /// Takes a token from a bucket that is full at `full_at`, or says how many nanoseconds to wait for one.
    pub(super) fn take(self, full_at: &mut u64, now: u64) -> Result<(), u64> {
        let missing = full_at.saturating_sub(now);
        let allowed = self.each.saturating_mul(self.burst - 1);
        if missing > allowed {
            return Err(missing - allowed);
        }
        *full_at = now.saturating_add(missing).saturating_add(self.each);
        Ok(())
    }

    /// Nanoseconds in which so many tokens come.
    pub(super) fn time_for(self, tokens: u64) -> u64 {
        self.each.saturating_mul(tokens)
    }

    /// Undoes a take.
    pub(super) fn give_back(self, full_at: &mut u64) {
        *full_at = full_at.saturating_sub(self.each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_terms_neither_panic_nor_starve() {
        let slow = Terms::new(1, Duration::from_secs(3600), u32::MAX);
        let mut full_at = 0;
        assert!((0..1000).all(|_| slow.take(&mut full_at, 5).is_ok()));
        let fast = Terms::new(u32::MAX, Duration::from_secs(1), 1);
        let mut full_at = u64::MAX - 1;
        assert!(fast.take(&mut full_at, 0).is_err());
        assert_eq!(fast.take(&mut full_at, u64::MAX), Ok(()));
        let mut full_at = 0;
        fast.give_back(&mut full_at);
        assert_eq!(full_at, 0);
    }
}
