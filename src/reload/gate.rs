//! When it is time to read: after a quiet moment, and not while somebody holds a file open to write.
//!
//! Pure: events and times in, a due time out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What happened to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Bytes were written, and the writer has not closed the file.
    Written(PathBuf),
    /// The writer closed it, or it was renamed, removed, linked, touched.
    Settled(PathBuf),
    /// Something happened that cannot be told: look at everything.
    Unknown,
    /// Something happened beside the inputs.
    Nearby,
}

/// Waits for quiet.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) settle: Duration,
    longest: Duration,
    writer: Duration,
    since: Option<Instant>,
    quiet_at: Option<Instant>,
    writers: HashMap<PathBuf, Instant>,
    /// An input that was written, closed, renamed or touched.
    touched: Option<PathBuf>,
}

impl Gate {
    /// A gate that opens `settle` after the last change, `longest` after the first at the latest, and
    /// waits at most `writer` for the close of a file.
    pub(super) fn new(settle: Duration, longest: Duration, writer: Duration) -> Self {
        Self { settle, longest, writer, since: None, quiet_at: None, writers: HashMap::new(), touched: None }
    }

    /// Takes note of a change.
    pub(super) fn on(&mut self, change: Change, now: Instant) {
        if change == Change::Nearby {
            // Never moves what waits: a log written beside the configuration must not delay an edit.
            if self.since.is_none() {
                self.since = Some(now);
                self.quiet_at = Some(now + self.settle * 5);
            }
            return;
        }
        self.since.get_or_insert(now);
        self.quiet_at = Some(now + self.settle);
        if let Change::Written(path) | Change::Settled(path) = &change {
            self.touched.get_or_insert_with(|| path.clone());
        }
        match change {
            Change::Written(path) => {
                self.writers.insert(path, now);
            }
            Change::Settled(path) => self.settled(&path),
            Change::Unknown | Change::Nearby => {}
        }
    }

    fn settled(&mut self, path: &Path) {
        self.writers.remove(path);
    }

    /// When to read; `None` while nothing has changed.
    pub(super) fn due(&self) -> Option<Instant> {
        let quiet = self.quiet_at?;
        let written = self.writers.values().max().map(|&last| last + self.writer);
        let latest = self.since? + self.longest;
        Some(written.map_or(quiet, |written| quiet.max(written)).min(latest))
    }

    /// Whether somebody has written and not closed.
    pub(super) fn is_written(&self) -> bool {
        !self.writers.is_empty()
    }

    /// The files are being read: what changes from now on counts anew. Gives an input that was surely touched.
    pub(super) fn open(&mut self) -> Option<PathBuf> {
        self.since = None;
        self.quiet_at = None;
        self.writers.clear();
        self.touched.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_millis(100);

    fn gate() -> Gate {
        Gate::new(SETTLE, Duration::from_secs(3), Duration::from_secs(2))
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn written() -> Change {
        Change::Written("lbd.kdl".into())
    }

    fn closed() -> Change {
        Change::Settled("lbd.kdl".into())
    }

    #[test]
    fn it_opens_a_quiet_moment_after_the_last_change() {
        let (mut gate, start) = (gate(), Instant::now());
        assert_eq!(gate.due(), None);
        gate.on(closed(), start);
        assert_eq!(gate.due(), Some(start + SETTLE));
        gate.on(closed(), start + ms(80));
        assert_eq!(gate.due(), Some(start + ms(180)));
        gate.open();
        assert_eq!(gate.due(), None);
    }

    #[test]
    fn an_open_writer_holds_it_and_his_close_lets_go() {
        let (mut gate, start) = (gate(), Instant::now());
        gate.on(written(), start);
        assert_eq!(gate.due(), Some(start + ms(2000)));
        assert!(gate.is_written());
        gate.on(Change::Settled("other".into()), start + ms(10));
        assert_eq!(gate.due(), Some(start + ms(2000)));
        gate.on(closed(), start + ms(450));
        assert_eq!(gate.due(), Some(start + ms(550)));
        assert!(!gate.is_written());
    }

    #[test]
    fn a_writer_without_end_holds_it_no_longer_than_the_limit() {
        let (mut gate, start) = (gate(), Instant::now());
        for step in 0..100 {
            gate.on(written(), start + ms(step * 100));
        }
        assert_eq!(gate.due(), Some(start + ms(3000)));
    }

    #[test]
    fn noise_beside_the_inputs_never_delays_an_edit() {
        let (mut gate, start) = (gate(), Instant::now());
        gate.on(closed(), start);
        for step in 0..20 {
            gate.on(Change::Nearby, start + ms(step));
        }
        assert_eq!(gate.due(), Some(start + SETTLE));
        gate.open();
        gate.on(Change::Nearby, start);
        assert_eq!(gate.due(), Some(start + SETTLE * 5));
        gate.on(closed(), start + ms(10));
        assert_eq!(gate.due(), Some(start + ms(110)));
    }
}
