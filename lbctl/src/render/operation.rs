//! A drain while it goes on, and when it has ended.

use super::{Paint, Tone};
use crate::protocol::units::{format_count, format_duration, format_number as thousands};
use crate::protocol::{Operation, Phase};
use jiff::Timestamp;
use std::time::Duration;

const BAR: u64 = 20;

/// One line of progress: `████░░  269/400 closed · 0 requests · 131 sessions left`.
pub fn progress(operation: &Operation, now: Timestamp) -> String {
    let total = operation.closed + operation.left.sessions;
    let done = (operation.closed * BAR).checked_div(total).unwrap_or(0);
    let bar = "█".repeat(done as usize) + &"░".repeat((BAR - done) as usize);
    let mut line = format!(
        "{bar}  {}/{} closed · {} · {} left",
        thousands(operation.closed),
        thousands(total),
        format_count(operation.left.requests, "request"),
        format_count(operation.left.sessions, "session")
    );
    match (operation.phase, operation.deadline) {
        (Phase::Closing, _) => line.push_str(" · deadline reached, closing"),
        (Phase::Settling | Phase::InFlight, Some(deadline)) => {
            line.push_str(&format!(" · {} to the deadline", format_duration(between(now, deadline))));
        }
        _ => {}
    }
    line
}

/// The line at the end: `drained platform/tw1 in 21s (400 closed, 0 forced)`.
pub fn outcome(operation: &Operation, paint: Paint) -> String {
    let took = operation.ended.map_or(Duration::ZERO, |ended| between(operation.started, ended));
    let (word, tone) = match operation.phase {
        Phase::Drained => ("drained", Tone::Good),
        Phase::Forced => ("forced", Tone::Warn),
        Phase::Cancelled => ("cancelled", Tone::Warn),
        Phase::Settling | Phase::InFlight | Phase::Closing => ("draining", Tone::Plain),
    };
    let mut line = format!(
        "{} {} in {} ({} closed, {} forced",
        paint.text(tone, word),
        operation.subject,
        format_duration(took),
        thousands(operation.closed),
        thousands(operation.forced)
    );
    if operation.left.requests + operation.left.sessions > 0 {
        line.push_str(&format!(
            ", {} and {} left",
            format_count(operation.left.requests, "request"),
            format_count(operation.left.sessions, "session")
        ));
    }
    line.push(')');
    line
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}
