//! How many lines the access log wrote, and how many it had to give up.

use std::sync::atomic::{AtomicU64, Ordering};

/// Lines of the access log.
#[derive(Debug, Default)]
pub struct LogLines {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl LogLines {
    /// So many reached their target.
    pub fn wrote(&self, lines: u64) {
        self.written.fetch_add(lines, Ordering::Relaxed);
    }

    /// So many did not, and never will.
    pub fn dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Written and dropped so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.written.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}
