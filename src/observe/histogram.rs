//! A latency histogram of log2 buckets of microseconds, as read by whoever shows it.
//!
//! Bucket 0 holds 0 µs, bucket `i` holds `2^(i-1) ..= 2^i - 1` µs; the last one holds everything longer.

use std::time::Duration;

/// Buckets; the last one starts at 2^30 µs (18 minutes).
pub const BUCKETS: usize = 32;

/// Summed counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Values in each bucket.
    pub buckets: [u64; BUCKETS],
    /// Sum of all values in microseconds.
    pub sum_micros: u64,
}

impl Histogram {
    /// The bucket of a value.
    pub const fn bucket(micros: u64) -> usize {
        let index = (u64::BITS - micros.leading_zeros()) as usize;
        if index < BUCKETS { index } else { BUCKETS - 1 }
    }

    /// The largest value of a bucket in microseconds; `None` for the last, which has no end.
    pub const fn upper_bound(bucket: usize) -> Option<u64> {
        if bucket + 1 < BUCKETS { Some((1 << bucket) - 1) } else { None }
    }

    /// The sum of both.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.sum_micros += other.sum_micros;
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, bucket)| *sum += bucket);
        self
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The value below which a share `q` (0 to 1) of all values lies, interpolated within its bucket;
    /// zero when nothing was counted.
    pub fn quantile(&self, q: f64) -> Duration {
        let count = self.count();
        if count == 0 {
            return Duration::ZERO;
        }
        let rank = (q.clamp(0.0, 1.0) * count as f64).max(1.0);
        let mut below = 0;
        for (index, &here) in self.buckets.iter().enumerate() {
            if here > 0 && (below + here) as f64 >= rank {
                let low = if index == 0 { 0.0 } else { (1_u64 << (index - 1)) as f64 };
                let high = if index == 0 { 0.0 } else { low * 2.0 };
                let share = (rank - below as f64) / here as f64;
                return Duration::from_micros((low + (high - low) * share) as u64);
            }
            below += here;
        }
        Duration::from_micros(1 << (BUCKETS - 2))
    }

    /// The mean; zero when nothing was counted.
    pub fn mean(&self) -> Duration {
        Duration::from_micros(self.sum_micros.checked_div(self.count()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_within_its_bucket() {
        for (micros, bucket) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1000, 10), (1023, 10), (1024, 11)] {
            assert_eq!(Histogram::bucket(micros), bucket, "{micros} µs");
            assert!(Histogram::upper_bound(bucket).expect("not the last") >= micros);
        }
        assert_eq!(Histogram::bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(Histogram::upper_bound(BUCKETS - 1), None);
    }

    #[test]
    fn quantiles_fall_into_the_right_bucket() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        histogram.buckets[Histogram::bucket(1_000)] = 990;
        histogram.buckets[Histogram::bucket(1_000_000)] = 10;
        let median = histogram.quantile(0.5).as_micros();
        assert!((512..=1024).contains(&median), "{median}");
        let p99 = histogram.quantile(0.99).as_micros();
        assert!((512..=1024).contains(&p99), "{p99}");
        let p999 = histogram.quantile(0.999).as_micros();
        assert!((524_288..=1_048_576).contains(&p999), "{p999}");
        assert!(histogram.quantile(0.0) <= histogram.quantile(1.0));
    }
}
