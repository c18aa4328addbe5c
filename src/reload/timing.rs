//! The clocks of watching. `reload` in the configuration sets two of them.

use std::future::pending;
use std::time::{Duration, Instant};

/// Waits for what is due; for ever where nothing is.
pub(super) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => pending().await,
    }
}

/// How long to wait for what. The defaults are what the documentation promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Quiet time before a change is read; the configuration's `reload settle=` wins.
    pub settle: Option<Duration>,
    /// Look this often in any case; the configuration's `reload poll=` wins.
    pub poll: Option<Duration>,
    /// Never wait longer than this for quiet.
    pub settle_max: Duration,
    /// Never wait longer than this for a writer to close its file.
    pub writer: Duration,
    /// Between the two readings that must be equal.
    pub reread: Duration,
    /// A rejection by watching is only worth a warning when it lasts this long.
    pub quiet: Duration,
    /// Use file-system events. Without them only the poll looks.
    pub events: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            settle: None,
            poll: None,
            settle_max: Duration::from_secs(3),
            writer: Duration::from_secs(2),
            reread: Duration::from_millis(25),
            quiet: Duration::from_secs(2),
            events: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reloader::DEFAULTS;
    use super::*;

    /// Of the second in which an edit is live or refused, most is left for reading it.
    #[test]
    fn what_is_waited_for_between_a_save_and_what_comes_of_it_is_a_part_of_a_second() {
        let timing = Timing::default();
        assert!(timing.events, "the system tells of the save");
        // `Gate::on`: five times as long for what happens beside the files.
        let settle = DEFAULTS.settle * 5;
        assert!(settle + timing.reread < Duration::from_secs(1), "{timing:?}");
    }
}
