//! Counts of exchanges by where they came in: of a listener, of a route. One shard per worker, as in
//! [`super::Counters`].

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::counters::{add, class, of_worker, read};
use super::histogram::Histogram;
use super::timing::Timing;

/// Counts of one listener, or of one route.
#[derive(Debug)]
pub struct Exchanges {
    shards: Box<[Shard]>,
}

/// One exchange that is over.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// What the client was told; 0 when it was told nothing.
    pub status: u16,
    /// From its head to the end of its answer.
    pub micros: u64,
    /// Body bytes from the client, and to it.
    pub bytes: (u64, u64),
}

/// Sums at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangeTotals {
    /// Exchanges by class of their status: index 2 is 2xx; 0 is none.
    pub classes: [u64; 6],
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// How long they took.
    pub took: Histogram,
}

/// One worker's counts. Written by that worker only.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    classes: [AtomicU64; 6],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    took: Timing,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self { shards: Box::new([Shard::default()]) }
    }
}

impl Exchanges {
    /// Zeroes for this many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self { shards: (0..workers.max(1)).map(|_| Shard::default()).collect() })
    }

    /// Counts one that ended on this worker. Only that worker may.
    pub fn count(&self, worker: usize, exchange: &Exchange) {
        let shard = of_worker(&self.shards, worker);
        add(&shard.classes[class(exchange.status)], 1);
        add(&shard.bytes_in, exchange.bytes.0);
        add(&shard.bytes_out, exchange.bytes.1);
        shard.took.record(exchange.micros);
    }

    /// The sum over all workers.
    pub fn total(&self) -> ExchangeTotals {
        let mut totals = ExchangeTotals::default();
        for shard in &self.shards {
            for (sum, class) in totals.classes.iter_mut().zip(&shard.classes) {
                *sum += read(class);
            }
            totals.bytes_in += read(&shard.bytes_in);
            totals.bytes_out += read(&shard.bytes_out);
            shard.took.add_to(&mut totals.took);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workers_exchanges_are_summed() {
        let exchanges = Exchanges::new(2);
        exchanges.count(0, &Exchange { status: 200, micros: 1000, bytes: (1, 20) });
        exchanges.count(1, &Exchange { status: 503, micros: 3000, bytes: (2, 30) });
        exchanges.count(1, &Exchange { status: 0, micros: 0, bytes: (0, 0) });
        let totals = exchanges.total();
        assert_eq!(totals.classes, [1, 0, 1, 0, 0, 1]);
        assert_eq!((totals.bytes_in, totals.bytes_out), (3, 50));
        assert_eq!((totals.took.count(), totals.took.sum_micros), (3, 4000));
    }
}
