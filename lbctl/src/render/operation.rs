//! A drain while it goes on, and when it has ended.

use super::{Paint, Tone};
use crate::protocol::units::{
    format_count, format_duration, format_ms, format_number as thousands, parse_rate,
};
use crate::protocol::{Forecast, Operation, Phase};
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
    if let Some(only) = &operation.only {
        line.push_str(&format!(" · only {}", only.words()));
    }
    if operation.paused {
        line.push_str(" · paused");
    }
    match (operation.phase, operation.deadline) {
        (Phase::Closing, Some(deadline)) if deadline <= now => line.push_str(" · deadline reached, closing"),
        (Phase::Closing, _) if operation.close_rate.is_some() => line.push_str(&remaining(operation)),
        (Phase::Settling | Phase::InFlight, Some(deadline)) => {
            line.push_str(&format!(" · {} to the deadline", format_duration(between(now, deadline))));
        }
        _ => {}
    }
    line
}

/// How long closing what is left takes at its rate.
fn remaining(operation: &Operation) -> String {
    if operation.only.is_some() {
        // How many of those that are left it chooses is not known here.
        return String::new();
    }
    let rate = operation.close_rate.as_deref().unwrap_or_default();
    let Ok((count, per)) = parse_rate(rate) else { return String::new() };
    let left = per.as_millis() as u64 * operation.left.sessions / u64::from(count);
    format!(" · closing {rate}, about {}", format_ms(left))
}

/// What a drain is expected to do: `400 websockets are closed in about 20s; ...`.
pub fn forecast(forecast: &Forecast) -> String {
    let websockets = format_count(forecast.websockets, "websocket");
    let mut line = match forecast.closing_ms {
        Some(millis) => format!("{websockets} would be closed in about {}", format_ms(millis)),
        None => format!("{websockets} would stay until the deadline"),
    };
    if forecast.staying > 0 {
        let staying = format_count(forecast.staying, "websocket");
        line.push_str(&format!("; {staying} not chosen would stay until the deadline"));
    }
    if forecast.others > 0 {
        line.push_str(&format!(
            "; {} can only be cut, at the deadline",
            format_count(forecast.others, "stream")
        ));
    }
    if forecast.websockets + forecast.staying + forecast.others > 0 {
        let (median, oldest) = (format_ms(forecast.median_age_ms), format_ms(forecast.oldest_ms));
        line.push_str(&format!("; half are older than {median}, the oldest {oldest}"));
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
