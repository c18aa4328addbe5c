//! The least rate at which a client must send a body, and take one, while it is what everybody waits for.
//!
//! The write clock alone is content with a byte each time before it strikes; this asks, each time that it would have
//! struck, for as many bytes as the rate makes of its time. Time in which a server is waited for does not count.

use std::time::Duration;

use super::deadline::Deadline;
use crate::snapshot::ListenerSnap;

/// The rate of one body. Costs nothing as long as nobody waits for the client.
#[derive(Debug, Default)]
pub(crate) struct Pace(Option<Window>);

/// Some time in which the client is waited for.
#[derive(Debug)]
struct Window {
    ends: u64,
    from: u64,
}

impl Pace {
    /// Whether the client is slower than its listener asks for; so many bytes were had so far. `waits` says that the
    /// client is what is waited for.
    pub(crate) fn is_too_slow(
        &mut self,
        listener: &ListenerSnap,
        deadline: &Deadline,
        bytes: u64,
        waits: bool,
    ) -> bool {
        match listener.limits.min_rate {
            Some(rate) if waits => self.falls_behind(rate, listener.timeout.write, deadline, bytes),
            _ => {
                self.0 = None;
                false
            }
        }
    }

    fn falls_behind(&mut self, rate: u64, window: Duration, deadline: &Deadline, bytes: u64) -> bool {
        match &self.0 {
            Some(now) if !deadline.has_passed(now.ends) => return false,
            Some(now) if bytes.saturating_sub(now.from) < due(rate, window) => return true,
            _ => {}
        }
        self.0 = Some(Window { ends: deadline.point(window), from: bytes });
        false
    }
}

/// What is due in so much time.
fn due(rate: u64, window: Duration) -> u64 {
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    rate.saturating_mul(millis) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::deadline::Deadlines;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_window_must_bring_what_is_due() {
        let clock = Deadlines::new();
        let (deadline, mut pace) = (clock.register(), Pace::default());
        let mut falls = |bytes| pace.falls_behind(100, SECOND, &deadline, bytes);
        assert!(!falls(0), "it begins");
        assert!(!falls(10), "its time is not over");
        clock.turn_on(2 * SECOND);
        assert!(!falls(100), "just enough");
        clock.turn_on(2 * SECOND);
        assert!(falls(199), "one too few");
    }

    #[test]
    fn what_is_due_is_the_rate_for_the_time_and_never_overflows() {
        assert_eq!(due(240, 60 * SECOND), 14_400);
        assert_eq!(due(240, SECOND / 2), 120);
        assert_eq!(due(0, SECOND), 0);
        assert_eq!(due(u64::MAX, Duration::MAX), u64::MAX / 1000);
    }
}
