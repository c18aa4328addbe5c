//! A [`Histogram`] that is being filled: by its one writer, or by any thread where it is seldom.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counters::{add, read};
use super::histogram::{BUCKETS, Histogram};

/// Cells of a histogram.
#[derive(Debug, Default)]
pub struct Timing {
    sum_micros: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Timing {
    /// Takes a value. Only one thread may do this.
    pub(super) fn record(&self, micros: u64) {
        add(&self.sum_micros, micros);
        add(&self.buckets[Histogram::bucket(micros)], 1);
    }

    /// Takes a value, from any thread.
    pub fn note(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
        self.buckets[Histogram::bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what was taken so far.
    pub(super) fn add_to(&self, histogram: &mut Histogram) {
        histogram.sum_micros += read(&self.sum_micros);
        for (sum, bucket) in histogram.buckets.iter_mut().zip(&self.buckets) {
            *sum += read(bucket);
        }
    }

    /// What was taken so far.
    pub fn total(&self) -> Histogram {
        let mut histogram = Histogram::default();
        self.add_to(&mut histogram);
        histogram
    }
}
