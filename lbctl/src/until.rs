//! A moment as an operator says it: a span from now, a time of day here, or an instant.
//!
//! Only this side knows the operator's zone, so a time of day becomes an instant before it is sent.

use crate::protocol::units::parse_duration;
use jiff::civil::{DateTime, Time};
use jiff::{Timestamp, Unit, Zoned};

/// What is sent for it: a span as written, all else as an instant.
pub fn moment(text: &str, now: &Zoned) -> Result<String, String> {
    let bad = || {
        format!(
            "`{text}` is no moment; write a span (2h), a time of day (14:00), a date and time \
             (2026-01-02T14:00) or an instant (2026-01-02T14:00:00Z)"
        )
    };
    if parse_duration(text).is_ok() {
        return Ok(text.to_owned());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.to_string());
    }
    let zone = || now.time_zone().clone();
    let here = if is_time_of_day(text) {
        let time: Time = text.parse().map_err(|_| bad())?;
        let today = now.date().to_datetime(time).to_zoned(zone()).map_err(|_| bad())?;
        if today > *now {
            today
        } else {
            let tomorrow = now.date().tomorrow().map_err(|_| bad())?;
            tomorrow.to_datetime(time).to_zoned(zone()).map_err(|_| bad())?
        }
    } else {
        text.parse::<DateTime>().ok().and_then(|at| at.to_zoned(zone()).ok()).ok_or_else(bad)?
    };
    let seconds = here.timestamp().round(Unit::Second).map_err(|_| bad())?;
    Ok(seconds.to_string())
}

/// `9:00` is left to the parser, which refuses it: hours have two digits.
fn is_time_of_day(text: &str) -> bool {
    text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(now: &str, text: &str, expected: &str) {
        let now: Zoned = now.parse().unwrap();
        assert_eq!(moment(text, &now).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn a_time_of_day_is_the_next_one_here() {
        let now = "2026-01-02T13:30:00+01:00[Europe/Berlin]";
        check(now, "14:00", "2026-01-02T13:00:00Z");
        check(now, "13:30", "2026-01-03T12:30:00Z");
        check(now, "13:30:05", "2026-01-02T12:30:05Z");
        check(now, "00:00", "2026-01-02T23:00:00Z");
    }

    #[test]
    fn the_clock_may_change_in_between() {
        // In the night to the 29th of March two o'clock becomes three.
        let now = "2026-03-28T23:00:00+01:00[Europe/Berlin]";
        check(now, "22:00", "2026-03-29T20:00:00Z");
        check(now, "02:30", "2026-03-29T01:30:00Z");
    }

    #[test]
    fn dates_instants_and_spans_are_understood() {
        let now = "2026-01-02T13:30:00+01:00[Europe/Berlin]";
        check(now, "2026-07-02T14:00", "2026-07-02T12:00:00Z");
        check(now, "2026-07-02 14:00", "2026-07-02T12:00:00Z");
        check(now, "2026-07-02T14:00:00+05:00", "2026-07-02T09:00:00Z");
        check(now, "1h30m", "1h30m");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_examples() {
        let now: Zoned = "2026-01-02T13:30:00+01:00[Europe/Berlin]".parse().unwrap();
        for bad in ["", "14", "9:00", "25:00", "14:60", "tomorrow", "14:00pm"] {
            let error = moment(bad, &now).expect_err(bad);
            assert!(error.contains("2h") && error.contains("14:00"), "{error}");
        }
    }
}
