//! HAProxy's durations, sizes and numbers as lbd writes them.

/// `10s`, `500` (milliseconds), `1h30m`… as `"10s"`; `None` is nothing that lbd can say, zero included.
pub(super) fn duration(text: &str) -> Option<String> {
    let millis = millis(text)?;
    let (count, unit) = match millis {
        0 => return None,
        m if m % 86_400_000 == 0 => (m / 86_400_000, "d"),
        m if m % 3_600_000 == 0 => (m / 3_600_000, "h"),
        m if m % 60_000 == 0 => (m / 60_000, "m"),
        m if m % 1000 == 0 => (m / 1000, "s"),
        m => (m, "ms"),
    };
    Some(format!("{count}{unit}"))
}

/// Milliseconds; parts of one count as one.
pub(super) fn millis(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..end].parse().ok()?;
    let per: u64 = match &text[end..] {
        "us" => return Some(count.div_ceil(1000)),
        "ms" | "" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(per).filter(|millis| *millis <= 2_147_483_647)
}

/// `200k`, `1m`: a count, at most `most`.
pub(super) fn count(text: &str, most: u64) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..end].parse().ok()?;
    let per: u64 = match text[end..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(per).map(|count| count.min(most)).filter(|count| *count > 0)
}

/// Statuses as lbd writes them: `200-399,404`.
pub(super) fn statuses(good: impl Fn(u16) -> bool) -> Option<String> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for status in (100..600).filter(|status| good(*status)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == status => *last = status,
            _ => ranges.push((status, status)),
        }
    }
    let text = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    (!ranges.is_empty()).then(|| ranges.iter().map(text).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_carried_over() {
        let durations = [
            ("10s", "10s"),
            ("500", "500ms"),
            ("1000", "1s"),
            ("90m", "90m"),
            ("120m", "2h"),
            ("1us", "1ms"),
        ];
        for (from, to) in durations {
            assert_eq!(duration(from).as_deref(), Some(to), "{from}");
        }
        for bad in ["0", "", "x", "10x", "99999999999999999999s", "-1"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(count("200k", u64::MAX), Some(204_800));
        assert_eq!(count("9g", 100), Some(100));
        assert_eq!(statuses(|s| s / 100 == 2 || s == 404).as_deref(), Some("200-299,404"));
        assert_eq!(statuses(|_| false), None);
    }
}
