//! Instants as people read them: in the zone of whoever looks.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::OnceLock;

/// The zone of this process; UTC until it is said.
static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Shows instants in this zone from now on. The first call decides.
pub fn show_times_in(zone: TimeZone) {
    // A second zone would show one screen in two of them.
    let _ = ZONE.set(zone);
}

/// `2026-01-02T03:04:05Z`, or `2026-01-02T04:04:05+01:00`: to the second, with its distance from UTC.
pub fn time(at: Timestamp) -> String {
    in_zone(at, ZONE.get().unwrap_or(&TimeZone::UTC))
}

fn in_zone(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    let text = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if local.offset().is_zero() { text + "Z" } else { text + &local.strftime("%:z").to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_from_utc_is_always_said() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().expect("an instant");
        assert_eq!(in_zone(at, &TimeZone::UTC), "2026-01-02T03:04:05Z");
        let east = TimeZone::fixed(jiff::tz::offset(5).saturating_add(jiff::Span::new().minutes(30)));
        assert_eq!(in_zone(at, &east), "2026-01-02T08:34:05+05:30");
        assert_eq!(in_zone(at, &TimeZone::fixed(jiff::tz::offset(-8))), "2026-01-01T19:04:05-08:00");
    }
}
